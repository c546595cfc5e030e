/**
 * Directory usage: bytes and inodes that a tree takes on its disk.
 *
 * It never crosses into another file system and counts a file with several names once; what goes away while it is
 * counted counts nothing. Directories are read one at a time, so a large tree takes long but little memory.
 */
import { lstat, opendir } from "node:fs/promises";
import { join } from "node:path";

export interface DirectoryUsage {
  readonly bytes: number;
  readonly inodes: number;
}

const BLOCK_BYTES = 512;
/** Of files with several names, as many are remembered. */
const MAX_LINKED = 100_000;

export async function directoryUsage(root: string): Promise<DirectoryUsage> {
  const found = await lstat(root).catch(() => undefined);
  if (!found) return { bytes: 0, inodes: 0 };
  const total = { bytes: found.blocks * BLOCK_BYTES, inodes: 1 };
  if (!found.isDirectory()) return total;
  const linked = new Set<number>();
  const waiting = [root];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const directory = await opendir(next).catch(() => undefined);
    if (!directory) continue;
    for await (const entry of directory) {
      const path = join(next, entry.name);
      const one = await lstat(path).catch(() => undefined);
      if (!one || one.dev !== found.dev || linked.has(one.ino)) continue;
      if (one.nlink > 1 && !one.isDirectory() && linked.size < MAX_LINKED) linked.add(one.ino);
      total.bytes += one.blocks * BLOCK_BYTES;
      total.inodes++;
      if (one.isDirectory()) waiting.push(path);
    }
  }
  return total;
}
