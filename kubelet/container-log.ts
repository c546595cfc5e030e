/**
 * Container logs: reads the files that the runtime writes, one line an entry: time, stream, tag, text.
 *
 * Following goes on over rotation: the old file is read to its end before the new one is begun, so
 * no line is lost or doubled. Memory is bounded by one block whatever the log's size.
 * Rotating: log-rotation.ts; serving: server-logs.ts.
 */
import { type FSWatcher, watch } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Clock } from "../machinery/process/clock.ts";

export interface LogOptions {
  readonly follow?: boolean;
  readonly tailLines?: number;
  /** Wall time in ms: entries before it are left out. */
  readonly since?: number;
  readonly timestamps?: boolean;
  readonly limitBytes?: number;
  readonly stream?: "stdout" | "stderr";
}

export interface LogSource {
  readonly path: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Asked when following has reached the end: false ends it. */
  readonly isRunning: () => Promise<boolean>;
}

const BLOCK = 65_536;
const NEWLINE = 10;
/** Without news from the file system, look again after this time. */
const LOOK_MS = 1_000;

export async function* readLog(source: LogSource, options: LogOptions): AsyncGenerator<Uint8Array> {
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  if (left <= 0 || options.tailLines === 0) {
    if (!options.follow) return;
  }
  for await (const block of rawBlocks(source, options)) {
    const text = render(block, options);
    if (text.length === 0) continue;
    yield text.length > left ? text.subarray(0, left) : text;
    left -= text.length;
    if (left <= 0) return;
  }
}

/** Blocks of whole entries, in order. */
async function* rawBlocks(source: LogSource, options: LogOptions): AsyncGenerator<Buffer> {
  const changes = options.follow ? watchFile(source) : undefined;
  let file: FileHandle | undefined;
  let next: FileHandle | undefined;
  try {
    file = await open(source.path, "r");
    const tail = options.tailLines === undefined ? undefined : await tailOf(file, options.tailLines);
    let offset = tail?.begin ?? 0;
    // who asks for so many lines and does not follow gets no more, though they are written meanwhile
    const until = tail && !options.follow ? tail.end : Number.POSITIVE_INFINITY;
    let rest: Buffer = Buffer.alloc(0);
    let last = false;
    while (!source.signal.aborted) {
      const read: Buffer | undefined = await readBlock(file, offset, until);
      if (read) {
        offset += read.length;
        const joined: Buffer = rest.length > 0 ? Buffer.concat([rest, read]) : read;
        const end = joined.lastIndexOf(NEWLINE) + 1;
        rest = joined.subarray(end);
        if (end > 0) yield joined.subarray(0, end);
        continue;
      }
      if (!changes) break;
      if (next) {
        if (rest.length > 0) yield rest;
        await file.close();
        file = next;
        next = undefined;
        offset = 0;
        rest = Buffer.alloc(0);
        continue;
      }
      next = await rotated(source.path, file);
      if (next) continue; // the old file once more: it may have grown before it was put aside
      if (last) break;
      // an entry may have come between the end of the file and the end of the container
      if (!(await source.isRunning())) last = true;
      else await changes.wait();
    }
    if (rest.length > 0) yield rest;
  } finally {
    changes?.close();
    await file?.close();
    await next?.close();
  }
}

async function readBlock(file: FileHandle, offset: number, until: number): Promise<Buffer | undefined> {
  const size = Math.min(BLOCK, until - offset);
  if (size <= 0) return undefined;
  const buffer = Buffer.allocUnsafe(size);
  const { bytesRead } = await file.read(buffer, 0, size, offset);
  return bytesRead > 0 ? buffer.subarray(0, bytesRead) : undefined;
}

/** The file now at the path, when it is another one than that which is open. */
async function rotated(path: string, file: FileHandle): Promise<FileHandle | undefined> {
  const [here, there] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
  if (!there || there.ino === here.ino) return undefined;
  return open(path, "r");
}

/** Where the last `lines` entries begin and end. */
async function tailOf(file: FileHandle, lines: number): Promise<{ begin: number; end: number }> {
  const { size } = await file.stat();
  if (lines === 0) return { begin: size, end: size };
  let seen = 0;
  for (let end = size; end > 0; ) {
    const begin = Math.max(0, end - BLOCK);
    const block = Buffer.allocUnsafe(end - begin);
    await file.read(block, 0, block.length, begin);
    for (let at = block.length - 1; at >= 0; at--) {
      if (block[at] !== NEWLINE || begin + at === size - 1) continue;
      seen++;
      if (seen === lines) return { begin: begin + at + 1, end: size };
    }
    end = begin;
  }
  return { begin: 0, end: size };
}

interface Entry {
  readonly time: string;
  readonly stream: string;
  readonly partial: boolean;
  readonly text: Buffer;
}

/** Undefined for a line that is no entry. */
export function parseEntry(line: Buffer): Entry | undefined {
  const time = line.indexOf(32);
  const stream = line.indexOf(32, time + 1);
  const tag = line.indexOf(32, stream + 1);
  if (time <= 0 || stream < 0 || tag < 0) return undefined;
  return {
    time: line.toString("latin1", 0, time),
    stream: line.toString("latin1", time + 1, stream),
    partial: line.toString("latin1", stream + 1, tag).split(":")[0] === "P",
    text: line.subarray(tag + 1),
  };
}

const NEWLINE_BYTES = Buffer.from("\n");

/** What a client sees of a block of entries. */
function render(block: Buffer, { since, timestamps, stream }: LogOptions): Buffer {
  const parts: Buffer[] = [];
  for (let from = 0; from < block.length; ) {
    const found = block.indexOf(NEWLINE, from);
    const end = found < 0 ? block.length : found;
    const entry = parseEntry(block.subarray(from, end));
    from = end + 1;
    if (!entry || (stream && entry.stream !== stream)) continue;
    if (since !== undefined && Date.parse(entry.time) < since) continue;
    if (timestamps) parts.push(Buffer.from(`${entry.time} `, "latin1"));
    parts.push(entry.text);
    if (!entry.partial) parts.push(NEWLINE_BYTES);
  }
  return Buffer.concat(parts);
}

interface Changes {
  wait(): Promise<void>;
  close(): void;
}

/** Wakes as soon as the file system tells of a change, and after a while in any case. */
function watchFile({ path, clock, signal }: LogSource): Changes {
  let notify: () => void = () => undefined;
  let pending = false;
  let watcher: FSWatcher | undefined;
  const changed = () => {
    pending = true;
    notify();
  };
  try {
    watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
      if (name === null || name === basename(path)) changed();
    });
    watcher.on("error", () => watcher?.close());
  } catch {
    watcher = undefined; // too many watches on this host: the clock alone must do
  }
  signal.addEventListener("abort", changed, { once: true });
  return {
    async wait() {
      if (!pending) {
        await new Promise<void>((resolve) => {
          const timer = clock.after(LOOK_MS, resolve, { background: true });
          notify = () => {
            timer.cancel();
            resolve();
          };
        });
      }
      pending = false;
    },
    close() {
      signal.removeEventListener("abort", changed);
      watcher?.close();
      notify();
    },
  };
}
