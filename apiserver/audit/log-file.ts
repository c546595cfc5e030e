/**
 * Audit log file: takes lines without making anyone wait, and puts them into a file that is rotated.
 *
 * Lines wait in a bounded buffer while one write is under way. A line for which there is no room, or that the
 * disk refuses, is lost: that is counted and said, never silent. Rotated files carry their time in their name,
 * as those of Kubernetes do: audit-2026-01-02T03-04-05.678.log.
 */
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Logger } from "../../machinery/process/logging.ts";

export interface AuditLogOptions {
  /** "-" for standard output. */
  readonly path: string;
  /** 0: never rotated by size. */
  readonly maxBytes: number;
  /** Rotated files to keep; 0: all. */
  readonly maxBackups: number;
  /** Days to keep them; 0: for ever. */
  readonly maxAgeDays: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface AuditLog {
  /** Lines that were lost. */
  readonly lost: number;
  write(line: string): void;
  /** Resolves when everything that was taken is written. */
  close(): Promise<void>;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** How often lost lines are told in the log. */
const COMPLAIN_MS = 10_000;

/** Rejects when the file cannot be opened. */
export async function openAuditLog(options: AuditLogOptions): Promise<AuditLog> {
  const { path, clock, log } = options;
  let file = path === "-" ? undefined : await openForAppend(path);
  let size = file ? (await file.stat()).size : 0;
  let waiting: string[] = [];
  let waitingBytes = 0;
  let writing: Promise<void> | undefined;
  let lost = 0;
  let complained = Number.NEGATIVE_INFINITY;

  const lose = (lines: number, why: unknown) => {
    lost += lines;
    if (clock.monotonic() - complained < COMPLAIN_MS) return;
    complained = clock.monotonic();
    log.error("audit events are lost", { lines, error: why });
  };

  const drain = async (): Promise<void> => {
    while (waiting.length > 0) {
      const lines = waiting;
      const bytes = Buffer.from(lines.join(""));
      waiting = [];
      waitingBytes = 0;
      try {
        if (!file) await toStdout(bytes);
        else {
          if (options.maxBytes > 0 && size > 0 && size + bytes.length > options.maxBytes) {
            file = await rotated(file, options);
            size = 0;
          }
          await file.appendFile(bytes);
          size += bytes.length;
        }
      } catch (error) {
        lose(lines.length, error);
      }
    }
  };

  return {
    get lost() {
      return lost;
    },
    write(line) {
      if (waitingBytes + line.length > limits.auditBufferBytes) return lose(1, new Error("the buffer is full"));
      waiting.push(line);
      waitingBytes += line.length;
      writing ??= drain().finally(() => {
        writing = undefined;
      });
    },
    async close() {
      while (writing) await writing;
      await file?.close();
    },
  };
}

async function openForAppend(path: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true });
  return open(path, "a", 0o600);
}

function toStdout(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

async function rotated(
  file: FileHandle,
  { path, clock, maxBackups, maxAgeDays }: AuditLogOptions,
): Promise<FileHandle> {
  await file.close();
  const end = extname(path);
  const stem = basename(path, end);
  const stamp = new Date(clock.now()).toISOString().slice(0, -1).replaceAll(":", "-");
  await rename(path, join(dirname(path), `${stem}-${stamp}${end}`));
  const fresh = await openForAppend(path);
  const backups = (await readdir(dirname(path)))
    .filter((name) => name.startsWith(`${stem}-`) && name.endsWith(end) && timeOf(name, stem) !== undefined)
    .toSorted()
    .toReversed();
  const oldest = maxAgeDays > 0 ? clock.now() - maxAgeDays * DAY_MS : Number.NEGATIVE_INFINITY;
  const gone = backups.filter(
    (name, index) => (maxBackups > 0 && index >= maxBackups) || (timeOf(name, stem) ?? 0) < oldest,
  );
  for (const name of gone) await rm(join(dirname(path), name), { force: true });
  return fresh;
}

function timeOf(name: string, stem: string): number | undefined {
  const [, day, hours, minutes, seconds] =
    /^(\d{4}-\d\d-\d\dT)(\d\d)-(\d\d)-(\d\d\.\d{3})/.exec(name.slice(stem.length + 1)) ?? [];
  return day === undefined ? undefined : Date.parse(`${day}${hours}:${minutes}:${seconds}Z`);
}
