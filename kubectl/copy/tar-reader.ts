/**
 * Tar reader: an archive that comes from a container, entry by entry, as it arrives.
 *
 * Nothing in it is to be trusted: names are given as they stand, and whoever writes files decides which to take.
 */
const BLOCK = 512;
const LONGEST_NAME = 64 * 1024;

export interface TarEntry {
  readonly name: string;
  readonly type: "file" | "directory" | "link" | "other";
  readonly mode: number;
  readonly linkTarget: string;
  /** To be read to its end before the next entry is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
}

const TYPES: Readonly<Record<string, TarEntry["type"]>> = {
  "0": "file",
  "\0": "file",
  "5": "directory",
  "2": "link",
  "1": "link",
};

export async function* readTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const source = createSource(chunks);
  let long: Readonly<Record<string, string>> = {};
  for (;;) {
    const header = await source.take(BLOCK);
    if (header.length < BLOCK || header.every((byte) => byte === 0)) return;
    const type = String.fromCharCode(header[156] ?? 0);
    const size = Number(long["size"] ?? number(header, 124, 12));
    const padded = Math.ceil(size / BLOCK) * BLOCK;
    if (type === "x" || type === "g" || type === "L" || type === "K") {
      if (size > LONGEST_NAME) throw new Error("a name in the archive is too long");
      const told = (await source.take(padded)).subarray(0, size);
      if (type === "x") long = { ...long, ...records(told) };
      if (type === "L" || type === "K") long = { ...long, [type === "L" ? "path" : "linkpath"]: text(told, 0, size) };
      continue;
    }
    const prefix = text(header, 345, 155);
    const name = long["path"] ?? `${prefix === "" ? "" : `${prefix}/`}${text(header, 0, 100)}`;
    const content = source.limited(size);
    yield {
      name,
      type: TYPES[type] ?? "other",
      mode: number(header, 100, 8) & 0o777,
      linkTarget: long["linkpath"] ?? text(header, 157, 100),
      content,
    };
    for await (const _ of content); // what nobody has read
    await source.take(padded - size);
    long = {};
  }
}

function text(bytes: Uint8Array, at: number, length: number): string {
  const field = Buffer.from(bytes.subarray(at, at + length));
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? undefined : end);
}

/** Octal, or binary where the first bit is set. */
function number(bytes: Uint8Array, at: number, length: number): number {
  if (((bytes[at] ?? 0) & 0x80) === 0) return Number.parseInt(text(bytes, at, length).trim() || "0", 8);
  let value = 0;
  for (const byte of bytes.subarray(at + 1, at + length)) value = value * 256 + byte;
  return value;
}

function records(bytes: Uint8Array): Record<string, string> {
  const found: Record<string, string> = {};
  let rest = Buffer.from(bytes);
  while (rest.length > 0) {
    const space = rest.indexOf(" ");
    const length = Number(rest.toString("latin1", 0, space));
    if (space < 0 || !(length > space)) return found;
    const line = rest.toString("utf8", space + 1, length - 1);
    const equals = line.indexOf("=");
    found[line.slice(0, equals)] = line.slice(equals + 1);
    rest = rest.subarray(length);
  }
  return found;
}

interface Source {
  /** Fewer only at the end. */
  take(bytes: number): Promise<Uint8Array>;
  limited(bytes: number): AsyncIterable<Uint8Array>;
}

function createSource(chunks: AsyncIterable<Uint8Array>): Source {
  const iterator = chunks[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array();
  async function some(most: number): Promise<Uint8Array> {
    while (rest.length === 0) {
      const next = await iterator.next();
      if (next.done) return rest;
      rest = next.value;
    }
    const part = rest.subarray(0, most);
    rest = rest.subarray(part.length);
    return part;
  }
  return {
    async take(bytes) {
      const parts: Uint8Array[] = [];
      let left = bytes;
      while (left > 0) {
        const part = await some(left);
        if (part.length === 0) break;
        parts.push(part);
        left -= part.length;
      }
      return Buffer.concat(parts);
    },
    limited(bytes) {
      let left = bytes;
      return {
        async *[Symbol.asyncIterator]() {
          while (left > 0) {
            const part = await some(left);
            if (part.length === 0) throw new Error("unexpected EOF");
            left -= part.length;
            yield part;
          }
        },
      };
    },
  };
}
