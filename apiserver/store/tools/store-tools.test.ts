/** The store's tools as processes, beside real servers' stores, with kill -9 in between. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startPipeline } from "../../../e2e/harness/pipeline.ts";
import { systemClock } from "../../../machinery/process/clock.ts";
import { silent } from "../../../machinery/process/logging.ts";
import type { Store } from "../contract.ts";
import { hasEtcd, startEtcd } from "../etcd/etcd-server.ts";
import { openEtcdStore } from "../etcd/etcd-store.ts";
import { openLmdbStore } from "../lmdb/lmdb-store.ts";

const MAIN = join(import.meta.dirname, "../../../main.ts");

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "k8ts-tools-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const directory = () => join(home, "store");
const file = () => join(home, "backup");
const embedded = () => openLmdbStore({ directory: directory(), clock: systemClock, log: silent });
const maps = "/api/v1/namespaces/default/configmaps";

/** `k8ts store …` as a process; killed with -9 after `killMs` where that is given. */
function tool(args: readonly string[], killMs?: number): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, [MAIN, "store", ...args], { env: { ...process.env, K8TS_HOME: home } });
  const parts: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => parts.push(String(part)));
  if (killMs !== undefined) systemClock.after(killMs, () => child.kill("SIGKILL"));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, text: parts.join("") })));
}

/** A server on the store, for as long as the work takes; closes the store too. */
async function serving<T>(
  store: Store,
  work: (server: Awaited<ReturnType<typeof startPipeline>>) => Promise<T>,
): Promise<T> {
  const server = await startPipeline({ store }).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  try {
    return await work(server);
  } finally {
    await server.close();
  }
}

type Server = Awaited<ReturnType<typeof startPipeline>>;
const create = (server: Server, name: string) =>
  server.send({ method: "POST", path: maps, body: { metadata: { name }, data: { name } } });
const names = async (server: Server): Promise<string[]> =>
  (await server.send({ path: maps })).value.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name);
const versionOf = async (server: Server): Promise<number> =>
  Number((await server.send({ path: maps })).value.metadata.resourceVersion);

describe("backup and verify", () => {
  test("read beside a server that works", async () => {
    await serving(await embedded(), async (server) => {
      for (let index = 0; index < 50; index++) await create(server, `map-${index}`);
      const writing = (async () => {
        for (let index = 50; index < 150; index++) await create(server, `map-${index}`);
      })();
      expect(await tool(["backup", file()])).toMatchObject({ code: 0 });
      expect(await tool(["verify", file()])).toMatchObject({
        code: 0,
        text: expect.stringMatching(/objects, all of them well/),
      });
      expect(await tool(["verify"])).toMatchObject({
        code: 0,
        text: expect.stringMatching(/objects, all of them well/),
      });
      await writing;
      expect((await names(server)).length).toBe(150);
    });
  });

  test("a damaged file is no backup, and changes nothing", async () => {
    await serving(await embedded(), (server) => create(server, "one"));
    await tool(["backup", file()]);
    const whole = readFileSync(file());
    for (const damaged of [
      whole.subarray(0, whole.length - 20),
      Buffer.concat([whole.subarray(0, 99), whole.subarray(100)]),
    ]) {
      writeFileSync(file(), damaged);
      expect(await tool(["restore", file()])).toMatchObject({
        code: 1,
        text: expect.stringContaining("is no whole backup"),
      });
    }
    await serving(await embedded(), async (server) => expect(await names(server)).toContain("one"));
  });

  test("a stored object that is not what its key says is found", async () => {
    const store = await embedded();
    const { entries } = await serving(store, async (server) => {
      await create(server, "one");
      return store.list({ prefix: "/registry/core/configmaps/default/one" });
    });
    const again = await embedded();
    await again.commit(
      [],
      [{ type: "put", key: "/registry/core/configmaps/default/two", value: entries[0]?.value ?? Buffer.of() }],
    );
    await again.commit([], [{ type: "put", key: "/registry/core/configmaps/default/three", value: Buffer.from("?") }]);
    await again.close();
    const { code, text } = await tool(["verify"]);
    expect(code).toBe(1);
    expect(text).toContain("/registry/core/configmaps/default/two: it is default/one");
    expect(text).toContain("/registry/core/configmaps/default/three: unknown envelope");
  });
});

describe("verify", () => {
  test("looks at custom objects too: those that no definition describes are seen by nobody else", async () => {
    const definition = {
      metadata: { name: "boats.sea.example.com" },
      spec: {
        group: "sea.example.com",
        names: { plural: "boats", singular: "boat", kind: "Boat", listKind: "BoatList" },
        scope: "Namespaced",
        versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
      },
    };
    const store = await embedded();
    const boat = await serving(store, async (server) => {
      const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
      await server.send({ method: "POST", path, body: definition });
      const body = { apiVersion: "sea.example.com/v1", kind: "Boat", metadata: { name: "one" } };
      const boats = "/apis/sea.example.com/v1/namespaces/default/boats";
      await expect.poll(async () => (await server.send({ method: "POST", path: boats, body })).status).toBe(201);
      return (await store.list({ prefix: "/registry/sea.example.com/" })).entries[0];
    });
    expect(await tool(["verify"])).toMatchObject({ code: 0, text: expect.stringContaining("sea.example.com/boats") });
    const again = await embedded();
    const { entries } = await again.list({ prefix: "/registry/apiextensions.k8s.io/" });
    await again.commit([], [{ type: "delete", key: entries[0]?.key ?? "" }]);
    await again.close();
    expect(await tool(["verify"])).toMatchObject({
      code: 1,
      text: expect.stringContaining(`${boat?.key}: no definition describes its kind`),
    });
  });
});

describe("restore", () => {
  test("brings the objects back, with resource versions beyond all that were seen", async () => {
    await serving(await embedded(), async (server) => {
      await create(server, "kept");
      await tool(["backup", file()]);
    });
    const seen = await serving(await embedded(), async (server) => {
      await create(server, "later");
      await server.send({ method: "DELETE", path: `${maps}/kept` });
      return versionOf(server);
    });
    expect(await tool(["restore", file()])).toMatchObject({ code: 0 });
    await serving(await embedded(), async (server) => {
      expect(await names(server)).toContain("kept");
      expect(await names(server)).not.toContain("later");
      expect(Number((await server.send({ path: `${maps}/kept` })).value.metadata.resourceVersion)).toBeGreaterThan(
        seen,
      );
      const { body } = await server.send({ path: `${maps}?watch=true&resourceVersion=${seen}` });
      for await (const batch of body.kind === "watch" ? body.batches : []) {
        expect(batch[0]?.event()).toMatchObject({ type: "ERROR", object: { code: 410 } });
        break;
      }
      expect((await create(server, "more")).status).toBe(201);
    });
    expect(await tool(["verify"])).toMatchObject({ code: 0 });
  });

  test("into an empty place makes the same cluster there, as new as it was", async () => {
    const seen = await serving(await embedded(), async (server) => {
      for (let index = 0; index < 20; index++) await create(server, `map-${index}`);
      await tool(["backup", file()]);
      return versionOf(server);
    });
    const other = join(home, "other");
    expect(await tool(["restore", file(), "--data-dir", other])).toMatchObject({ code: 0 });
    await serving(await openLmdbStore({ directory: other, clock: systemClock, log: silent }), async (server) => {
      expect((await names(server)).length).toBe(20);
      expect(await versionOf(server)).toBeGreaterThan(seen);
    });
  });

  test("is refused while a server works on the store", async () => {
    await serving(await embedded(), async (server) => {
      await create(server, "one");
      await tool(["backup", file()]);
      expect(await tool(["restore", file()])).toMatchObject({
        code: 1,
        text: expect.stringContaining("is in use by process"),
      });
      expect(await names(server)).toContain("one");
    });
  });

  test("killed at any moment leaves the old state or the new one", async () => {
    await serving(await embedded(), async (server) => {
      for (let index = 0; index < 400; index++) await create(server, `map-${index}`);
      await tool(["backup", file()]);
      await server.send({ method: "DELETE", path: maps });
      await create(server, "lonely");
    });
    let done = 0;
    for (let kill = 0; kill < 8; kill++) {
      if ((await tool(["restore", file()], 150 + kill * 40)).code === 0) done++;
      expect(await tool(["verify"])).toMatchObject({ code: 0 });
      await serving(await embedded(), async (server) => {
        const found = await names(server);
        expect([1, 400]).toContain(found.length);
      });
    }
    expect(done).toBeLessThan(8);
  }, 120_000);
});

describe.skipIf(!hasEtcd())("on etcd", () => {
  test("restore is refused while a server works on it, and waits for those that were killed", async () => {
    const etcd = await startEtcd();
    const at = ["--store", "etcd", "--etcd-servers", etcd.endpoint];
    const shared = () => openEtcdStore({ endpoints: [etcd.endpoint], clock: systemClock, log: silent });
    try {
      const server = await startPipeline({ store: shared(), shared: true });
      await create(server, "kept");
      expect(await tool(["backup", file(), ...at])).toMatchObject({ code: 0 });
      const { code, text } = await tool(["restore", file(), ...at]);
      expect(code).toBe(1);
      expect(text).toContain("a server works on this etcd (192.0.2.1:6443): stop all servers first");
      expect((await create(server, "later")).status).toBe(201);
      await server.close();

      const left = shared(); // what a killed server leaves
      const value = Buffer.from(JSON.stringify({ address: "192.0.2.9", port: 1, serving: true }));
      await left.commit([], [{ type: "put", key: "/k8ts/servers/x", value }]);
      await left.close();
      expect(await tool(["restore", file(), ...at])).toMatchObject({
        code: 0,
        text: expect.stringMatching(
          /a server was at work here and did not say goodbye: watching for 12 s[\s\S]*restored/,
        ),
      });
      await serving(shared(), async (again) => expect(await names(again)).toEqual(["kept"]));
    } finally {
      await etcd.stop();
    }
  }, 60_000);
});

describe.skipIf(!hasEtcd())("migrate", () => {
  test("moves a cluster to etcd, with resource versions beyond all that were seen, and closes the old store", async () => {
    const etcd = await startEtcd();
    try {
      const seen = await serving(await embedded(), async (server) => {
        for (let index = 0; index < 250; index++) await create(server, `map-${index}`);
        return versionOf(server);
      });
      const args = ["migrate", "--to", "etcd", "--etcd-servers", etcd.endpoint];
      let last = { code: null as number | null, text: "" };
      for (let killMs = 100; last.code === null; killMs *= 1.2) last = await tool(args, killMs);
      expect(last.text).toMatch(/^moved|it was moved before/); // one that was killed at its very end had moved it
      const there = openEtcdStore({ endpoints: [etcd.endpoint], clock: systemClock, log: silent });
      await serving(there, async (server) => {
        expect((await names(server)).length).toBe(250);
        expect(Number((await server.send({ path: `${maps}/map-0` })).value.metadata.resourceVersion)).toBeGreaterThan(
          seen,
        );
        expect((await create(server, "more")).status).toBe(201);
        expect(await tool(["verify", "--store", "etcd", "--etcd-servers", etcd.endpoint])).toMatchObject({ code: 0 });
        expect(await tool(["backup", file(), "--store", "etcd", "--etcd-servers", etcd.endpoint])).toMatchObject({
          code: 0,
        });
      });
      expect(await tool(["verify", file()])).toMatchObject({ code: 0 });
      await expect(serving(await embedded(), async () => undefined)).rejects.toThrow("it was moved to etcd");
      expect(await tool(args)).toMatchObject({ code: 1, text: expect.stringContaining("closed") });
    } finally {
      await etcd.stop();
    }
  }, 180_000);
});

test.each([
  [[], 2, "Usage: k8ts store"],
  [["--help"], 0, "Usage: k8ts store"],
  [["dance"], 2, 'there is no command "dance"'],
  [["backup"], 2, "backup needs a FILE"],
  [["backup", "file", "--store", "memory"], 2, '--store is embedded or etcd, not "memory"'],
  [["verify", "--store", "etcd"], 2, "--store etcd needs --etcd-servers"],
  [["verify", "--no-such-flag"], 2, "--no-such-flag"],
  [["verify"], 1, "there is no store in"],
  [["restore", "/not/there"], 1, "is no whole backup"],
])("k8ts store %j", async (args, code, text) => {
  expect(await tool(args)).toMatchObject({ code, text: expect.stringContaining(text) });
});
