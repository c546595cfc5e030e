import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { observeArchive } from "./archive.ts";
import { directoryEntries, type ImageArchive, imageTar, writeImage } from "./build.ts";

const directory = mkdtempSync(join(tmpdir(), "build-"));
afterAll(() => rmSync(directory, { recursive: true }));

const long = `${"deep/".repeat(40)}file with a long name.txt`;
const image: ImageArchive = {
  name: "web:1",
  tags: ["registry.example:5000/team/web:stable"],
  architecture: "amd64",
  layers: [
    [{ path: "bin" }, { path: "bin/tool", content: "#!", mode: 0o755 }, { path: "bin/link", symlink: "tool" }],
    [
      { path: long, content: "far away" },
      { path: "empty", content: "" },
      { path: "tmp", mode: 0o1777 },
    ],
  ],
  config: { Entrypoint: ["/bin/tool"], ExposedPorts: { "80/tcp": {} } },
};

async function bytes(stream: Readable): Promise<Buffer> {
  return Buffer.concat((await stream.toArray()) as Buffer[]);
}

async function namesOf(tar: Buffer): Promise<readonly string[]> {
  const pieces = Array.from({ length: Math.ceil(tar.length / 700) }, (_, index) =>
    tar.subarray(index * 700, index * 700 + 700),
  );
  const archive = observeArchive(Readable.from(pieces));
  archive.tar.resume();
  await finished(archive.tar);
  return archive.names().map(({ name }) => name);
}

describe("building an image", () => {
  const file = join(directory, "web.tar");
  const list = (...args: string[]) => execFileSync("tar", args, { encoding: "utf8", cwd: directory });

  test("gives an archive whose digests are those of its layers", async () => {
    await writeImage(file, image);
    list("xf", file);
    const [manifest] = JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8"));
    const config = readFileSync(join(directory, manifest.Config));
    expect(manifest.RepoTags).toEqual(["docker.io/library/web:1", "registry.example:5000/team/web:stable"]);
    expect(manifest.Config).toBe(`${createHash("sha256").update(config).digest("hex")}.json`);
    const { rootfs, config: start } = JSON.parse(config.toString());
    expect(start).toEqual(image.config);
    const digests = manifest.Layers.map((layer: string) =>
      createHash("sha256")
        .update(readFileSync(join(directory, layer)))
        .digest("hex"),
    );
    expect(rootfs.diff_ids).toEqual(digests.map((digest: string) => `sha256:${digest}`));
  });

  test("keeps modes, links and long names, as tar itself reads them", async () => {
    const [manifest] = JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8"));
    const first = list("tvf", manifest.Layers[0]);
    expect(first).toMatch(/^drwxr-xr-x 0\/0 .* bin\/$/m);
    expect(first).toMatch(/^-rwxr-xr-x 0\/0 +2 .* bin\/tool$/m);
    expect(first).toMatch(/bin\/link -> tool$/m);
    expect(list("xOf", manifest.Layers[1], long)).toBe("far away");
    expect(list("tvf", manifest.Layers[1])).toMatch(/^drwxrwxrwt .* tmp\/$/m);
  });

  test("gives the same bytes again", async () => {
    expect((await bytes(imageTar(image))).equals(readFileSync(file))).toBe(true);
  });

  test("takes a directory as it is, owned by root", async () => {
    const root = join(directory, "root");
    mkdirSync(join(root, "etc"), { recursive: true });
    writeFileSync(join(root, "etc", "conf"), "key", { mode: 0o600 });
    symlinkSync("etc/conf", join(root, "conf"));
    const entries = directoryEntries(root);
    expect(entries.map(({ path, mode, symlink }) => [path, mode, symlink])).toEqual([
      ["conf", undefined, "etc/conf"],
      ["etc", 0o755, undefined],
      ["etc/conf", 0o600, undefined],
    ]);
  });

  test("fails when a file has another size than was announced", async () => {
    const stream = { size: 3, open: () => Readable.from([Buffer.from("four")]) };
    const broken = { ...image, layers: [[{ path: "grew", stream }]] };
    await expect(bytes(imageTar(broken))).rejects.toThrow("grew changed while it was being archived");
  });
});

describe("names in an archive", () => {
  test("are found in what docker save writes, in pieces of any size", async () => {
    expect(await namesOf(await bytes(imageTar(image)))).toEqual([
      "docker.io/library/web:1",
      "registry.example:5000/team/web:stable",
    ]);
  });

  test("are found in a gzipped archive", async () => {
    expect(await namesOf(gzipSync(await bytes(imageTar(image))))).toContain("docker.io/library/web:1");
  });

  test("are found in an OCI layout", async () => {
    const annotations = { "org.opencontainers.image.ref.name": "docker.io/library/web:2" };
    writeFileSync(join(directory, "index.json"), JSON.stringify({ manifests: [{ annotations }, {}] }));
    execFileSync("tar", ["cf", "oci.tar", "index.json"], { cwd: directory });
    expect(await namesOf(readFileSync(join(directory, "oci.tar")))).toEqual(["docker.io/library/web:2"]);
  });

  test("are none in what is no archive", async () => {
    expect(await namesOf(Buffer.from("no archive"))).toEqual([]);
  });
});
