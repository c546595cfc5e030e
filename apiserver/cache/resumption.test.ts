/** Resumption: watches that go on at another server, or at the same one started again, over one store. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import type { Store } from "../store/contract.ts";
import { type EtcdServer, hasEtcd, startEtcd } from "../store/etcd/etcd-server.ts";
import { openEtcdStore } from "../store/etcd/etcd-store.ts";
import { openLmdbStore } from "../store/lmdb/lmdb-store.ts";
import { createMemoryStore } from "../store/memory.ts";
import { committed, create, names, podsRow, record, remove, replace, until, watching } from "./fixture.ts";
import { createWatchCache } from "./watch-cache.ts";

let etcd: EtcdServer | undefined;
beforeAll(async () => {
  if (hasEtcd()) etcd = await startEtcd();
});
afterAll(() => etcd?.stop());

interface Place {
  /** The store as a process opens it. */
  open(): Promise<Store>;
  /** What outlives the process is gone. */
  remove(): void;
}

let places = 0;
const stores: Readonly<Record<string, () => Place>> = {
  memory() {
    const store = createMemoryStore({ clock });
    return { open: async () => ({ ...store, close: async () => undefined }), remove: () => undefined };
  },
  lmdb() {
    const directory = mkdtempSync(join(tmpdir(), "k8ts-resume-"));
    return {
      open: () => openLmdbStore({ directory, clock, log: silent }),
      remove: () => rmSync(directory, { recursive: true }),
    };
  },
  etcd() {
    const prefix = `/resume-${places++}`;
    return {
      open: async () => openEtcdStore({ endpoints: [etcd?.endpoint ?? ""], prefix, clock, log: silent }),
      remove: () => undefined,
    };
  },
};

async function serve(place: Place) {
  const store = await place.open();
  const cache = createWatchCache({ store, clock, log: silent });
  await cache.synced();
  const stop = async () => {
    await cache.close();
    await store.close();
  };
  return { store, pods: cache.resource(podsRow), stop };
}

describe.each(hasEtcd() ? ["memory", "lmdb", "etcd"] : ["memory", "lmdb"])("watch cache over %s", (kind) => {
  test("after a restart resumes watches from before it, with the objects that were deleted", async () => {
    const place = stores[kind]?.() as Place;
    const before = await serve(place);
    const one = committed(await create(before.pods, "a"));
    const two = committed(await replace(before.pods, one, { nodeName: "n1" }));
    await create(before.pods, "b");
    await remove(before.pods, two);
    await before.stop();

    const after = await serve(place);
    const events = record(await watching(after.pods, { resourceVersion: one.resourceVersion }));
    const ofNode = record(
      await watching(after.pods, { resourceVersion: one.resourceVersion, selection: { nodeName: "n1" } }),
    );
    await create(after.pods, "c");
    await until(() => events.length === 4);
    expect(events.map(({ type, object }) => `${type} ${object.metadata.name}`)).toEqual([
      "MODIFIED a",
      "ADDED b",
      "DELETED a",
      "ADDED c",
    ]);
    expect(ofNode.map(({ type, object }) => `${type} ${object.metadata.name}`)).toEqual(["ADDED a", "DELETED a"]);
    expect(await names(after.pods, { selection: {} })).toEqual(["b", "c"]);
    await after.stop();
    place.remove();
  });

  test("after a restart tells who was away for longer than history that it is too old", async () => {
    const place = stores[kind]?.() as Place;
    const before = await serve(place);
    const one = committed(await create(before.pods, "a"));
    for (const name of ["b", "c", "d"]) await create(before.pods, name);
    await before.store.compact(await before.store.revision());
    await before.stop();
    const after = await serve(place);
    const [event] = await record(await watching(after.pods, { resourceVersion: one.resourceVersion }));
    const events = record(await watching(after.pods, { resourceVersion: one.resourceVersion }));
    await until(() => events.ended === true);
    expect(event ?? events[0]).toMatchObject({
      type: "ERROR",
      object: {
        code: 410,
        reason: "Expired",
        message: expect.stringMatching(/^too old resource version: \d+ \(\d+\)$/),
      },
    });
    await after.stop();
    place.remove();
  });
});

describe.skipIf(!hasEtcd())("two servers on one etcd", () => {
  test("read at once what the other has written, and watch on from each other's versions", async () => {
    const place = stores["etcd"]?.() as Place;
    const [one, other] = [await serve(place), await serve(place)];
    for (let n = 0; n < 20; n++) {
      const [writer, reader] = n % 2 === 0 ? [one, other] : [other, one];
      const written = committed(await create(writer.pods, `p${n}`));
      expect((await reader.pods.list({ selection: {} })).items).toHaveLength(n + 1);
      const found = await reader.pods.get({ namespace: "default", name: `p${n}` });
      expect(found?.resourceVersion).toBe(written.resourceVersion);
    }
    const last = (await one.pods.list({ selection: {} })).resourceVersion;
    await create(one.pods, "later");
    const rest = record(await watching(other.pods, { resourceVersion: last }));
    await until(() => rest.length === 1);
    expect(rest[0]?.object.metadata.name).toBe("later");
    await one.stop();
    await other.stop();
  });

  test("page on at the other's token", async () => {
    const place = stores["etcd"]?.() as Place;
    const [one, other] = [await serve(place), await serve(place)];
    for (const name of ["a", "b", "c", "d"]) await create(one.pods, name);
    const page = await one.pods.list({ selection: {}, limit: 2 });
    await create(one.pods, "bb");
    expect(await names(other.pods, { selection: {}, limit: 2, continue: page.continue })).toEqual(["c", "d"]);
    await one.stop();
    await other.stop();
  });
});
