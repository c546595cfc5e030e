/**
 * Environment files: variables that a container finds in a file of an emptyDir, written by one before it.
 *
 * The file is another container's: its path is followed component by component and never through a
 * symbolic link, so that nothing outside the volume is read, and only a plain file of bounded size is.
 * https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-via-file/
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { limits } from "../../machinery/process/limits.ts";

const { O_RDONLY, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = constants;

/** Undefined where there is no such file. */
export async function readEnvFile(volume: string, path: string): Promise<string | undefined> {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  let at = await open(volume, O_RDONLY | O_DIRECTORY);
  try {
    for (const [index, part] of parts.entries()) {
      const last = index === parts.length - 1;
      const next = await open(
        `/proc/self/fd/${at.fd}/${part}`,
        O_RDONLY | O_NOFOLLOW | (last ? O_NONBLOCK : O_DIRECTORY),
      );
      await at.close();
      at = next;
    }
    return await textOf(at, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP" || code === "ENOTDIR") throw new Error(`${path} leads through what is no directory`);
    throw error;
  } finally {
    await at.close();
  }
}

async function textOf(file: FileHandle, path: string): Promise<string> {
  const about = await file.stat();
  if (!about.isFile()) throw new Error(`${path} is no file`);
  if (about.size > limits.envFileBytes) throw new Error(`${path} has more than ${limits.envFileBytes} bytes`);
  const buffer = Buffer.alloc(limits.envFileBytes);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
  return buffer.toString("utf8", 0, bytesRead);
}

const NAME = /^[ \t]*([^\s=#'"]+)[ \t]*=[ \t]*/;

/**
 * KEY='value', one after another: a value may span lines and hold anything but a single quote. Comments
 * and empty lines are passed over. Throws, naming the line, when something else stands there.
 */
export function parseEnvFile(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const lines = text.split("\n");
  for (let line = 0; line < lines.length; line++) {
    const own = (lines[line] ?? "").replace(/\r$/, "");
    if (/^[ \t]*(#|$)/.test(own)) continue;
    const wrong = (why: string) => new Error(`invalid environment variable format at line ${line + 1}: ${why}`);
    const name = NAME.exec(own);
    if (!name?.[1]) throw wrong("must be KEY='value'");
    let rest = own.slice(name[0].length);
    if (!rest.startsWith("'")) throw wrong("the value must be enclosed in single quotes");
    rest = rest.slice(1);
    while (!rest.includes("'")) {
      line++;
      if (line >= lines.length) throw wrong("the closing single quote is missing");
      rest += `\n${lines[line]}`;
    }
    const end = rest.indexOf("'");
    if (!/^[ \t\r]*(#.*)?$/.test(rest.slice(end + 1))) throw wrong("nothing but a comment may follow the value");
    found.set(name[1], rest.slice(0, end));
  }
  return found;
}
