/**
 * Ownership: gives a volume's files to the group that a Pod's fsGroup names.
 *
 * Everything in it belongs to the group and can be read and written by it; what is made later inherits
 * the group from its directory. Symlinks are changed themselves, never what they lead to.
 * https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
 */
import { chmod, lchown, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

const SET_GROUP = 0o2000;
const GROUP_FILE = 0o660;
const GROUP_DIRECTORY = 0o770 | SET_GROUP;

/** `onlyOnMismatch`: trusts a root that is as it should be to say that all below is so too. */
export async function giveToGroup(root: string, gid: number, onlyOnMismatch: boolean): Promise<void> {
  if (onlyOnMismatch && (await isGiven(root, gid))) return;
  await give(root, gid);
}

async function isGiven(root: string, gid: number): Promise<boolean> {
  const found = await lstat(root);
  return found.gid === gid && (found.mode & GROUP_DIRECTORY) === GROUP_DIRECTORY;
}

/** What is inside first: a root that is given says that all is. */
async function give(path: string, gid: number): Promise<void> {
  const found = await lstat(path);
  if (found.isDirectory()) for (const name of await readdir(path)) await give(join(path, name), gid);
  if (found.gid !== gid) await lchown(path, found.uid, gid);
  if (found.isSymbolicLink()) return;
  const wanted = (found.mode & 0o7777) | (found.isDirectory() ? GROUP_DIRECTORY : GROUP_FILE);
  if (found.gid !== gid || wanted !== (found.mode & 0o7777)) await chmod(path, wanted);
}
