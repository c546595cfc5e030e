/**
 * nft: hands scripts to the nftables program, one transaction each, and reads what the kernel has.
 *
 * A script is applied whole or not at all. Every table of ours is named k8ts or k8ts-*;
 * nothing here may name another (but see docker.ts).
 */
import { execFile, spawn } from "node:child_process";
import { promisify } from "node:util";

export class NftError extends Error {
  override readonly name = "NftError";
}

const MOST_BYTES = 512 * 1024 * 1024;

/** Rejects with what nft said. */
export function nft(script: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("nft", ["-f", "-"], { stdio: ["pipe", "ignore", "pipe"], env: environment() });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (said.length < 4096) said += text;
    });
    child.on("error", (error) => reject(new NftError(`nft could not be started: ${error.message}`, { cause: error })));
    child.stdin.on("error", () => undefined); // nft ended before it read everything: its exit code says why
    child.on("close", (code) =>
      code === 0 ? resolve() : reject(new NftError(`nft: ${said.trim() || `exit code ${code}`}`)),
    );
    child.stdin.end(script);
  });
}

/** What nft says to a question, a line each: "list table ip k8ts-proxy". Without `elements`, sets are shown empty. */
export async function listed(question: readonly string[], elements: "elements" | "no elements"): Promise<string> {
  const flags = elements === "elements" ? ["-n"] : ["-n", "-t"];
  const { stdout } = await promisify(execFile)("nft", [...flags, ...question], {
    env: environment(),
    maxBuffer: MOST_BYTES,
  });
  return stdout;
}

/** "ip k8ts", "ip6 k8ts-proxy": the tables of ours that are there. */
export async function ownTables(): Promise<readonly string[]> {
  const text = await listed(["list", "tables"], "no elements");
  return [...text.matchAll(/^table (\S+ k8ts(?:-\S+)?)$/gm)].map((match) => match[1] as string);
}

/** Daemons often lack /usr/sbin in PATH. */
export function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/sbin:/sbin` };
}
