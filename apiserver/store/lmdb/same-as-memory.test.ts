/** Embedded store against the memory store: the same random work, compactions included, gives the same past. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fakeClock } from "../../../machinery/process/fake-clock.ts";
import { silent } from "../../../machinery/process/logging.ts";
import type { CommitOptions, Condition, Operation, Store } from "../contract.ts";
import { createMemoryStore } from "../memory.ts";
import { bytes, range } from "../store-steps.ts";
import { openLmdbStore } from "./lmdb-store.ts";

const KEYS = range(12).map((n) => `/k/${n}`);

test.each([1, 2, 3])(
  "lmdb store after random work has the state, lists and histories of the memory store (seed %i)",
  async (seed) => {
    const clock = fakeClock(0, seed);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(clock.random() * from.length)] as T;
    const directory = mkdtempSync(join(tmpdir(), "k8ts-same-"));
    const memory = createMemoryStore({ clock });
    let lmdb = await openLmdbStore({ directory, clock, log: silent });
    let oldest = 0;

    const work = async (step: number): Promise<void> => {
      const keys = new Set(range(1 + Math.floor(clock.random() * 3)).map(() => pick(KEYS)));
      const operations = [...keys].map(
        (key): Operation =>
          clock.random() < 0.3
            ? { type: "delete", key, tombstone: bytes(`tombstone ${step}`) }
            : { type: "put", key, value: bytes(`value ${step}`) },
      );
      const guarded = await memory.get(pick(KEYS));
      const stale = clock.random() < 0.2 ? 1 : 0;
      const conditions: Condition[] = guarded ? [{ key: guarded.key, modRevision: guarded.modRevision + stale }] : [];
      const options: CommitOptions = { deferrable: clock.random() < 0.3 };
      const [one, other] = await Promise.all(
        [memory, lmdb].map((store) => store.commit(conditions, operations, options)),
      );
      expect(other).toEqual(one);
    };

    const compact = async (): Promise<void> => {
      const now = await memory.revision();
      oldest = Math.max(oldest, now - Math.floor(clock.random() * 20));
      await Promise.all([memory.compact(oldest), lmdb.compact(oldest)]);
    };

    const reopen = async (): Promise<void> => {
      await lmdb.close();
      lmdb = await openLmdbStore({ directory, clock, log: silent });
    };

    const compare = async (): Promise<void> => {
      const now = await memory.revision();
      expect(await lmdb.revision()).toBe(now);
      const revision = oldest + Math.floor(clock.random() * (now - oldest + 1));
      for (const request of [{ prefix: "/" }, { prefix: "/", revision, limit: 3, after: pick(KEYS) }]) {
        expect(await lmdb.list(request)).toEqual(await memory.list(request));
      }
      const key = pick(KEYS);
      expect(await lmdb.get(key)).toEqual(await memory.get(key));
      expect(await lmdb.history(key)).toEqual(plain(await memory.history(key)));
      expect(await changes(lmdb, revision, now)).toEqual(plain(await changes(memory, revision, now)));
    };

    for (const step of range(400)) {
      await work(step);
      if (clock.random() < 0.1) await compact();
      if (clock.random() < 0.02) await reopen();
      if (clock.random() < 0.3) await compare();
    }
    await lmdb.close();
    rmSync(directory, { recursive: true });
  },
  30_000,
);

async function changes(store: Store, after: number, until: number): Promise<unknown[]> {
  const found: unknown[] = [];
  if (after >= until) return found;
  for await (const { events, revision } of store.watch({ prefix: "/", after, signal: AbortSignal.timeout(5_000) })) {
    found.push(...events);
    if (revision >= until) break;
  }
  return found;
}

/** Without what the memory store adds to its events for itself. */
function plain<T>(value: T): T {
  return JSON.parse(
    JSON.stringify(value, (key, one: unknown) => (key === "previous" ? undefined : one)),
    (_, one) => (one?.type === "Buffer" ? Buffer.from(one.data) : one),
  ) as T;
}
