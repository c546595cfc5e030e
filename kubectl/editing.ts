/**
 * Editing: an editor on a temporary file, and what may be said above the text in it.
 *
 * Lines that begin with '#' are ours and never part of what was edited.
 */
import { spawn } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandError } from "./errors.ts";
import type { KubectlIo } from "./io.ts";

const HEADER = `# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
`;

export const withHeader = (text: string, reasons = ""): string => `${HEADER}${reasons}${text}`;

export const withoutComments = (text: string): string =>
  text
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n");

export interface Edited {
  readonly text: string;
  /** Where it lies until `discard`. */
  readonly path: string;
  discard(): Promise<void>;
}

/** Opens the editor on the text and waits for its end. */
export async function edit(text: string, extension: string, io: KubectlIo): Promise<Edited> {
  const path = join(tmpdir(), `kubectl-edit-${Math.floor(io.clock.random() * 2 ** 32)}${extension}`);
  const discard = () => rm(path, { force: true });
  await writeFile(path, text, { flag: "wx", mode: 0o600 });
  try {
    await launch(io, path);
    return { text: await readFile(path, "utf8"), path, discard };
  } catch (error) {
    await discard();
    throw error;
  }
}

/** An editor with quotes in it is the shell's to read. */
function launch({ env }: KubectlIo, path: string): Promise<void> {
  const editor = env["KUBE_EDITOR"] || env["EDITOR"] || "vi";
  const [program = "", ...args] = /["'\\]/.test(editor)
    ? [env["SHELL"] || "/bin/bash", "-c", `${editor} ${JSON.stringify(path)}`]
    : [...editor.split(" "), path];
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "inherit", env: { ...env } });
    child.once("error", () => reject(new CommandError(`unable to launch the editor ${JSON.stringify(editor)}`)));
    child.once("close", (code) =>
      code === 0
        ? resolve()
        : reject(new CommandError(`there was a problem with the editor ${JSON.stringify(editor)}`)),
    );
  });
}
