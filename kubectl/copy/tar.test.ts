/** Tar: what we write is read by the system's tar, and what that writes is read by us. */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { afterAll, expect, test } from "vitest";
import { readTar } from "./tar-reader.ts";
import { writeTar } from "./tar-writer.ts";

const root = mkdtempSync(join(tmpdir(), "k8ts-tar-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const LONG = `${"deep/".repeat(30)}${"n".repeat(120)}`;
const BIG = Buffer.alloc(200_000, "content ");
const from = join(root, "from");
mkdirSync(join(from, LONG, ".."), { recursive: true });
writeFileSync(join(from, LONG), "long");
writeFileSync(join(from, "big ü"), BIG);
writeFileSync(join(from, "empty"), "");
writeFileSync(join(from, "run.sh"), "#!/bin/sh\n", { mode: 0o755 });
symlinkSync("run.sh", join(from, "link"));

test("written: long names, any size, modes and links", async () => {
  const to = join(root, "to");
  mkdirSync(to);
  const child = spawn("tar", ["-xmf", "-", "-C", to], { stdio: ["pipe", "ignore", "inherit"] });
  const ended = new Promise((done) => child.once("close", done));
  await pipeline(Readable.from(writeTar(from, "renamed"), { objectMode: false }), child.stdin);
  expect(await ended).toBe(0);
  expect(() => execFileSync("diff", ["-r", "--no-dereference", from, join(to, "renamed")])).not.toThrow();
  expect(statSync(join(to, "renamed", "run.sh")).mode & 0o777).toBe(0o755);
});

test.each(["gnu", "pax", "ustar"])("read: format %s, also where nobody reads a content", async (format) => {
  const names = format === "ustar" ? ["big ü", "empty", "run.sh", "link"] : ["."];
  const child = spawn("tar", [`--format=${format}`, "-cf", "-", "-C", from, ...names], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const found = new Map<string, string>();
  for await (const { name, type, content, mode } of readTar(child.stdout)) {
    if (name.endsWith("empty")) continue;
    const parts: Uint8Array[] = [];
    if (!name.endsWith("run.sh")) for await (const part of content) parts.push(Uint8Array.from(part));
    found.set(
      name.replace(/^\.\//, "").replace(/\/$/, ""),
      `${type} ${mode.toString(8)} ${Buffer.concat(parts).length}`,
    );
  }
  expect(found.get("big ü")).toBe("file 644 200000");
  expect(found.get("run.sh")).toBe("file 755 0");
  expect(found.get("link")).toMatch(/^link/);
  if (format !== "ustar") expect(found.get(LONG)).toBe("file 644 4");
});

test("an archive that is cut off is no whole one", async () => {
  const whole = execFileSync("tar", ["-cf", "-", "-C", from, "big ü"], { maxBuffer: 1e7 });
  const read = async () => {
    for await (const { content } of readTar(Readable.from([whole.subarray(0, 10_000)]))) for await (const _ of content);
  };
  await expect(read()).rejects.toThrow("unexpected EOF");
  expect(readFileSync(join(from, "empty"), "utf8")).toBe("");
});
