/**
 * Atomic write: a directory of files that changes all at once, as Kubernetes lays it out.
 *
 * Files lie in a directory of their own, `..data` is a symlink to it, and each name is a symlink
 * through `..data`; one rename changes them all. A reader never sees half an update.
 */
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Payload } from "./payload.ts";

const DATA = "..data";

export interface Ownership {
  /** Group that owns the files and may read them. */
  readonly gid?: number;
}

/** True when something changed. */
export async function writeAtomically(
  directory: string,
  payload: Payload,
  { gid }: Ownership,
  clock: Pick<Clock, "now" | "bytes">,
): Promise<boolean> {
  await mkdir(directory, { recursive: true });
  const current = await readlink(join(directory, DATA)).catch(() => undefined);
  if (current && (await same(join(directory, current), payload))) return false;

  const version = `..${new Date(clock.now()).toISOString().slice(0, 19).replace(/[-T:]/g, "_")}.${Buffer.from(clock.bytes(4)).toString("hex")}`;
  await writeVersion(join(directory, version), payload, gid);
  const next = join(directory, `${DATA}_tmp`);
  await rm(next, { force: true });
  await symlink(version, next);
  await rename(next, join(directory, DATA));
  await linkNames(directory, payload);
  await sweep(directory, payload, version);
  return true;
}

async function writeVersion(directory: string, payload: Payload, gid: number | undefined): Promise<void> {
  await mkdir(directory, { mode: 0o755 });
  await own(directory, 0, gid, 0o755);
  for (const [path, file] of payload) {
    const target = join(directory, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    await writeFile(target, file.data);
    // umask must not decide, and whoever is in the group may read
    await own(target, file.uid ?? 0, gid, gid === undefined ? file.mode : file.mode | 0o440);
  }
}

async function own(path: string, uid: number, gid: number | undefined, mode: number): Promise<void> {
  if (uid !== 0 || gid !== undefined) await chown(path, uid, gid ?? 0);
  await chmod(path, mode);
}

async function linkNames(directory: string, payload: Payload): Promise<void> {
  for (const name of topNames(payload)) {
    const link = join(directory, name);
    if (await lstat(link).catch(() => undefined)) continue;
    await symlink(join(DATA, name), link);
  }
}

/** Removes names that are gone and older versions. */
async function sweep(directory: string, payload: Payload, version: string): Promise<void> {
  const names = new Set(topNames(payload));
  for (const entry of await readdir(directory)) {
    const kept = entry === DATA || entry === version || names.has(entry);
    if (!kept) await rm(join(directory, entry), { recursive: true, force: true });
  }
}

const topNames = (payload: Payload): string[] => [
  ...new Set([...payload.keys()].map((path) => path.split("/")[0] as string)),
];

async function same(directory: string, payload: Payload): Promise<boolean> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  if (entries.filter((entry) => entry.isFile()).length !== payload.size) return false;
  for (const [path, file] of payload) {
    const bytes = await readFile(join(directory, path)).catch(() => undefined);
    if (!bytes || Buffer.compare(bytes, file.data) !== 0) return false;
  }
  return true;
}
