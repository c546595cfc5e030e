/** Embedded store: the cases of all stores, and what only a directory on disk can do. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "lmdb";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../machinery/process/clock.ts";
import { fakeClock } from "../../../machinery/process/fake-clock.ts";
import { silent } from "../../../machinery/process/logging.ts";
import type { Store } from "../contract.ts";
import { storeCases } from "../store.cases.ts";
import { absent, collect, eventually, put, range, read, write } from "../store-steps.ts";
import { type LmdbStoreOptions, openLmdbStore } from "./lmdb-store.ts";

const temporary = (): string => mkdtempSync(join(tmpdir(), "k8ts-lmdb-"));

storeCases("lmdb", async (options) => {
  const directory = temporary();
  const store = await openLmdbStore({ directory, log: silent, ...options });
  return {
    store,
    async stop() {
      await store.close();
      rmSync(directory, { recursive: true });
    },
  };
});

describe("lmdb store", () => {
  const directories: string[] = [];
  const stores: Store[] = [];
  const place = (): string => {
    const directory = temporary();
    directories.push(directory);
    return directory;
  };
  const start = async (directory: string, options: Partial<LmdbStoreOptions> = {}): Promise<Store> => {
    const store = await openLmdbStore({ directory, clock: systemClock, log: silent, ...options });
    stores.push(store);
    return store;
  };
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
    for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
  });

  test("closed and opened again goes on with its state, its history and its revisions", async () => {
    const directory = place();
    const before = await start(directory);
    const one = await put(before, "/a", "1");
    const two = await put(before, "/a", "2", one);
    await before.compact(one);
    await before.close();

    const after = await start(directory);
    expect(await read(after, "/a")).toBe("2");
    expect(await put(after, "/b", "1")).toBe(two + 1);
    expect((await collect(after, "/", one, 2)).map(({ revision }) => revision)).toEqual([two, two + 1]);
    expect((await after.history("/a")).events.map(({ revision }) => revision)).toEqual([one, two]);
    await expect(after.list({ prefix: "/", revision: one - 1 })).rejects.toMatchObject({ code: "compacted" });
  });

  test("refuses a directory that is open already, in this process or another", async () => {
    const directory = place();
    await start(directory);
    await expect(start(directory)).rejects.toThrow(`in use by process ${process.pid}`);
    const source = `
      import { openLmdbStore } from ${JSON.stringify(join(import.meta.dirname, "lmdb-store.ts"))};
      import { systemClock } from ${JSON.stringify(join(import.meta.dirname, "../../../machinery/process/clock.ts"))};
      await openLmdbStore({ directory: ${JSON.stringify(directory)}, clock: systemClock }).catch((e) => console.log(e.message));`;
    const other = spawnSync(process.execPath, ["--input-type=module", "-e", source], { encoding: "utf8" });
    expect(other.stdout).toContain(`in use by process ${process.pid}`);
  });

  test("refuses a format that it does not know", async () => {
    const directory = place();
    await (await start(directory)).close();
    const root = open<Buffer, Buffer>({
      path: directory,
      encoding: "binary",
      keyEncoding: "binary",
      overlappingSync: false,
    });
    await root
      .openDB<Buffer, Buffer>("meta", { encoding: "binary", keyEncoding: "binary" })
      .put(Buffer.from("state"), Buffer.from('{"format":99}'));
    await root.close();
    await expect(start(directory)).rejects.toThrow("has format 99");
  });

  test("overwritten for long does not grow without limit", async () => {
    const directory = place();
    const store = await start(directory, { historyBytes: 1_000_000 });
    const sizes: number[] = [];
    let last = 0;
    for (const round of range(6)) {
      for (const n of range(60)) {
        const group = range(20).map((k) => write(`/k${k}`, `${round} ${n} ${"x".repeat(2_000)}`));
        last = (await store.commit([], group)).revision;
      }
      sizes.push(statSync(join(directory, "data.mdb")).size);
    }
    expect(last).toBe(360);
    expect(sizes.at(-1)).toBeLessThan((sizes[1] ?? 0) * 1.3);
  });

  test("deferred commit is seen at once, and written with the next one", async () => {
    const directory = place();
    const store = await start(directory);
    const lease = await put(store, "/lease", "1");
    const watching = collect(store, "/", lease, 2);
    const renewed = await store.commit([{ key: "/lease", modRevision: lease }], [write("/lease", "2")], {
      deferrable: true,
    });
    expect(renewed).toEqual({ committed: true, revision: lease + 1 });
    expect(await read(store, "/lease")).toBe("2");
    expect(await store.commit([{ key: "/lease", modRevision: lease }], [write("/lease", "x")])).toMatchObject({
      committed: false,
      current: [{ modRevision: lease + 1 }],
    });
    await put(store, "/other", "1");
    expect((await watching).map(({ key, revision }) => [key, revision - lease])).toEqual([
      ["/lease", 1],
      ["/other", 2],
    ]);
    expect((await store.history("/lease")).events).toHaveLength(2);
    expect((await store.list({ prefix: "/lease", revision: lease })).entries[0]?.modRevision).toBe(lease);
  });

  test("deferred commits are written after a minute, without any other commit", async () => {
    const directory = place();
    const clock = fakeClock();
    const store = await start(directory, { clock });
    await put(store, "/lease", "1");
    const size = () => statSync(join(directory, "data.mdb")).mtimeMs;
    const before = size();
    await store.commit([], [write("/lease", "2")], { deferrable: true });
    await systemClock.sleep(30);
    expect(size()).toBe(before);
    await clock.advance(60_000);
    await eventually(async () => expect(size()).toBeGreaterThan(before));
  });

  test("deferred commits lost in a crash were the only loss, and their revisions never come again", async () => {
    const directory = place();
    const source = `
      import { openLmdbStore } from ${JSON.stringify(join(import.meta.dirname, "lmdb-store.ts"))};
      import { systemClock } from ${JSON.stringify(join(import.meta.dirname, "../../../machinery/process/clock.ts"))};
      const store = await openLmdbStore({ directory: ${JSON.stringify(directory)}, clock: systemClock });
      const put = (key, options) => store.commit([], [{ type: "put", key, value: Buffer.from("v") }], options);
      await put("/durable");
      for (let n = 0; n < 5; n++) await put("/lease", { deferrable: true });
      console.log(await store.revision());
      process.kill(process.pid, "SIGKILL");`;
    const child = spawnSync(process.execPath, ["--input-type=module", "-e", source], { encoding: "utf8" });
    expect(child.signal).toBe("SIGKILL");
    const given = Number(child.stdout);
    expect(given).toBe(6);

    const store = await start(directory);
    expect(await read(store, "/durable")).toBe("v");
    expect(await read(store, "/lease")).toBeUndefined();
    const watching = collect(store, "/", given, 1);
    expect(await put(store, "/after", "1")).toBeGreaterThan(given);
    expect((await watching).map(({ key }) => key)).toEqual(["/after"]);
  });

  test("refuses keys that it cannot hold, and nothing of their commit happens", async () => {
    const store = await start(place());
    await expect(store.commit([], [write("/ok", "1"), write(`/${"k".repeat(2_000)}`, "1")])).rejects.toBeInstanceOf(
      RangeError,
    );
    expect(await read(store, "/ok")).toBeUndefined();
    await put(store, "/ok", "1");
  });

  test("on a full disk says so, loses nothing, and goes on when there is room", async (context) => {
    const directory = place();
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", directory]);
    if (mounted.status !== 0) return context.skip("a small file system cannot be mounted here");
    try {
      const ballast = join(directory, "ballast");
      writeFileSync(ballast, Buffer.alloc(1024 * 1024));
      mkdirSync(join(directory, "store"));
      const store = await start(join(directory, "store"));
      let written = 0;
      const fill = async () => {
        for (;;) {
          await store.commit([absent(`/k${written}`)], [write(`/k${written}`, "x".repeat(2_000))]);
          written++;
        }
      };
      await expect(fill()).rejects.toMatchObject({ code: "full" });
      expect(await store.revision()).toBe(written);
      expect((await store.list({ prefix: "/k" })).entries).toHaveLength(written);
      rmSync(ballast);
      await eventually(async () => {
        await put(store, "/after", "1");
      });
      expect((await store.list({ prefix: "/k" })).entries).toHaveLength(written);
      await store.close();
    } finally {
      spawnSync("umount", [directory]);
    }
  });
});
