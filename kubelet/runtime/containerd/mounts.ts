/**
 * Mounts: which mounts stand under a directory, and taking them away.
 *
 * Deepest first and lazily, so that a process that still sits in one cannot stop a clean-up.
 * Node has no umount of its own; umount(8) is part of every Debian.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Mount points under `directory`, deepest first; not the directory itself, which may be a disk of the user's. */
export function mountsUnder(directory: string): readonly string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => unescapeOctal(line.split(" ")[4] ?? ""))
    .filter((point) => point.startsWith(`${directory}/`))
    .reverse();
}

/** Returns how many were taken away. */
export function unmountUnder(directory: string): number {
  const points = mountsUnder(directory);
  // one command for many, in pieces that fit a command line
  for (let start = 0; start < points.length; start += 200)
    execFileSync("umount", ["--lazy", ...points.slice(start, start + 200)], { stdio: ["ignore", "ignore", "pipe"] });
  return points.length;
}

/** mountinfo writes blanks as \040. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
