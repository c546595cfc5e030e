/**
 * Sub paths: a place inside a volume, mounted so that nobody can swap it for another on the way.
 *
 * Whoever writes into the volume may place symlinks there at any moment. Those that stay inside are followed once, by
 * name; then every component is opened from the one before it, never following a link, and what is mounted is the file
 * that was opened, not a name. Names that lead out of the volume, or that change meanwhile, are refused.
 */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { chmod, type FileHandle, mkdir, open, realpath, stat, writeFile } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { mountsUnder, unmount } from "./empty-dir.ts";

const run = promisify(execFile);

/** Only names a file: nothing is read, and a device is not woken. */
const O_PATH = 0o10000000;
const FLAGS = O_PATH | constants.O_NOFOLLOW;

/** The place leads out of its volume, or was changed while it was looked at. */
export class SubPathError extends Error {
  override readonly name = "SubPathError";
  readonly kind: "create" | "prepare";
  constructor(kind: "create" | "prepare", message: string) {
    super(message);
    this.kind = kind;
  }
}

export interface SubPath {
  /** The volume on the host. */
  readonly volume: string;
  /** Inside it, without "..". */
  readonly path: string;
  /** Where to mount it; undefined: answer the place itself, for whoever mounts nothing. */
  readonly target: string | undefined;
}

/** Answers what a container is to get. Missing directories are made, as open as the volume is. */
export async function prepareSubPath({ volume, path, target }: SubPath): Promise<string> {
  if (isAbsolute(path) || path.split("/").includes("..")) throw new Error(`invalid subPath: ${path}`);
  const root = await realpath(volume);
  const wanted = join(root, path);
  const existing = await nearest(wanted);
  const kind = existing === wanted ? "prepare" : "create";
  const real = join(await inside(root, existing, kind), relative(existing, wanted));
  const opened = await openInside(root, relative(root, real), kind);
  try {
    if (target === undefined) return real;
    await bind(opened, target);
    return target;
  } finally {
    await opened.close();
  }
}

/** The longest part of the path that exists. */
async function nearest(path: string): Promise<string> {
  let existing = path;
  while (!(await stat(existing).catch(() => undefined))) existing = dirname(existing);
  return existing;
}

async function inside(root: string, path: string, kind: SubPathError["kind"]): Promise<string> {
  const real = await realpath(path);
  if (real === root || real.startsWith(root.endsWith(sep) ? root : root + sep)) return real;
  throw new SubPathError(kind, `${path} leads out of its volume`);
}

/** Component by component; each is known to be in the directory opened before it. */
async function openInside(root: string, path: string, kind: SubPathError["kind"]): Promise<FileHandle> {
  const mode = (await stat(root)).mode & 0o7777;
  let at = await open(root, FLAGS | constants.O_DIRECTORY);
  for (const name of path.split("/").filter(Boolean)) {
    const next = await openComponent(at, name, mode, kind).finally(() => at.close());
    at = next;
  }
  return at;
}

async function openComponent(
  parent: FileHandle,
  name: string,
  mode: number,
  kind: SubPathError["kind"],
): Promise<FileHandle> {
  const place = `/proc/self/fd/${parent.fd}/${name}`;
  const found = await open(place, FLAGS).catch(unlessMissing);
  if (!found) await mkdir(place, { mode }).catch(unlessThere);
  const next = found ?? (await open(place, FLAGS));
  try {
    if ((await next.stat()).isSymbolicLink())
      throw new SubPathError(kind, `${name} became a symlink while it was looked at`);
    if (!found) await chmod(`/proc/self/fd/${next.fd}`, mode); // umask must not decide
    return next;
  } catch (error) {
    await next.close();
    throw error;
  }
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

function unlessThere(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "EEXIST") throw error;
}

/** What was mounted for an earlier run of the container is kept if it is the same. */
async function bind(opened: FileHandle, target: string): Promise<void> {
  const wanted = await opened.stat();
  if ((await mountsUnder(target)).includes(target)) {
    const found = await stat(target);
    if (found.dev === wanted.dev && found.ino === wanted.ino) return;
    await unmount(target);
  }
  if (wanted.isDirectory()) await mkdir(target, { recursive: true, mode: 0o750 });
  else {
    await mkdir(dirname(target), { recursive: true, mode: 0o750 });
    await writeFile(target, "", { flag: "a", mode: 0o640 });
  }
  // the name must not be resolved again: it stands for the opened file
  await run("mount", ["--no-canonicalize", "--bind", `/proc/${process.pid}/fd/${opened.fd}`, target]);
}
