/**
 * Wrong stores: the ways in which faults.ts makes a store wrong, as wrappers over an honest one.
 *
 * For the checker's own test only.
 */
import type { Entry, Revision, Store, StoreBatch, StoreEvent } from "../contract.ts";

type Request = Parameters<Store["watch"]>[0];

/** A store with some of its methods replaced. */
export function over(store: Store, changed: Partial<Store>): Store {
  return {
    get: (key) => store.get(key),
    list: (request) => store.list(request),
    commit: (...args) => store.commit(...args),
    watch: (request) => store.watch(request),
    history: (key) => store.history(key),
    revision: () => store.revision(),
    compact: (revision) => store.compact(revision),
    close: () => store.close(),
    ...changed,
  };
}

/** True from the n-th call on. */
export function after(n: number): () => boolean {
  let count = 0;
  return () => ++count >= n;
}

/** True at each n-th call. */
export function each(n: number): () => boolean {
  let count = 0;
  return () => ++count % n === 0;
}

/** Watches whose batches are replaced by none, one or several. */
export function rewritten(
  store: Store,
  rewrite: (batch: StoreBatch, request: Request) => readonly StoreBatch[],
): Store {
  return over(store, {
    async *watch(request) {
      for await (const batch of store.watch(request)) yield* rewrite(batch, request);
    },
  });
}

/** Watches that begin elsewhere than asked. */
export function begunAt(store: Store, begin: (request: Request) => Revision): Store {
  return over(store, { watch: (request) => store.watch({ ...request, after: begin(request) }) });
}

export const withoutDeletes = (batch: StoreBatch): StoreBatch => ({
  ...batch,
  events: batch.events.filter(({ type }) => type === "put"),
});

/** Knows how far the store was compacted. */
export function compacting(store: Store): { readonly store: Store; readonly upTo: () => Revision } {
  let upTo = 0;
  const compact = async (revision: Revision) => {
    await store.compact(revision);
    upTo = Math.max(upTo, revision);
  };
  return { store: over(store, { compact }), upTo: () => upTo };
}

/** After its `at`-th commit the store gives revisions out again, as after a restart that forgot the last ones. */
export function rewound(store: Store, at: number, by: number): Store {
  const due = after(at);
  let from = Number.POSITIVE_INFINITY;
  const told = (revision: Revision) => (revision > from ? revision - by : revision);
  const entry = (found: Entry): Entry => ({
    ...found,
    modRevision: told(found.modRevision),
    createRevision: told(found.createRevision),
  });
  const event = (one: StoreEvent): StoreEvent => ({
    ...one,
    revision: told(one.revision),
    ...(one.entry ? { entry: entry(one.entry) } : {}),
  });
  const real = (revision: Revision) => (revision > from - by ? revision + by : revision);
  return over(store, {
    async get(key) {
      const found = await store.get(key);
      return found && entry(found);
    },
    async list({ revision, ...request }) {
      const page = await store.list({ ...request, ...(revision === undefined ? {} : { revision: real(revision) }) });
      return { ...page, revision: revision ?? told(page.revision), entries: page.entries.map(entry) };
    },
    async commit(conditions, operations) {
      const now = conditions.map(({ key, modRevision }) => ({ key, modRevision: modRevision && real(modRevision) }));
      const result = await store.commit(now, operations);
      if (due()) from = Math.min(from, result.revision);
      if (result.committed) return { ...result, revision: told(result.revision) };
      const current = result.current.map((one) => one && entry(one));
      return { ...result, revision: told(result.revision), current };
    },
    async *watch(request) {
      for await (const { revision, events } of store.watch({ ...request, after: real(request.after) }))
        yield { revision: told(revision), events: events.map(event) };
    },
    revision: async () => told(await store.revision()),
  });
}
