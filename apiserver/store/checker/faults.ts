/**
 * Faults: an honest store made wrong on purpose, in each of the ways in which etcd once was, and some more.
 *
 * For the checker's own test only: each must be found. The table is etcd's published one
 * (https://github.com/etcd-io/etcd/tree/main/tests/robustness#robustness-track-record); two of its bugs have no
 * counterpart here, since nothing is defragmented or authorized in a store: their effect, members that differ, is.
 */
import { type Entry, type Store, type StoreBatch, StoreError, type StoreEvent } from "../contract.ts";
import { begunAt, compacting, each, over, rewound, rewritten, withoutDeletes } from "./wrong-stores.ts";

export interface Fault {
  readonly name: string;
  /** What the checker says of it, among other things. */
  readonly tells: RegExp;
  readonly wrong: (store: Store) => Store;
}

type Batches = AsyncIterable<StoreBatch>;

const FENCE: Entry = { key: "/t/~", value: Buffer.from("split"), createRevision: 1, modRevision: 1 };

export const faults: readonly Fault[] = [
  {
    name: "revisions that differ after a crash under load (etcd 13766)",
    tells: /two commits were told|two stories|others say/,
    wrong: (store) => rewound(store, 150, 3),
  },
  {
    name: "a write that was acknowledged and lost in a crash (etcd 14370)",
    tells: /two commits were told|without its|did not bring|never was|was not found/,
    wrong(store) {
      const lose = each(60);
      return over(store, {
        async commit(conditions, operations) {
          if (conditions.length > 0 || !lose()) return store.commit(conditions, operations);
          return { committed: true, revision: (await store.revision()) + 1 };
        },
      });
    },
  },
  {
    name: "members that differ, as after enabling auth or a crash in defragmentation (etcd 14571, 14685)",
    tells: /but .* was known|is not found|was not found|brought/,
    wrong(store) {
      const behind = each(2);
      let old: readonly Entry[] = [];
      const snapshot = each(200);
      return over(store, {
        async get(key) {
          if (snapshot()) old = (await store.list({ prefix: "/t/" })).entries;
          const found = behind() ? old.find((entry) => entry.key === key) : undefined;
          return found ?? store.get(key);
        },
      });
    },
  },
  {
    name: "progress that is told ahead of its events (etcd 15220)",
    tells: /did not bring .* though it claims/,
    wrong: (store) =>
      rewritten(store, (batch) =>
        batch.events.length > 0 ? [{ revision: batch.revision, events: [] }, batch] : [batch],
      ),
  },
  {
    name: "a watch that travels back in time when it is made again (etcd 15271)",
    tells: /out of turn/,
    wrong: (store) => begunAt(store, ({ after: from }) => Math.max(0, from - 3)),
  },
  {
    name: "an event that comes twice (etcd 17247)",
    tells: /out of turn/,
    wrong(store) {
      const twice = each(20);
      return rewritten(store, (batch) => (twice() ? [batch, batch] : [batch]));
    },
  },
  {
    name: "events lost while a stream starves (etcd 17529)",
    tells: /did not bring/,
    wrong(store) {
      const starve = each(15);
      return rewritten(store, (batch) => (starve() ? [] : [batch]));
    },
  },
  {
    name: "a revision that decreases after a crash in compaction (etcd 17780)",
    tells: /after \d+ was known|two commits were told|others say/,
    wrong(store) {
      let back = 0;
      return over(store, {
        async compact(revision) {
          await store.compact(revision);
          back = 2;
        },
        revision: async () => (await store.revision()) - back,
        async list(request) {
          const page = await store.list(request);
          return request.revision === undefined ? { ...page, revision: page.revision - back } : page;
        },
      });
    },
  },
  {
    name: "an event dropped when a delete is compacted (etcd 18089)",
    tells: /did not bring/,
    wrong(store) {
      const { store: known, upTo } = compacting(store);
      return over(known, {
        async *watch(request) {
          let first = upTo() > 0;
          for await (const batch of known.watch(request)) {
            yield first ? withoutDeletes(batch) : batch;
            first = false;
          }
        },
      });
    },
  },
  {
    name: "a read of a compacted revision in a transaction that is answered (etcd 18667)",
    tells: /which is compacted|brought/,
    wrong: (store) =>
      over(store, {
        async list(request) {
          try {
            return await store.list(request);
          } catch (error) {
            if (!(error instanceof StoreError) || error.code !== "compacted") throw error;
            return { entries: [], revision: request.revision ?? 0, remaining: 0 };
          }
        },
      }),
  },
  {
    name: "a delete missing in a watch that begins where history was compacted to (etcd 19179)",
    tells: /did not bring/,
    wrong(store) {
      const { store: known, upTo } = compacting(store);
      return begunAt(known, ({ after: from }) => Math.max(from, upTo()));
    },
  },
  {
    name: "old events in a watch of a future revision (etcd 20221)",
    tells: /out of turn/,
    wrong: (store) =>
      over(store, {
        async *watch(request) {
          yield* store.watch({ ...request, after: Math.min(request.after, await store.revision()) });
        },
      }),
  },
  {
    name: "events lost because a watch goes on from a response's header",
    tells: /did not bring/,
    wrong: (store) => begunAt(store, ({ after: from }) => (from > 0 ? from + 2 : 0)),
  },
  {
    name: "a commit whose events are split over two batches",
    tells: /did not bring/,
    wrong: (store) =>
      rewritten(store, (batch) => {
        const last = batch.events.at(-1);
        if (batch.events.at(-2)?.revision !== last?.revision || !last) return [batch];
        return [
          { ...batch, events: batch.events.slice(0, -1) },
          { ...batch, events: [last] },
        ];
      }),
  },
  {
    name: "events out of order",
    tells: /brought \d+ after \d+/,
    wrong: (store) => rewritten(store, (batch) => [{ ...batch, events: [...batch.events].reverse() }]),
  },
  {
    name: "a deletion that is told as a put",
    tells: /others say|as a put/,
    wrong: (store) =>
      rewritten(store, (batch) => [
        {
          ...batch,
          events: batch.events.map((event): StoreEvent => {
            if (event.type === "put") return event;
            const { key, revision } = event;
            return { type: "put", key, revision, entry: { ...FENCE, key, modRevision: revision } };
          }),
        },
      ]),
  },
  {
    name: "a watch that falls silent",
    tells: /never brought/,
    wrong: (store) =>
      over(store, {
        async *watch(request): Batches {
          let count = 0;
          for await (const batch of store.watch(request)) {
            if (request.prefix === "/t/" && ++count > 40)
              return void (await new Promise((resolve) => request.signal.addEventListener("abort", resolve)));
            yield batch;
          }
        },
      }),
  },
  {
    name: "a stale read",
    tells: /was known, which changed it/,
    wrong(store) {
      const kept = new Map<string, Entry>();
      const stale = each(10);
      return over(store, {
        async get(key) {
          const old = stale() ? kept.get(key) : undefined;
          const found = old ?? (await store.get(key));
          if (found) kept.set(key, found);
          return found;
        },
      });
    },
  },
  {
    name: "a commit whose conditions are not looked at",
    tells: /was committed though/,
    wrong(store) {
      const blind = each(25);
      return over(store, {
        commit: (conditions, operations) => store.commit(blind() ? [] : conditions, operations),
      });
    },
  },
  {
    name: "a commit that is refused though it could be made",
    tells: /though its conditions held/,
    wrong(store) {
      const refuse = each(30);
      return over(store, {
        async commit(conditions, operations) {
          if (!refuse()) return store.commit(conditions, operations);
          const current = await Promise.all(conditions.map(({ key }) => store.get(key)));
          return { committed: false, revision: await store.revision(), current };
        },
      });
    },
  },
  {
    name: "a commit that happens in part",
    tells: /without its|did not bring|a list of .* brought/,
    wrong(store) {
      const half = each(3);
      return over(store, {
        commit: (conditions, operations) =>
          store.commit(conditions, operations.length > 1 && half() ? operations.slice(0, 1) : operations),
      });
    },
  },
  {
    name: "a commit that is sent again after its answer was lost",
    tells: /nobody wrote/,
    wrong(store) {
      const again = each(30);
      return over(store, {
        async commit(conditions, operations) {
          const result = await store.commit(conditions, operations);
          if (result.committed && again()) await store.commit([], operations);
          return result;
        },
      });
    },
  },
  {
    name: "a list that mixes two revisions",
    tells: /a list of .* brought/,
    wrong(store) {
      let before: readonly Entry[] = [];
      return over(store, {
        async list(request) {
          const page = await store.list(request);
          if (request.limit || request.revision !== undefined || request.prefix !== "/t/") return page;
          const mixed = [
            ...before.filter(({ key }) => key < "/t/b"),
            ...page.entries.filter(({ key }) => key >= "/t/b"),
          ];
          before = page.entries;
          return { ...page, entries: mixed };
        },
      });
    },
  },
  {
    name: "compaction that takes what is still current",
    tells: /was not found|brought/,
    wrong(store) {
      const { store: known, upTo } = compacting(store);
      return over(known, {
        async get(key) {
          const found = await store.get(key);
          return found && found.modRevision < upTo() - 10 ? undefined : found;
        },
      });
    },
  },
  {
    name: "compaction that brings deleted keys back",
    tells: /was known, which changed it/,
    wrong(store) {
      const { store: known, upTo } = compacting(store);
      const kept = new Map<string, Entry>();
      return over(known, {
        async get(key) {
          const found = await known.get(key);
          if (found) kept.set(key, found);
          return found ?? (upTo() > 0 ? kept.get(key) : undefined);
        },
      });
    },
  },
  {
    name: "an object that forgets when it was created",
    tells: /which it never was|brought/,
    wrong: (store) =>
      over(store, {
        async get(key) {
          const found = await store.get(key);
          return found && { ...found, createRevision: found.modRevision };
        },
      }),
  },
  {
    name: "history that is refused as compacted before it is",
    tells: /which it was not/,
    wrong: (store) =>
      over(store, {
        async list(request) {
          const behind = (await store.revision()) - (request.revision ?? Number.POSITIVE_INFINITY);
          if (behind > 40) throw new StoreError("compacted", "refused");
          return store.list(request);
        },
      }),
  },
];
