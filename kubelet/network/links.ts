/**
 * Links: which network interfaces this process sees.
 *
 * Asked of the process's own network namespace: /sys/class/net shows the one in which /sys was
 * mounted, which is another's where a node is a namespace.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { environment } from "./nft.ts";

export function hasLink(name: string): boolean {
  const lines = readFileSync("/proc/self/net/dev", "utf8").split("\n");
  return lines.some((line) => line.trimStart().startsWith(`${name}:`));
}

/** Interfaces that hang on a bridge. */
export async function portsOf(bridge: string): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)("ip", ["-o", "link", "show", "master", bridge], { env: environment() });
  return [...stdout.matchAll(/^\d+: ([^:@]+)/gm)].map((match) => match[1] as string);
}

/** Kernels have most things built in or load them by themselves; kmod may be absent. Whoever needs it looks afterwards. */
export async function loadModule(name: string): Promise<void> {
  await promisify(execFile)("modprobe", [name], { env: environment() }).catch(() => undefined);
}
