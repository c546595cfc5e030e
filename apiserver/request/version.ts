/**
 * Version: what the server says that it is. Clients choose their ways by major and minor.
 */
export const version = {
  major: "1",
  minor: "36",
  gitVersion: "v1.36.0+k8ts",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: `node${process.version}`,
  compiler: "typescript",
  platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
} as const;
