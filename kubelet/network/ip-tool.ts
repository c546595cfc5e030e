/**
 * ip: calls iproute2's programs.
 *
 * Arguments are never put through a shell. Several changes go in one batch, which goes on after one that
 * fails and then says which.
 */
import { execFile, spawn } from "node:child_process";
import { promisify } from "node:util";
import { environment } from "./nft.ts";

const run = promisify(execFile);
const MOST_BYTES = 64 * 1024 * 1024;

export async function ip(...args: string[]): Promise<string> {
  const { stdout } = await run("ip", args, { env: environment(), maxBuffer: MOST_BYTES });
  return stdout;
}

/** What `ip -json …` or `bridge -json …` answers; an empty answer is an empty list. */
export async function asked<T>(program: "ip" | "bridge", ...args: string[]): Promise<readonly T[]> {
  const { stdout } = await run(program, ["-json", ...args], { env: environment(), maxBuffer: MOST_BYTES });
  // some versions write an empty object for each line that a filter left out
  const rows = JSON.parse(stdout.trim() || "[]") as readonly T[];
  return rows.filter((row) => Object.keys(row as object).length > 0);
}

/** Rejects with what the program said of the lines that failed. */
export function batch(program: "ip" | "bridge", lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const child = spawn(program, ["-force", "-batch", "-"], { stdio: ["pipe", "ignore", "pipe"], env: environment() });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (said.length < 4096) said += text;
    });
    child.on("error", reject);
    child.stdin.on("error", () => undefined); // it ended before it read everything: its exit code says why
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(`${program}: ${said.trim() || code}`))));
    child.stdin.end(`${lines.join("\n")}\n`);
  });
}
