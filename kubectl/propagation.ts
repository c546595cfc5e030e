/** Propagation: what the words of --cascade ask of the server. */
export const PROPAGATION: Readonly<Record<string, string>> = {
  background: "Background",
  true: "Background",
  orphan: "Orphan",
  false: "Orphan",
  foreground: "Foreground",
};
