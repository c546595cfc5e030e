/**
 * Tar: writes the archives that images are made of, and reads names and small files out of them.
 *
 * Written entries are reproducible (no times, no users but the given), so that the same content gives
 * the same digest. Long names travel in pax headers. Nothing here knows images: see build.ts, archive.ts.
 */
export interface TarEntry {
  /** Without a leading slash. */
  readonly path: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Exactly one of these; none is a directory. */
  readonly content?: Uint8Array | string;
  readonly stream?: { readonly size: number; open(): AsyncIterable<Uint8Array> };
  readonly symlink?: string;
  readonly hardlink?: string;
}

const BLOCK = 512;

/** The archive, with the two empty blocks that end it. */
export async function* writeTar(entries: Iterable<TarEntry>): AsyncGenerator<Uint8Array> {
  for (const entry of entries) yield* writeEntry(entry);
  yield Buffer.alloc(2 * BLOCK);
}

async function* writeEntry(entry: TarEntry): AsyncGenerator<Uint8Array> {
  const size = sizeOf(entry);
  const link = entry.symlink ?? entry.hardlink ?? "";
  const path = isDirectory(entry) && !entry.path.endsWith("/") ? `${entry.path}/` : entry.path;
  const pax = paxRecords({ path, linkpath: link });
  if (pax.length > 0) {
    yield header({ path: "pax", type: "x", size: pax.length, mode: 0o644, uid: 0, gid: 0, link: "" });
    yield pax;
    yield padding(pax.length);
  }
  const mode = entry.mode ?? (isDirectory(entry) ? 0o755 : 0o644);
  yield header({ path, type: typeOf(entry), size, mode, uid: entry.uid ?? 0, gid: entry.gid ?? 0, link });
  if (size === 0) return;
  if (entry.stream) yield* exactly(entry.stream.open(), size, entry.path);
  else yield Buffer.from(entry.content as Uint8Array);
  yield padding(size);
}

/** The archive's headers promise a size, so a file that changed meanwhile must not pass. */
async function* exactly(content: AsyncIterable<Uint8Array>, size: number, path: string): AsyncGenerator<Uint8Array> {
  let read = 0;
  for await (const chunk of content) {
    read += chunk.length;
    yield chunk;
  }
  if (read !== size) throw new Error(`${path} changed while it was being archived`);
}

function isDirectory({ content, stream, symlink, hardlink }: TarEntry): boolean {
  return content === undefined && !stream && symlink === undefined && hardlink === undefined;
}

function sizeOf({ content, stream }: TarEntry): number {
  return stream?.size ?? (content === undefined ? 0 : Buffer.byteLength(content));
}

function typeOf(entry: TarEntry): string {
  if (entry.hardlink !== undefined) return "1";
  if (entry.symlink !== undefined) return "2";
  return isDirectory(entry) ? "5" : "0";
}

interface Header {
  readonly path: string;
  readonly type: string;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly link: string;
}

function header({ path, type, size, mode, uid, gid, link }: Header): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "latin1");
  Buffer.from(path).copy(block, 0, 0, 100);
  octal(mode, 100, 8);
  octal(uid, 108, 8);
  octal(gid, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write("        ", 148, "latin1"); // the checksum counts as blanks
  block.write(type, 156, "latin1");
  Buffer.from(link).copy(block, 157, 0, 100);
  block.write("ustar\x0000", 257, "latin1");
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
    148,
    "latin1",
  );
  return block;
}

/** "27 path=some/long/name\n" for every value that does not fit the header; the number counts itself. */
function paxRecords(values: Readonly<Record<string, string>>): Buffer {
  const records = Object.entries(values)
    .filter(([, value]) => Buffer.byteLength(value) > 100)
    .map(([key, value]) => {
      const rest = Buffer.byteLength(` ${key}=${value}\n`);
      let length = rest + 1;
      while (String(length).length + rest !== length) length = String(length).length + rest;
      return `${length} ${key}=${value}\n`;
    });
  return Buffer.from(records.join(""));
}

function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/**
 * Follows an archive that passes by in chunks of any size, and hands out the files that `wants` names.
 * Keeps at most one header and the wanted files, each up to `maxBytes`.
 */
export class TarFollower {
  readonly found = new Map<string, Buffer>();
  readonly #wants: (path: string) => boolean;
  readonly #maxBytes: number;
  #header = Buffer.alloc(0);
  #left = 0;
  #padding = 0;
  #keeping: { path: string; chunks: Buffer[] } | undefined;

  constructor(wants: (path: string) => boolean, maxBytes: number) {
    this.#wants = wants;
    this.#maxBytes = maxBytes;
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#left > 0) at += this.#content(chunk.subarray(at));
      else if (this.#padding > 0) {
        const skipped = Math.min(this.#padding, chunk.length - at);
        this.#padding -= skipped;
        at += skipped;
      } else at += this.#head(chunk.subarray(at));
    }
  }

  #content(chunk: Buffer): number {
    const part = chunk.subarray(0, this.#left);
    this.#keeping?.chunks.push(Buffer.from(part));
    this.#left -= part.length;
    if (this.#left === 0) this.#finish();
    return part.length;
  }

  #head(chunk: Buffer): number {
    const taken = chunk.subarray(0, BLOCK - this.#header.length);
    this.#header = Buffer.concat([this.#header, taken]);
    if (this.#header.length < BLOCK) return taken.length;
    const block = this.#header;
    this.#header = Buffer.alloc(0);
    if (block[0] === 0) return taken.length; // the end
    const path = text(block, 0, 100).replace(/^\.\//, "");
    this.#left = sizeField(block);
    this.#padding = (BLOCK - (this.#left % BLOCK)) % BLOCK;
    if (this.#wants(path) && this.#left <= this.#maxBytes) this.#keeping = { path, chunks: [] };
    if (this.#left === 0) this.#finish();
    return taken.length;
  }

  #finish(): void {
    if (this.#keeping) this.found.set(this.#keeping.path, Buffer.concat(this.#keeping.chunks));
    this.#keeping = undefined;
  }
}

function text(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? length : end);
}

/** Octal digits, or a big-endian number where the first bit is set (files beyond 8 GiB). */
function sizeField(block: Buffer): number {
  if (((block[124] ?? 0) & 0x80) !== 0) return Number(block.readBigUInt64BE(128));
  return Number.parseInt(text(block, 124, 12).trim() || "0", 8);
}
