/**
 * Log file: an append-only file that is rotated by size, for one writing process.
 *
 * Rotated files are FILE.1 (newest) to FILE.N. A line is written whole or not at all; when the disk refuses it, the line
 * goes to standard error instead, which may lie on the same disk: the process lives on without having said it.
 */
import { closeSync, existsSync, fstatSync, ftruncateSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { limits } from "./limits.ts";

export interface LogFile {
  write(line: string): void;
  close(): void;
}

export function openLogFile(
  path: string,
  maxBytes: number = limits.logFileBytes,
  keep: number = limits.logFiles,
): LogFile {
  mkdirSync(dirname(path), { recursive: true });
  let descriptor = openSync(path, "a", 0o600);
  let size = fstatSync(descriptor).size;

  const rotate = () => {
    closeSync(descriptor);
    for (let index = keep - 1; index >= 1; index--) {
      if (existsSync(`${path}.${index}`)) renameSync(`${path}.${index}`, `${path}.${index + 1}`);
    }
    renameSync(path, `${path}.1`);
    descriptor = openSync(path, "a", 0o600);
    size = 0;
  };

  return {
    write(line) {
      try {
        const bytes = Buffer.from(line);
        if (size > 0 && size + bytes.length > maxBytes) rotate();
        const written = writeSync(descriptor, bytes);
        if (written < bytes.length) {
          ftruncateSync(descriptor, size);
          throw new Error("no space left for a whole line");
        }
        size += written;
      } catch (error) {
        onStandardError(`log file ${path}: ${String(error)}; line: ${line}`);
      }
    },
    close: () => closeSync(descriptor),
  };
}

function onStandardError(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // nobody is left to tell
  }
}
