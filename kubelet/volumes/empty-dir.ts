/**
 * emptyDir volumes: a directory that lives as long as its Pod, on disk, in memory or in huge pages.
 *
 * Memory is a tmpfs of its own, never larger than its limit; what is mounted must be unmounted before the Pod's
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
  /** Options of its mount, where it lies in huge pages. */
  readonly hugePages?: string | undefined;
  readonly fsGroup: number | undefined;
}

export async function prepareEmptyDir({ path, medium, sizeBytes, hugePages, fsGroup }: EmptyDir): Promise<void> {
  if (medium && medium !== "Memory" && hugePages === undefined) throw new Error(`unknown storage medium "${medium}"`);
  await mkdir(path, { recursive: true });
  if (medium && !(await mountsUnder(path)).includes(path)) {
    const [type, options] =
      hugePages === undefined ? ["tmpfs", sizeBytes && `size=${sizeBytes}`] : ["hugetlbfs", hugePages];
    await run("mount", ["-t", type, ...(options ? ["-o", options] : []), type, path]);
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
