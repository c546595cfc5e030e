/**
 * nft: hands scripts to the nftables program, one transaction each.
 *
 * A script is applied whole or not at all. Every table of ours is named k8ts or k8ts-*;
 * nothing here may name another (but see docker.ts).
 */
import { spawn } from "node:child_process";

export class NftError extends Error {
  override readonly name = "NftError";
}

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

/** Daemons often lack /usr/sbin in PATH. */
export function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/sbin:/sbin` };
}
