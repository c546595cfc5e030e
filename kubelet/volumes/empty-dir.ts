/**
 * emptyDir volumes: a directory that lives as long as its Pod, on disk or in memory.
 *
 * Memory is a tmpfs of its own, never larger than its limit; it must be unmounted before the Pod's
 * directory is removed: see volumes.ts.
 */
import { execFile } from "node:child_process";
import { chmod, chown, mkdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface EmptyDir {
  readonly path: string;
  /** "Memory" for a tmpfs. */
  readonly medium: string | undefined;
  readonly sizeBytes: number | undefined;
  readonly fsGroup: number | undefined;
}

export async function prepareEmptyDir({ path, medium, sizeBytes, fsGroup }: EmptyDir): Promise<void> {
  await mkdir(path, { recursive: true });
  if (medium === "Memory" && !(await mountsUnder(path)).includes(path)) {
    const size = sizeBytes === undefined ? [] : ["-o", `size=${sizeBytes}`];
    await run("mount", ["-t", "tmpfs", ...size, "tmpfs", path]);
  } else if (medium && medium !== "Memory") {
    throw new Error(`unknown storage medium "${medium}"`);
  }
  if (fsGroup !== undefined) await chown(path, 0, fsGroup);
  await chmod(path, fsGroup === undefined ? 0o777 : 0o2777);
}

/** Mount points at or under a path, deepest first. */
export async function mountsUnder(path: string): Promise<readonly string[]> {
  const text = await readFile("/proc/self/mountinfo", "utf8").catch(() => "");
  return text
    .split("\n")
    .map((line) => plainPath(line.split(" ")[4] ?? ""))
    .filter((point) => point === path || point.startsWith(`${path}/`))
    .sort((a, b) => b.length - a.length);
}

/** The kernel writes blanks and backslashes in octal. */
function plainPath(point: string): string {
  return point.replace(/\\([0-7]{3})/g, (_whole, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

export async function unmount(path: string): Promise<void> {
  await run("umount", ["-l", path]);
}
