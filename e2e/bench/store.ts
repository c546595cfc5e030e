/**
 * Store: commits a second of each store, beside the bare database that it stands on.
 *
 * The bare ones put the same bytes under as many writers and wait for the disk as the store does: LMDB with
 * its fdatasync before the answer, etcd by etcd3's own put. The memory store has nothing beneath it.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Etcd3 } from "etcd3";
import { open } from "lmdb";
import { openStore } from "../../apiserver/open-store.ts";
import { startEtcd } from "../../apiserver/store/etcd/etcd-server.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { availableStores, type StoreKind } from "./api-subjects.ts";
import type { Measurement } from "./bench.ts";
import { percentile } from "./measured.ts";
import { median, type Row } from "./report.ts";

const WRITERS = [1, 64];
/** What an ordinary Pod takes. */
const VALUE_BYTES = 2_400;

/** Puts one value under a new key and resolves when it is safe. */
type Put = (key: string, value: Uint8Array) => Promise<unknown>;

interface Database {
  readonly name: string;
  readonly beside?: string;
  readonly put: Put;
  close(): Promise<void>;
}

export const storeCommits: Measurement = {
  name: "store",
  summary: "commits a second of each store",
  async run({ quick, directory, stores }) {
    const kinds = availableStores(stores);
    const etcd = kinds.includes("etcd") ? await startEtcd() : undefined;
    const databases: Database[] = [];
    try {
      for (const kind of kinds) databases.push(...(await databasesOf(kind, directory, etcd?.endpoint ?? "")));
      const rows: Row[] = [];
      for (const writers of WRITERS) rows.push(...(await inTurns(databases, writers, quick ? 3 : 5, quick ? 0.4 : 1)));
      return [{ title: `commits of ${VALUE_BYTES} bytes, durable before the answer`, rows }];
    } finally {
      for (const database of databases) await database.close();
      await etcd?.stop();
    }
  },
};

async function databasesOf(kind: StoreKind, directory: string, endpoint: string): Promise<Database[]> {
  const at = join(directory, kind);
  const store = await openStore({ kind, directory: at, etcdServers: [endpoint], clock, log: silent });
  const ours: Database = {
    name: `${kind} store`,
    put: (key, value) => store.commit([{ key, modRevision: 0 }], [{ type: "put", key, value }]),
    close: () => store.close(),
  };
  if (kind === "memory") return [ours];
  const bare = kind === "embedded" ? bareLmdb(join(directory, "bare")) : bareEtcd(endpoint);
  return [bare, { ...ours, beside: bare.name }];
}

function bareLmdb(path: string): Database {
  if (!existsSync(path)) mkdirSync(path);
  const root = open<Uint8Array, string>({ path, encoding: "binary", overlappingSync: false, eventTurnBatching: false });
  return { name: "bare LMDB", put: (key, value) => root.put(key, value), close: () => root.close() };
}

function bareEtcd(endpoint: string): Database {
  const client = new Etcd3({ hosts: endpoint });
  return {
    name: "bare etcd3",
    put: (key, value) => client.put(`/bare${key}`).value(Buffer.from(value)).exec(),
    close: async () => client.close(),
  };
}

async function inTurns(databases: readonly Database[], writers: number, rounds: number, seconds: number) {
  const rates = new Map<string, number[]>(databases.map(({ name }) => [name, []]));
  const latencies = new Map<string, number[]>(databases.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++)
    for (const { name, put } of databases) {
      const begin = clock.monotonic();
      const taken = await hammer(put, `/bench/${writers}/${round}/`, writers, seconds);
      if (round === 0) continue; // warm-up
      rates.get(name)?.push((taken.length * 1000) / (clock.monotonic() - begin));
      latencies.get(name)?.push(...taken);
    }
  return databases.map(({ name, beside }): Row => {
    const reference = beside === undefined ? undefined : { name: beside, value: median(rates.get(beside) ?? []) };
    const taken = latencies.get(name) ?? [];
    return {
      what: `${name}, ${writers === 1 ? "one writer" : `${writers} writers`}`,
      value: median(rates.get(name) ?? []),
      unit: "commits/s",
      reference,
      note: `p50 ${percentile(taken, 0.5).toFixed(2)} ms, p99 ${percentile(taken, 0.99).toFixed(2)} ms`,
    };
  });
}

/** Milliseconds of each put. */
async function hammer(put: Put, prefix: string, writers: number, seconds: number): Promise<number[]> {
  const value = Buffer.alloc(VALUE_BYTES, "x");
  const taken: number[] = [];
  let count = 0;
  const until = clock.monotonic() + seconds * 1000;
  const write = async () => {
    for (let now = clock.monotonic(); now < until && count < 50_000; ) {
      await put(`${prefix}${String(count++).padStart(8, "0")}`, value);
      const done = clock.monotonic();
      taken.push(done - now);
      now = done;
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  return taken;
}
