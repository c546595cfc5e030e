/**
 * Embedded store: the default on one machine, a directory that one process owns.
 *
 * A commit is answered after its fdatasync; commits that come together share one. History is kept within
 * its bounds and cleaned in slices, so that the file stops growing. Of deferred commits (a Lease's
 * renewTime) a crash loses at most the last minute, and of nothing else anything.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../../machinery/process/clock.ts";
import { limits } from "../../../machinery/process/limits.ts";
import type { Logger } from "../../../machinery/process/logging.ts";
import { closed, compacted, createChanges, follow, future } from "../changes.ts";
import type { Revision, Store, StoreBatch } from "../contract.ts";
import { type Environment, openEnvironment } from "./environment.ts";
import { entryOf, eventOf, type LogRecord } from "./layout.ts";
import { type Ledger, readLedger } from "./ledger.ts";
import { createReader } from "./reader.ts";
import { createTail } from "./tail.ts";
import { createWriter } from "./writer.ts";

export interface LmdbStoreOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly historyMs?: number;
  readonly historyBytes?: number;
}

/** Changes that a watcher who lags behind reads from disk at a time. */
const CATCH_UP = 500;

/** Rejects when another process has the directory open, or its format is another one. */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<Store> {
  const { directory, historyMs = limits.historyMs, historyBytes = limits.historyBytes } = options;
  const environment = await openEnvironment(directory);
  try {
    const ledger = readLedger(environment, { historyMs, historyBytes }, directory);
    return { ...assemble(environment, ledger, options), size: () => sizeOf(directory) };
  } catch (error) {
    await environment.close();
    throw error;
  }
}

async function sizeOf(directory: string): Promise<number> {
  return (await stat(join(directory, "data.mdb"))).size;
}

function assemble(environment: Environment, ledger: Ledger, { clock, log }: LmdbStoreOptions): Store {
  const changes = createChanges();
  const reader = createReader(environment, clock);
  const tail = createTail(ledger.revision, () => ledger.durable);
  const writer = createWriter({ environment, reader, ledger, tail, changes, clock, log });
  let open = true;

  const assertOpen = (): void => {
    if (!open) throw closed();
  };

  const assertKept = (revision: Revision): void => {
    assertOpen();
    if (revision > ledger.revision) throw future(revision, ledger.revision);
    if (revision < ledger.compacted) throw compacted(revision, ledger.compacted);
  };

  const readAfter = async (cursor: Revision): Promise<StoreBatch | undefined> => {
    assertOpen();
    if (cursor < ledger.compacted) throw compacted(cursor, ledger.compacted);
    if (cursor >= tail.floor) return tail.after(cursor);
    const upTo = tail.floor;
    const records = reader.logAfter(cursor, upTo, CATCH_UP);
    const last = records.at(-1);
    const revision = records.length < CATCH_UP || !last ? upTo : last.revision;
    return { revision, events: records.map(eventOf) };
  };

  return {
    async get(key) {
      assertOpen();
      const deferred = writer.deferred(key);
      if (!deferred) return reader.entry(key);
      return deferred.type === "put" ? entryOf(deferred) : undefined;
    },
    async list({ prefix, limit = 0, after, revision, versionsOnly = false }) {
      assertOpen();
      await writer.flush();
      const at = revision ?? ledger.revision;
      assertKept(at);
      return reader.list({ prefix, limit, after, revision: at, versionsOnly, check: () => assertKept(at) });
    },
    commit: (conditions, operations, { deferrable = false } = {}) =>
      writer.commit({ conditions, operations, deferrable }),
    async *watch(request) {
      yield* follow(readAfter, changes, request);
    },
    async history(key) {
      assertOpen();
      await writer.flush();
      return { since: ledger.compacted, events: keptOf(reader.chain(key), ledger.compacted).map(eventOf) };
    },
    async revision() {
      assertOpen();
      return ledger.revision;
    },
    async compact(revision) {
      assertOpen();
      if (revision > ledger.revision) throw future(revision, ledger.revision);
      await writer.flush();
      if (revision > ledger.compacted) ledger.compacted = revision;
      ledger.retention.dropped(ledger.compacted);
      await writer.clean();
    },
    async close() {
      if (!open) return;
      open = false;
      changes.end(closed());
      try {
        await writer.close();
      } finally {
        await environment.close();
      }
    },
  };
}

/** The changes since compaction, and before them the version that it left. */
function keptOf(chain: readonly LogRecord[], since: Revision): readonly LogRecord[] {
  const first = chain.findIndex(({ revision }) => revision > since);
  const base = chain[(first < 0 ? chain.length : first) - 1];
  const later = first < 0 ? [] : chain.slice(first);
  return base?.type === "put" ? [base, ...later] : later;
}
