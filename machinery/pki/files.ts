/**
 * Private files: written whole or not at all, readable by their owner only.
 */
import { chmod, mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** The text of a file, or undefined when there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Replaces a file in one step (0600, its directory 0700); on disk when it resolves. */
export async function writePrivate(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.new`;
  const file = await open(draft, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await chmod(draft, 0o600);
  await rename(draft, path);
}

/** As `writePrivate`, but leaves an equal file alone. True when it wrote. */
export async function keepPrivate(path: string, text: string): Promise<boolean> {
  if ((await readIfThere(path)) === text) return false;
  await writePrivate(path, text);
  return true;
}
