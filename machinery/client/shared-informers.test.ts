/** Informers against a small server that can cut watches, forget history and lose its head. */
import { describe, expect, it } from "vitest";
import { ApiError } from "../objects/status.ts";
import type { StoredObject } from "../objects/wire.ts";
import { type FakeClock, fakeClock } from "../process/fake-clock.ts";
import { silent } from "../process/logging.ts";
import { createClient } from "./create-client.ts";
import type { Change } from "./informer.ts";
import { createInformers } from "./shared-informers.ts";
import type { Handler, ResponseRecord, WatchEvent, WatchItem } from "./transport/contract.ts";
import { directTransport } from "./transport/direct.ts";

describe("informer", () => {
  it("tells what is there, then every change, each once", async () => {
    const { server, informer, changes, clock, stop } = start();
    server.put("a");
    server.put("b");
    await clock.advance(0);
    server.put("a");
    server.remove("b");
    await clock.advance(0);
    expect(changes).toEqual(["added a@1", "added b@2", "updated a@3", "deleted b@4"]);
    expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(["a"]);
    stop();
  });

  it("tells a late subscriber what is there as added", async () => {
    const { server, informer, clock, stop } = start();
    server.put("a");
    await clock.advance(0);
    const late: string[] = [];
    informer.subscribe((change) => late.push(shown(change)));
    server.put("b");
    await clock.advance(0);
    expect(late).toEqual(["added a@1", "added b@2"]);
    stop();
  });

  it("resumes after a cut without missing or doubling a change", async () => {
    const { server, changes, clock, stop } = start();
    server.put("a");
    await clock.advance(0);
    server.cut();
    server.put("b");
    server.put("a");
    await clock.advance(1_000);
    expect(changes).toEqual(["added a@1", "added b@2", "updated a@3"]);
    expect(server.lists).toBe(1);
    stop();
  });

  it("lists again and tells the difference when its revision was compacted", async () => {
    const { server, changes, clock, stop } = start();
    for (const name of ["a", "b", "c"]) server.put(name);
    await clock.advance(0);
    server.cut();
    server.remove("a");
    server.put("b");
    server.replace("c");
    server.put("d");
    server.compact();
    await clock.advance(1_000);
    expect(changes.slice(3)).toEqual(["deleted a@1", "updated b@5", "deleted c@3", "added c@7", "added d@8"]);
    expect(server.lists).toBe(2);
    stop();
  });

  it("treats an expired revision inside the watch as one before it", async () => {
    const { server, changes, clock, stop } = start();
    server.put("a");
    await clock.advance(0);
    server.fail(new ApiError("Expired", "too old resource version"));
    server.put("b");
    await clock.advance(1_000);
    expect(changes).toEqual(["added a@1", "added b@2"]);
    expect(server.lists).toBe(2);
    stop();
  });

  it("lists again when the server has gone back behind what was seen", async () => {
    const { server, informer, clock, stop } = start();
    for (const name of ["a", "b", "c"]) server.put(name);
    await clock.advance(0);
    server.restore(["a"]);
    await clock.advance(1_000);
    expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(["a"]);
    expect(server.lists).toBe(2);
    stop();
  });

  it("resumes from a bookmark, so that compaction behind it costs no list", async () => {
    const { server, clock, stop } = start();
    server.put("a");
    await clock.advance(0);
    server.elsewhere();
    server.bookmark();
    await clock.advance(0);
    server.compact();
    server.cut();
    await clock.advance(1_000);
    expect(server.lists).toBe(1);
    stop();
  });

  it("wakes the informers that wait for the same server when one of them is answered again", async () => {
    const { server, informers, clock, stop } = start();
    const seen = Array.from({ length: 20 }, (_, i) => informers.of("configmaps", { namespace: `n${i}` }));
    server.down = true;
    await clock.advance(100);
    server.cut();
    await clock.advance(60_000);
    server.down = false;
    server.put("a");
    const missing = () => seen.filter((informer) => informer.list().length === 0).length;
    while (missing() === seen.length) await clock.advance(10);
    await clock.advance(200);
    expect(missing()).toBe(0);
    stop();
  });

  it("waits longer and longer while the server is away, and recovers", async () => {
    const { server, changes, clock, stop } = start();
    server.down = true;
    await clock.advance(60_000);
    expect(server.requests).toBeGreaterThan(5);
    expect(server.requests).toBeLessThan(40);
    server.down = false;
    server.put("a");
    await clock.advance(10_000);
    expect(changes).toEqual(["added a@1"]);
    stop();
  });

  it("does not ask a server without pause that ends each watch at once", async () => {
    const { server, clock, stop } = start();
    server.impatient = true;
    await clock.advance(60_000);
    expect(server.requests).toBeLessThan(45);
    stop();
  });

  it("is synced by the first list, and rejects who waits when it is stopped", async () => {
    const { informer, clock, stop } = start({ down: true });
    let state = "waiting";
    informer.synced().then(
      () => (state = "synced"),
      () => (state = "stopped"),
    );
    await clock.advance(10);
    expect(state).toBe("waiting");
    stop();
    await clock.advance(10);
    expect(state).toBe("stopped");
  });

  it("keeps an index of what an owner controls", async () => {
    const { server, informer, clock, stop } = start();
    server.put("a", "u1");
    server.put("b", "u1");
    server.put("c");
    await clock.advance(0);
    expect(informer.ownedBy("u1").map(({ metadata }) => metadata.name)).toEqual(["a", "b"]);
    server.put("a", "u2");
    server.remove("b");
    await clock.advance(0);
    expect(informer.ownedBy("u1")).toEqual([]);
    expect(informer.ownedBy("u2").map(({ metadata }) => metadata.name)).toEqual(["a"]);
    expect(informer.list("default")).toHaveLength(2);
    expect(informer.list("other")).toEqual([]);
    stop();
  });

  it("is shared by all who ask for the same collection", async () => {
    const { server, informers, clock, stop } = start();
    expect(informers.of("configmaps")).toBe(informers.of("configmaps"));
    expect(informers.at("/api/v1/configmaps", { metadataOnly: true })).toBe(informers.of("configmaps"));
    expect(informers.of("configmaps", { namespace: "x" })).not.toBe(informers.of("configmaps"));
    await clock.advance(0);
    expect(server.lists).toBe(2);
    stop();
  });

  it("goes on when a subscriber throws", async () => {
    const { server, informer, clock, stop } = start();
    informer.subscribe(() => {
      throw new Error("mine");
    });
    const others: string[] = [];
    informer.subscribe((change) => others.push(shown(change)));
    server.put("a");
    await clock.advance(0);
    expect(others).toEqual(["added a@1"]);
    stop();
  });
});

function start({ down = false } = {}) {
  const clock = fakeClock();
  const stopping = new AbortController();
  const server = tinyServer(clock);
  server.down = down;
  const client = createClient(directTransport({ handler: server.handler, user: "me", groups: [] }));
  const informers = createInformers({ client, clock, log: silent, signal: stopping.signal });
  const informer = informers.of("configmaps");
  const changes: string[] = [];
  informer.subscribe((change) => changes.push(shown(change)));
  return { server, informers, informer, changes, clock, stop: () => stopping.abort(new Error("stopped")) };
}

const shown = ({ type, object }: Change<StoredObject>) =>
  `${type} ${object.metadata.name}@${object.metadata.resourceVersion}`;

/** One collection with history, as the informer needs it. */
function tinyServer(clock: FakeClock) {
  const objects = new Map<string, StoredObject>();
  const history: { revision: number; event: WatchEvent }[] = [];
  const watchers = new Set<(item: WatchEvent | Error | "end") => void>();
  let revision = 0;
  let compacted = 0;

  const tell = (event: WatchEvent) => {
    history.push({ revision, event });
    for (const watcher of watchers) watcher(event);
  };
  const ok = (body: ResponseRecord["body"]): ResponseRecord => ({ status: 200, headers: {}, body });
  const failed = (error: ApiError): ResponseRecord => ({
    status: error.code,
    headers: {},
    body: { kind: "object", value: () => error.toStatus() },
  });

  async function* watch(after: number, signal: AbortSignal): AsyncIterable<readonly WatchItem[]> {
    const queue: (WatchEvent | Error | "end")[] = history
      .filter((one) => one.revision > after)
      .map(({ event }) => event);
    let wake = () => {};
    const push = (item: WatchEvent | Error | "end") => {
      queue.push(item);
      wake();
    };
    watchers.add(push);
    const onAbort = () => push("end");
    signal.addEventListener("abort", onAbort);
    try {
      if (server.impatient) return;
      for (;;) {
        const next = queue.shift();
        if (!next) await new Promise<void>((resolve) => (wake = resolve));
        else if (next === "end") return;
        else if (next instanceof Error) throw next;
        else yield [{ event: () => next, encoded: () => new Uint8Array() }];
      }
    } finally {
      watchers.delete(push);
    }
  }

  const server = {
    down: false,
    impatient: false,
    lists: 0,
    requests: 0,
    put(name: string, owner?: string, uid = objects.get(name)?.metadata.uid ?? `${name}-${revision}`) {
      const known = objects.has(name);
      const ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name: "o", uid: owner ?? "", controller: true }];
      const object: StoredObject = Object.freeze({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: {
          name,
          namespace: "default",
          uid,
          resourceVersion: String(++revision),
          creationTimestamp: new Date(clock.now()).toISOString(),
          ...(owner ? { ownerReferences } : {}),
        },
      });
      objects.set(name, object);
      tell({ type: known ? "MODIFIED" : "ADDED", object });
    },
    remove(name: string) {
      const object = objects.get(name)!;
      objects.delete(name);
      tell({
        type: "DELETED",
        object: { ...object, metadata: { ...object.metadata, resourceVersion: String(++revision) } },
      });
    },
    replace(name: string) {
      server.remove(name);
      server.put(name, undefined, "another");
    },
    restore(names: readonly string[]) {
      for (const name of [...objects.keys()]) if (!names.includes(name)) objects.delete(name);
      history.length = 0;
      revision = 1;
      server.cut();
    },
    elsewhere: () => void revision++,
    bookmark() {
      const metadata = { resourceVersion: String(revision) };
      for (const watcher of watchers) watcher({ type: "BOOKMARK", object: { metadata } as unknown as StoredObject });
    },
    cut() {
      for (const watcher of watchers) watcher(new Error("cut"));
    },
    fail(error: ApiError) {
      for (const watcher of watchers) watcher({ type: "ERROR", object: error.toStatus() as unknown as StoredObject });
    },
    compact() {
      compacted = revision;
      history.length = 0;
    },
    handler: (async ({ query, signal }) => {
      server.requests++;
      if (server.down) return failed(new ApiError("ServiceUnavailable", "down"));
      if (query.get("watch")) {
        const after = Number(query.get("resourceVersion"));
        if (after > revision)
          return failed(new ApiError("Timeout", "Timeout: Too large resource version: 3, current: 1"));
        if (after < compacted) return failed(new ApiError("Expired", "too old resource version"));
        return ok({ kind: "watch", batches: watch(after, signal) });
      }
      server.lists++;
      const list = { metadata: { resourceVersion: String(revision) }, items: [...objects.values()] };
      return ok({ kind: "object", value: () => list });
    }) satisfies Handler,
  };
  return server;
}
