/**
 * Store cases: what every store must do. Run by memory, lmdb and etcd, each with its own fixture.
 */
import { afterEach, describe, expect, test } from "vitest";
import { type FakeClock, fakeClock } from "../../machinery/process/fake-clock.ts";
import { type Store, StoreError, type StoreEvent } from "./contract.ts";
import {
  absent,
  bytes,
  collect,
  drain,
  eventually,
  increment,
  keysOf,
  pad,
  persist,
  put,
  range,
  read,
  remove,
  settled,
  text,
  write,
} from "./store-steps.ts";

export interface StoreOptions {
  readonly clock: FakeClock;
  readonly historyMs?: number;
  readonly historyBytes?: number;
}

export interface StoreFixture {
  readonly store: Store;
  /** Cuts the connection between the store and its server, where there is one. It may be made again at once. */
  cut?(): void;
  stop(): Promise<void>;
}

export function storeCases(name: string, open: (options: StoreOptions) => Promise<StoreFixture>): void {
  describe(`${name} store`, () => {
    let fixture: StoreFixture | undefined;
    const clock = fakeClock();
    const start = async (options: Partial<StoreOptions> = {}): Promise<Store> => {
      fixture = await open({ clock, ...options });
      return fixture.store;
    };
    afterEach(async () => {
      await fixture?.stop();
      fixture = undefined;
    });

    describe("commit", () => {
      test("creates where nothing is, and brings what is there where something is", async () => {
        const store = await start();
        const first = await put(store, "/a", "1");
        const again = await store.commit([absent("/a")], [write("/a", "2")]);
        expect(again).toMatchObject({ committed: false, current: [{ key: "/a", modRevision: first }] });
        expect(await read(store, "/a")).toBe("1");
      });

      test("replaces at the expected revision only, and keeps createRevision", async () => {
        const store = await start();
        const created = await put(store, "/a", "1");
        const replaced = await put(store, "/a", "2", created);
        expect(await store.get("/a")).toMatchObject({ createRevision: created, modRevision: replaced });
        expect(await store.commit([{ key: "/a", modRevision: created }], [write("/a", "3")])).toMatchObject({
          committed: false,
        });
        expect(await read(store, "/a")).toBe("2");
      });

      test("changes several keys in one revision, or none", async () => {
        const store = await start();
        const ip = await put(store, "/ip", "free");
        const both = await store.commit(
          [absent("/svc"), { key: "/ip", modRevision: ip }],
          [write("/svc", "s"), write("/ip", "taken")],
        );
        expect(both.committed).toBe(true);
        expect((await store.get("/svc"))?.modRevision).toBe(both.revision);
        expect((await store.get("/ip"))?.modRevision).toBe(both.revision);

        const none = await store.commit(
          [absent("/svc2"), { key: "/ip", modRevision: ip }],
          [write("/svc2", "s"), write("/ip", "x")],
        );
        expect(none.committed).toBe(false);
        if (!none.committed) expect(none.current.map((entry) => entry?.key)).toEqual([undefined, "/ip"]);
        expect(await store.get("/svc2")).toBeUndefined();
      });

      test("deletes, and a new object under the key begins anew", async () => {
        const store = await start();
        const created = await put(store, "/a", "1");
        const gone = await remove(store, "/a", created);
        expect(gone).toBe(created + 1);
        expect(await store.get("/a")).toBeUndefined();
        const anew = await put(store, "/a", "2");
        expect(await store.get("/a")).toMatchObject({ createRevision: anew, modRevision: anew });
      });

      test("that deletes what is not there takes no revision", async () => {
        const store = await start();
        const before = await put(store, "/a", "1");
        expect(await store.commit([], [{ type: "delete", key: "/none" }])).toEqual({
          committed: true,
          revision: before,
        });
        expect(await store.revision()).toBe(before);
      });

      test("lets one of many concurrent writers win at each revision", async () => {
        const store = await start();
        await put(store, "/n", "0");
        const wins = await Promise.all(Array.from({ length: 16 }, (_, writer) => increment(store, "/n", 10, writer)));
        expect(await read(store, "/n")).toBe("160");
        expect(wins.every((tries) => tries >= 10)).toBe(true);
      });

      test("counts revisions one by one", async () => {
        const store = await start();
        const base = await put(store, "/base", "");
        const results = await Promise.all(
          range(50).map((n) => store.commit([absent(`/k${n}`)], [write(`/k${n}`, "v")])),
        );
        expect(results.map(({ revision }) => revision - base).sort((a, b) => a - b)).toEqual(
          range(50).map((n) => n + 1),
        );
      });

      test("keeps a value of 3 MiB, bytes untouched", async () => {
        if (name === "etcd") return; // etcd refuses requests beyond 1.5 MiB unless told otherwise
        const store = await start();
        const value = Uint8Array.from({ length: 3 * 1024 * 1024 }, (_, n) => n % 251);
        await store.commit([absent("/big")], [{ type: "put", key: "/big", value }]);
        expect(Buffer.compare((await store.get("/big"))?.value ?? new Uint8Array(), value)).toBe(0);
      });
    });

    describe("list", () => {
      test("brings the keys of a prefix in order", async () => {
        const store = await start();
        for (const key of ["/b/2", "/a/1", "/b/10", "/b/1", "/c/1", "/b"]) await put(store, key, key);
        expect(await keysOf(store, { prefix: "/b/" })).toEqual(["/b/1", "/b/10", "/b/2"]);
      });

      test("by pages at one revision sees nothing of what is written meanwhile", async () => {
        const store = await start();
        const at = new Map<string, number>();
        for (const n of range(25)) at.set(`/p/${pad(n)}`, await put(store, `/p/${pad(n)}`, `old ${n}`));
        const seen: string[] = [];
        let page = await store.list({ prefix: "/p/", limit: 10 });
        const { revision } = page;
        const remaining = [page.remaining];
        await remove(store, "/p/15", at.get("/p/15") ?? 0);
        await put(store, "/p/17", "new", at.get("/p/17"));
        await put(store, "/p/165", "added");
        await remove(store, "/p/18", at.get("/p/18") ?? 0);
        await put(store, "/p/18", "made again");
        for (;;) {
          seen.push(...page.entries.map(text));
          if (page.remaining === 0) break;
          page = await store.list({ prefix: "/p/", limit: 10, after: page.entries.at(-1)?.key ?? "", revision });
          remaining.push(page.remaining);
        }
        expect(seen).toEqual(range(25).map((n) => `old ${n}`));
        expect(remaining).toEqual([15, 5, 0]);
      });

      test("at a revision of the past brings that state, deleted keys included", async () => {
        const store = await start();
        const one = await put(store, "/a", "1");
        const two = await put(store, "/b", "1");
        const three = await put(store, "/a", "2", one);
        const four = await remove(store, "/b", two);
        await put(store, "/c", "1");
        const states = [];
        for (const revision of [one, two, three, four]) {
          states.push(
            (await store.list({ prefix: "/", revision })).entries.map((entry) => `${entry.key}=${text(entry)}`),
          );
        }
        expect(states).toEqual([["/a=1"], ["/a=1", "/b=1"], ["/a=2", "/b=1"], ["/a=2"]]);
      });

      test("of versions only brings keys and revisions, of the present and of the past", async () => {
        const store = await start();
        const one = await put(store, "/a", "1");
        const two = await put(store, "/b", "1");
        const three = await put(store, "/a", "2", one);
        const versions = async (revision?: number) => {
          const at = revision === undefined ? {} : { revision };
          const { entries } = await store.list({ prefix: "/", versionsOnly: true, ...at });
          return entries.map(({ key, createRevision, modRevision }) => [key, createRevision, modRevision]);
        };
        expect(await versions()).toEqual([
          ["/a", one, three],
          ["/b", two, two],
        ]);
        expect(await versions(two)).toEqual([
          ["/a", one, one],
          ["/b", two, two],
        ]);
      });

      test("at a revision that is not there yet fails with future", async () => {
        const store = await start();
        const now = await put(store, "/a", "1");
        await expect(store.list({ prefix: "/", revision: now + 5 })).rejects.toMatchObject({ code: "future" });
      });
    });

    describe("watch", () => {
      test("brings what happened since a revision, then what happens", async () => {
        const store = await start();
        const one = await put(store, "/w/a", "1");
        const two = await put(store, "/w/a", "2", one);
        const watching = collect(store, "/w/", one, 4);
        await settled();
        await put(store, "/other", "x");
        const three = await put(store, "/w/b", "1");
        const gone = await store.commit(
          [{ key: "/w/a", modRevision: two }],
          [{ type: "delete", key: "/w/a", tombstone: bytes("why") }],
        );
        await put(store, "/w/c", "1");
        const events = await watching;
        expect(events.map(({ type, key }) => `${type} ${key}`)).toEqual([
          "put /w/a",
          "put /w/b",
          "delete /w/a",
          "put /w/c",
        ]);
        expect(events.map(({ revision }) => revision).slice(0, 3)).toEqual([two, three, gone.revision]);
        expect(events[0]?.entry).toMatchObject({ createRevision: one, modRevision: two });
        expect(Buffer.from(events[2]?.tombstone ?? []).toString()).toBe("why");
      });

      test("brings all keys of one commit in one batch", async () => {
        const store = await start();
        const base = await put(store, "/base", "");
        const { revision } = await store.commit(
          [],
          range(5).map((n) => write(`/m/${n}`, "v")),
        );
        for await (const batch of store.watch({ prefix: "/m/", after: base, signal: AbortSignal.timeout(10_000) })) {
          if (batch.events.length === 0) continue;
          expect(batch.events.map((event) => event.revision)).toEqual(Array(5).fill(revision));
          break;
        }
      });

      test("cut in the middle of a catch-up of 5,000 misses nothing and doubles nothing", async () => {
        const store = await start();
        const base = await put(store, "/base", "");
        await Promise.all(range(2_500).map((n) => put(store, `/cut/${n}`, "first")));
        const seen: StoreEvent[] = [];
        let cursor = base;
        let cuts = 0;
        const live = Promise.all(range(2_500).map((n) => persist(store, `/cut/more-${n}`, "second")));
        while (seen.length < 5_000) {
          const stop = new AbortController();
          for await (const { events, revision } of store.watch({
            prefix: "/cut/",
            after: cursor,
            signal: stop.signal,
          })) {
            seen.push(...events);
            cursor = revision;
            if (seen.length > 1_000 * (cuts + 1)) {
              cuts++;
              if (fixture?.cut) fixture.cut();
              else stop.abort();
            }
            if (seen.length >= 5_000) stop.abort();
          }
        }
        await live;
        expect(cuts).toBeGreaterThan(1);
        expect(new Set(seen.map(({ key }) => key)).size).toBe(5_000);
        expect(seen.map(({ revision }) => revision)).toEqual(range(5_000).map((n) => base + 1 + n));
      }, 60_000);

      test("from a compacted revision fails with compacted, and from the one compacted to goes on", async () => {
        const store = await start();
        const base = await put(store, "/a", "0");
        let last = base;
        for (const n of range(5)) last = await put(store, "/a", `${n}`, last);
        await store.compact(base + 3);
        await expect(collect(store, "/", base, 1)).rejects.toMatchObject({ code: "compacted" });
        expect((await collect(store, "/", base + 3, 2)).map(({ revision }) => revision)).toEqual([base + 4, base + 5]);
      });

      test("ends when its signal aborts", async () => {
        const store = await start();
        const after = await put(store, "/a", "1");
        const stop = new AbortController();
        const watching = drain(store.watch({ prefix: "/", after, signal: stop.signal }));
        await settled();
        stop.abort();
        await watching;
      });
    });

    describe("compaction", () => {
      test("keeps the state and refuses what lies before", async () => {
        const store = await start();
        const one = await put(store, "/a", "1");
        const two = await put(store, "/a", "2", one);
        const kept = await put(store, "/b", "1");
        const gone = await remove(store, "/b", kept);
        await put(store, "/c", "1");
        await store.compact(gone);
        await expect(store.list({ prefix: "/", revision: two })).rejects.toMatchObject({ code: "compacted" });
        expect(await keysOf(store, { prefix: "/", revision: gone })).toEqual(["/a"]);
        expect(await keysOf(store, { prefix: "/" })).toEqual(["/a", "/c"]);
        expect(await read(store, "/a")).toBe("2");
      });

      test("twice, or of what is compacted already, does no harm", async () => {
        const store = await start();
        const one = await put(store, "/a", "1");
        const two = await put(store, "/a", "2", one);
        await store.compact(two);
        await store.compact(two);
        await store.compact(one);
        expect(await read(store, "/a")).toBe("2");
      });

      test("happens by itself when history grows beyond its bytes", async () => {
        const store = await start({ historyBytes: 200_000 });
        const base = await put(store, "/a", "0");
        let last = base;
        for (const n of range(400)) last = await put(store, "/a", `${n} ${"x".repeat(2_000)}`, last);
        await eventually(async () => {
          last = await put(store, "/a", "more", last);
          await expect(store.list({ prefix: "/", revision: base })).rejects.toMatchObject({ code: "compacted" });
        });
        expect(await read(store, "/a")).toBe("more");
      });

      test("happens by itself when history grows older than its time", async () => {
        const store = await start({ historyMs: 60_000 });
        const base = await put(store, "/a", "0");
        await clock.advance(30_000);
        let last = await put(store, "/a", "1", base);
        await eventually(async () => {
          await clock.advance(70_000);
          last = await put(store, "/a", "2", last);
          await expect(store.list({ prefix: "/", revision: base })).rejects.toMatchObject({ code: "compacted" });
        });
      });
    });

    describe("history", () => {
      test("brings all versions of a key, its deletion and its return included", async () => {
        const store = await start();
        await put(store, "/other", "x");
        const one = await put(store, "/h", "1");
        const two = await put(store, "/h", "2", one);
        await put(store, "/h/longer", "x");
        await store.commit(
          [{ key: "/h", modRevision: two }],
          [{ type: "delete", key: "/h", tombstone: bytes("by bob") }],
        );
        await put(store, "/h", "3");
        const { events } = await store.history("/h");
        expect(events.map(({ type, entry }) => (entry ? `${type} ${text(entry)}` : type))).toEqual([
          "put 1",
          "put 2",
          "delete",
          "put 3",
        ]);
        expect(Buffer.from(events[2]?.tombstone ?? []).toString()).toBe("by bob");
      });

      test("of a deleted key ends with its deletion", async () => {
        const store = await start();
        const one = await put(store, "/h", "1");
        await remove(store, "/h", one);
        await put(store, "/other", "x");
        expect((await store.history("/h")).events.map(({ type }) => type)).toEqual(["put", "delete"]);
        expect((await store.history("/never")).events).toEqual([]);
      });

      test("begins with the version that the compaction left", async () => {
        const store = await start();
        const one = await put(store, "/h", "1");
        const two = await put(store, "/h", "2", one);
        const three = await put(store, "/h", "3", two);
        await put(store, "/h", "4", three);
        await store.compact(three);
        const { since, events } = await store.history("/h");
        expect(since).toBe(three);
        expect(events.map(({ entry }) => entry && text(entry))).toEqual(["3", "4"]);
      });
    });

    describe("close", () => {
      test("ends watches and calls with unavailable", async () => {
        const store = await start();
        const after = await put(store, "/a", "1");
        const watching = expect(
          drain(store.watch({ prefix: "/", after, signal: new AbortController().signal })),
        ).rejects.toMatchObject({
          code: "unavailable",
        });
        await settled();
        await store.close();
        await watching;
        await expect(store.get("/a")).rejects.toBeInstanceOf(StoreError);
        await expect(store.commit([], [write("/b", "1")])).rejects.toMatchObject({ code: "unavailable" });
      });
    });
  });
}
