/**
 * hostPath volumes: checks that what lies on the host is of the type asked for, makes it where the type says so.
 *
 * https://kubernetes.io/docs/concepts/storage/volumes/#hostpath
 */
import type { Stats } from "node:fs";
import { mkdir, open, stat } from "node:fs/promises";

interface HostPathType {
  readonly create?: (path: string) => Promise<void>;
  readonly matches: (found: Stats) => boolean;
  readonly wanted: string;
}

const makeDirectory = async (path: string) => void (await mkdir(path, { recursive: true, mode: 0o755 }));
const makeFile = async (path: string) => (await open(path, "a", 0o644)).close();

const TYPES: Readonly<Record<string, HostPathType>> = {
  DirectoryOrCreate: { create: makeDirectory, matches: (found) => found.isDirectory(), wanted: "directory" },
  Directory: { matches: (found) => found.isDirectory(), wanted: "directory" },
  FileOrCreate: { create: makeFile, matches: (found) => found.isFile(), wanted: "file" },
  File: { matches: (found) => found.isFile(), wanted: "file" },
  Socket: { matches: (found) => found.isSocket(), wanted: "socket file" },
  CharDevice: { matches: (found) => found.isCharacterDevice(), wanted: "character device" },
  BlockDevice: { matches: (found) => found.isBlockDevice(), wanted: "block device" },
};

export async function prepareHostPath(path: string, type: string | undefined): Promise<void> {
  if (!type) return;
  const rule = TYPES[type];
  if (!rule) throw new Error(`${type} is an invalid volume type`);
  let found = await stat(path).catch(() => undefined);
  if (!found && rule.create) {
    await rule.create(path);
    found = await stat(path);
  }
  if (!found || !rule.matches(found)) throw new Error(`hostPath type check failed: ${path} is not a ${rule.wanted}`);
}
