/**
 * Tar writer: files of this machine as an archive, for a `tar` at the other end.
 *
 * Names that do not fit into a header travel in pax records. Sockets, devices and the like are left out. Reading is
 * tar-reader.ts.
 */
import { createReadStream, type Stats } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";

const BLOCK = 512;

/** The file or directory at `path`, named `name` in the archive; with the blocks that end it. */
export async function* writeTar(path: string, name: string): AsyncGenerator<Uint8Array> {
  yield* entry(path, name);
  yield Buffer.alloc(2 * BLOCK);
}

async function* entry(path: string, name: string): AsyncGenerator<Uint8Array> {
  const found = await lstat(path);
  if (found.isDirectory()) {
    yield* header(`${name}/`, "5", found, 0, "");
    for (const child of (await readdir(path)).sort()) yield* entry(join(path, child), `${name}/${child}`);
  } else if (found.isSymbolicLink()) yield* header(name, "2", found, 0, await readlink(path));
  else if (found.isFile()) {
    yield* header(name, "0", found, found.size, "");
    if (found.size > 0) yield* exactly(path, found.size);
    yield padding(found.size);
  }
}

/** The header has promised a size. */
async function* exactly(path: string, size: number): AsyncGenerator<Uint8Array> {
  let left = size;
  for await (const chunk of createReadStream(path, { end: size - 1 })) {
    left -= (chunk as Buffer).length;
    yield chunk as Buffer;
  }
  if (left > 0) throw new Error(`${path} became shorter while it was copied`);
}

const padding = (size: number): Uint8Array => Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);

function* header(name: string, type: string, { mode, uid, gid, mtimeMs }: Stats, size: number, link: string) {
  const records = pax({ path: name, linkpath: link, ...(size >= 8 ** 11 ? { size: String(size) } : {}) });
  if (records.length > 0) {
    yield block({ name: "pax", type: "x", mode: 0o644, uid: 0, gid: 0, seconds: 0, size: records.length, link: "" });
    yield records;
    yield padding(records.length);
  }
  yield block({ name, type, mode: mode & 0o7777, uid, gid, seconds: Math.floor(mtimeMs / 1000), size, link });
}

interface Fields {
  readonly name: string;
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly seconds: number;
  readonly size: number;
  readonly link: string;
}

function block({ name, type, mode, uid, gid, seconds, size, link }: Fields): Uint8Array {
  const bytes = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number) =>
    bytes.write(
      Math.min(value, 8 ** digits - 1)
        .toString(8)
        .padStart(digits, "0"),
      at,
      digits,
      "latin1",
    );
  bytes.write(name, 0, 100, "utf8");
  octal(mode, 100, 7);
  octal(uid, 108, 7);
  octal(gid, 116, 7);
  octal(size, 124, 11);
  octal(Math.max(0, seconds), 136, 11);
  bytes.fill(" ", 148, 156);
  bytes.write(type, 156, 1, "latin1");
  bytes.write(link, 157, 100, "utf8");
  bytes.write("ustar\u000000", 257, 8, "latin1");
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, 8, "latin1");
  return bytes;
}

/** Of what a header has no room for: "27 path=a/long/name\n". */
function pax(values: Readonly<Record<string, string>>): Buffer {
  const fits = (key: string, value: string) => key !== "size" && Buffer.byteLength(value) <= 100;
  const lines = Object.entries(values).flatMap(([key, value]) => {
    if (fits(key, value)) return [];
    const rest = ` ${key}=${value}\n`;
    let length = Buffer.byteLength(rest);
    while (String(length).length + Buffer.byteLength(rest) !== length)
      length = String(length).length + Buffer.byteLength(rest);
    return [`${length}${rest}`];
  });
  return Buffer.from(lines.join(""));
}
