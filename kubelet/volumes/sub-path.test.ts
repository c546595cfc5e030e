import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mountsUnder, unmount } from "./empty-dir.ts";
import { prepareSubPath } from "./sub-path.ts";

let directory: string;
let volume: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "k8ts-sub-path-"));
  volume = join(directory, "volume");
  await mkdir(join(volume, "a", "b"), { recursive: true });
  await mkdir(join(directory, "secret"));
  await writeFile(join(directory, "secret", "key"), "mine");
  await writeFile(join(volume, "a", "file"), "content");
});
afterEach(async () => {
  for (const point of await mountsUnder(directory)) await unmount(point);
  await rm(directory, { recursive: true, force: true });
});
const place = (path: string) => prepareSubPath({ volume, path, target: undefined });

describe("a sub path", () => {
  it("is found, made where it is missing, and may go through links that stay inside", async () => {
    expect(await place("a/file")).toBe(join(volume, "a/file"));
    await symlink("a", join(volume, "inner"));
    expect(await place("inner/b")).toBe(join(volume, "a/b"));
    execFileSync("chmod", ["2770", volume]);
    expect(await place("inner/new/deep")).toBe(join(volume, "a/new/deep"));
    expect((await stat(join(volume, "a/new/deep"))).mode & 0o7777).toBe(0o2770);
    expect(await place("")).toBe(volume);
  });

  it.each(["../secret", "/secret", "a/../../secret"])("%s is no path inside", async (path) => {
    await expect(place(path)).rejects.toThrow("invalid subPath");
  });

  it("does not lead out, neither to what is there nor to what would be made", async () => {
    await symlink("../secret", join(volume, "out"));
    await symlink("/nowhere", join(volume, "dangling"));
    await expect(place("out/key")).rejects.toThrow("leads out of its volume");
    await expect(place("out/made")).rejects.toThrow("leads out of its volume");
    await expect(place("dangling")).rejects.toThrow("became a symlink");
    expect(await readdir(join(directory, "secret"))).toEqual(["key"]);
  });
});

describe.skipIf(process.getuid?.() !== 0)("what is mounted of it", () => {
  it("stays what was opened, and is kept for the next run", async () => {
    const target = join(directory, "mounts", "0");
    expect(await prepareSubPath({ volume, path: "a/file", target })).toBe(target);
    expect(await prepareSubPath({ volume, path: "a/file", target })).toBe(target);
    expect((await mountsUnder(target)).length).toBe(1);
    await rename(join(volume, "a"), join(volume, "moved"));
    await symlink("../secret", join(volume, "a"));
    expect(await readFile(target, "utf8")).toBe("content");
    await expect(prepareSubPath({ volume, path: "a/key", target })).rejects.toThrow("leads out");
    await rm(join(volume, "a"));
    await mkdir(join(volume, "a"));
    await writeFile(join(volume, "a", "file"), "another");
    await prepareSubPath({ volume, path: "a/file", target });
    expect(await readFile(target, "utf8")).toBe("another");
  });

  it("never leaves the volume while somebody swaps directories for links", async () => {
    let on = true;
    const swapping = (async () => {
      const a = join(volume, "a");
      const attempt = (work: Promise<unknown>) => work.catch(() => undefined); // what is missing may be made meanwhile
      while (on) {
        await attempt(rm(a, { recursive: true, force: true }));
        await attempt(symlink("../secret", a));
        await attempt(rm(a, { recursive: true, force: true }));
        await attempt(mkdir(a));
      }
    })();
    const found = new Set<string>();
    for (let round = 0; round < 60; round++) {
      const target = join(directory, "mounts", String(round));
      const mounted = await prepareSubPath({ volume, path: "a/key", target }).catch(() => undefined);
      if (mounted) for (const name of await readdir(mounted).catch(() => ["a file"])) found.add(name);
    }
    on = false;
    await swapping;
    expect([...found]).toEqual([]);
    expect(await readFile(join(directory, "secret", "key"), "utf8")).toBe("mine");
  });
});
