/**
 * Traffic: clients that write, read, delete, compact and watch one store at the same time, all recorded.
 *
 * Every value is written once only, so that what is read tells who wrote it. A client whose connection is lost
 * tries on. One watcher, the auditor, sees everything: history is compacted no further than it has come. When
 * all calls were made, every watcher stays until it has the last change: what it misses then it never got.
 */
import type { Clock } from "../../../machinery/process/clock.ts";
import { type Condition, type Entry, type Operation, type Revision, type Store, StoreError } from "../contract.ts";
import type { Journal } from "./journal.ts";

export interface TrafficOptions {
  readonly store: Store;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly seed: number;
  /** Calls of all writers together. */
  readonly calls: number;
  readonly writers?: number;
  readonly keys?: number;
  /** How long the last events may take to arrive. */
  readonly settleMs?: number;
  /** Longest pause between two calls of a client. */
  readonly pauseMs?: number;
  /** Ends what disturbs the store: called when all calls were made. */
  readonly calm?: () => Promise<void>;
}

const PREFIXES = ["/t/", "/t/a", "/t/b"];
/** Chances of each call, of a hundred. */
const MIX: readonly (readonly [number, (client: Client) => Promise<unknown>])[] = [
  [30, write],
  [12, remove],
  [8, both],
  [6, overwrite],
  [20, read],
  [8, list],
  [6, pages],
  [4, past],
  [4, (client) => client.store.revision()],
  [2, compact],
];

interface Client {
  readonly store: Store;
  readonly id: number;
  readonly random: () => number;
  readonly key: () => string;
  readonly value: () => Buffer;
  /** What the client last saw of each key: mostly right, sometimes stale. */
  readonly seen: Map<string, Revision>;
  readonly progress: () => Revision;
}

/** Resolves when all calls were made and the watches had time to bring what they must. */
export async function runTraffic(options: TrafficOptions): Promise<void> {
  const { store, journal, clock, seed, calls, writers = 8, keys = 24, settleMs = 5_000, pauseMs = 1 } = options;
  const stop = new AbortController();
  const random = randomOf(seed);
  let values = 0;
  let left = calls;
  const auditor: Watcher = { prefix: "/t/", at: 0 };
  const others = PREFIXES.map((prefix): Watcher => ({ prefix, at: 0 }));
  const settling = new AbortController();
  const watching = [
    follow(options, auditor, stop.signal),
    ...others.map((one, index) => restless(options, one, randomOf(seed + index + 1), settling.signal, stop.signal)),
  ];
  const client = (id: number): Client => ({
    store: journal.record(store),
    id,
    random,
    key: () => `/t/${"abc"[Math.floor(random() * 3)]}${Math.floor(random() * keys)}`,
    value: () => Buffer.from(`${id}-${values++}`),
    seen: new Map(),
    progress: () => auditor.at,
  });
  const work = async (one: Client): Promise<void> => {
    while (left-- > 0) {
      await attempt(pick(random)(one), clock);
      if (random() < 0.5) await clock.sleep(random() * pauseMs);
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, id) => work(client(id))));
  await options.calm?.();
  settling.abort();
  const last = await lastChange(journal.record(store), clock);
  await settled(clock, [auditor, ...others], last, settleMs);
  // Sessions that are open now are judged by what they have brought: see check-watches.ts.
  const open = journal.sessions.filter(({ ended }) => ended === undefined);
  stop.abort();
  await Promise.all(watching);
  for (const session of open) session.ended = undefined;
}

/** Resolves when all have come to the last change, or their time is over. */
async function settled(clock: Clock, watchers: readonly Watcher[], last: Revision, ms: number): Promise<void> {
  const until = clock.monotonic() + ms;
  while (watchers.some(({ at }) => at < last) && clock.monotonic() < until) await clock.sleep(5);
}

/** One change that each watcher must bring. */
async function lastChange(store: Store, clock: Clock): Promise<Revision> {
  for (let attempt = 0; ; attempt++) {
    try {
      const operations = PREFIXES.map(
        (prefix): Operation => ({ type: "put", key: `${prefix}-last`, value: Buffer.from(`${prefix} ${attempt}`) }),
      );
      return (await store.commit([], operations)).revision;
    } catch (error) {
      if (!isLost(error)) throw error;
      await clock.sleep(20);
    }
  }
}

const isLost = (error: unknown): boolean => error instanceof StoreError && error.code === "unavailable";

/** Conflicts are answers; what was compacted meanwhile is no fault; a lost connection comes back. */
async function attempt(call: Promise<unknown>, clock: Clock): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (isLost(error)) await clock.sleep(20);
  }
}

function pick(random: () => number): (client: Client) => Promise<unknown> {
  let chance = random() * 100;
  for (const [weight, call] of MIX) {
    chance -= weight;
    if (chance < 0) return call;
  }
  return read;
}

const condition = ({ seen }: Client, key: string): Condition => ({ key, modRevision: seen.get(key) ?? 0 });

async function commit(client: Client, conditions: readonly Condition[], operations: readonly Operation[]) {
  const result = await client.store.commit(conditions, operations);
  if (result.committed) {
    for (const { type, key } of operations) client.seen.set(key, type === "put" ? result.revision : 0);
    return;
  }
  for (const [index, { key }] of conditions.entries()) saw(client, key, result.current[index]);
}

function saw({ seen }: Client, key: string, entry: Entry | undefined): void {
  seen.set(key, entry?.modRevision ?? 0);
}

async function write(client: Client): Promise<void> {
  const key = client.key();
  await commit(client, [condition(client, key)], [{ type: "put", key, value: client.value() }]);
}

async function overwrite(client: Client): Promise<void> {
  await commit(client, [], [{ type: "put", key: client.key(), value: client.value() }]);
}

async function remove(client: Client): Promise<void> {
  const key = [...client.seen].find(([, at]) => at > 0)?.[0] ?? client.key();
  if (!client.seen.get(key)) return read(client);
  await commit(client, [condition(client, key)], [{ type: "delete", key, tombstone: client.value() }]);
}

/** Two keys in one commit. */
async function both(client: Client): Promise<void> {
  const [one, other] = [client.key(), client.key()];
  if (one === other) return write(client);
  await commit(
    client,
    [condition(client, one), condition(client, other)],
    [one, other].map((key) => ({ type: "put", key, value: client.value() })),
  );
}

async function read(client: Client): Promise<void> {
  const key = client.key();
  saw(client, key, await client.store.get(key));
}

async function list(client: Client): Promise<void> {
  await client.store.list({ prefix: PREFIXES[Math.floor(client.random() * PREFIXES.length)] as string });
}

async function pages({ store, random }: Client): Promise<void> {
  const limit = 1 + Math.floor(random() * 8);
  let page = await store.list({ prefix: "/t/", limit });
  const { revision } = page;
  while (page.remaining > 0) {
    const after = page.entries.at(-1)?.key;
    if (after === undefined) return;
    page = await store.list({ prefix: "/t/", limit, after, revision });
  }
}

async function past({ store, random, progress }: Client): Promise<void> {
  const revision = Math.max(1, progress() - Math.floor(random() * 60));
  if (progress() > 0) await store.list({ prefix: "/t/", revision });
}

async function compact({ store, random, progress }: Client): Promise<void> {
  const revision = progress() - Math.floor(random() * 20);
  if (revision > 0) await store.compact(revision);
}

interface Watcher {
  readonly prefix: string;
  /** How far it has come. */
  at: Revision;
}

/** Watches from the beginning to the end; where the connection breaks it goes on from where it was. */
async function follow({ store, journal, clock }: TrafficOptions, watcher: Watcher, stop: AbortSignal): Promise<void> {
  const recorded = journal.record(store);
  const { prefix } = watcher;
  while (!stop.aborted) {
    try {
      for await (const { revision } of recorded.watch({ prefix, after: watcher.at, signal: stop }))
        watcher.at = revision;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (error.code === "compacted") return; // a fault of the store: the auditor is never overtaken
    }
    await clock.sleep(10, stop).catch(() => undefined);
  }
}

/**
 * Watches for a while, breaks off, and goes on from there, from now, from long ago or from what is yet to come.
 * Breaks off no more once `settling` is aborted.
 */
async function restless(
  { store, journal, clock }: TrafficOptions,
  watcher: Watcher,
  random: () => number,
  settling: AbortSignal,
  stop: AbortSignal,
): Promise<void> {
  const recorded = journal.record(store);
  const { prefix } = watcher;
  while (!stop.aborted) {
    const pause = new AbortController();
    const timer = clock.after(5 + random() * 60, () => !settling.aborted && pause.abort());
    try {
      const signal = AbortSignal.any([stop, pause.signal]);
      for await (const { revision } of recorded.watch({ prefix, after: watcher.at, signal })) {
        watcher.at = revision;
        if (random() < 0.1) await clock.sleep(random() * 8);
      }
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (error.code !== "unavailable") watcher.at = await now(recorded, watcher.at);
      await clock.sleep(5);
    } finally {
      timer.cancel();
    }
    const chance = random();
    if (chance < 0.1) watcher.at = Math.max(0, watcher.at - Math.floor(random() * 30));
    else if (chance < 0.4) watcher.at = (await now(recorded, watcher.at)) + Math.floor(random() * 25);
  }
}

async function now(store: Store, otherwise: Revision): Promise<Revision> {
  try {
    return (await store.list({ prefix: "/t/", limit: 1 })).revision;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return otherwise;
  }
}

/** Numbers from 0 to 1 that a seed determines. */
export function randomOf(seed: number): () => number {
  let state = (seed * 0x9e3779b9 + 1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
