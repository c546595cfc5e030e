/**
 * Store steps: short forms of what the stores' tests do again and again.
 */
import { expect } from "vitest";
import { systemClock } from "../../machinery/process/clock.ts";
import { type Condition, type Entry, type Operation, type Store, StoreError, type StoreEvent } from "./contract.ts";

export const bytes = (value: string): Uint8Array => Buffer.from(value);
export const text = (entry: Entry): string => Buffer.from(entry.value).toString();
export const range = (length: number): number[] => Array.from({ length }, (_, n) => n);
export const absent = (key: string): Condition => ({ key, modRevision: 0 });
export const write = (key: string, value: string): Operation => ({ type: "put", key, value: bytes(value) });
export const pad = (n: number) => String(n).padStart(2, "0");

/** Writes at the expected revision (0: a new key) and returns the revision. */
export async function put(store: Store, key: string, value: string, expected = 0): Promise<number> {
  const result = await store.commit([{ key, modRevision: expected }], [write(key, value)]);
  expect(result.committed, `${key} at ${expected}`).toBe(true);
  return result.revision;
}

/** Creates a key though the connection is cut meanwhile: whether a cut commit happened, a read tells. */
export async function persist(store: Store, key: string, value: string): Promise<void> {
  for (;;) {
    try {
      if (!(await store.get(key))) await store.commit([absent(key)], [write(key, value)]);
      return;
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== "unavailable") throw error;
      await systemClock.sleep(20);
    }
  }
}

export async function remove(store: Store, key: string, expected: number): Promise<number> {
  const result = await store.commit([{ key, modRevision: expected }], [{ type: "delete", key }]);
  expect(result.committed).toBe(true);
  return result.revision;
}

export async function read(store: Store, key: string): Promise<string | undefined> {
  const entry = await store.get(key);
  return entry && text(entry);
}

export async function keysOf(store: Store, request: Parameters<Store["list"]>[0]): Promise<string[]> {
  return (await store.list(request)).entries.map(({ key }) => key);
}

/** Adds one `times` times, trying again on conflict; returns the number of tries. */
export async function increment(store: Store, key: string, times: number, writer: number): Promise<number> {
  let tries = 0;
  for (let done = 0; done < times; tries++) {
    const entry = await store.get(key);
    if (!entry) throw new Error(`${key} vanished from writer ${writer}`);
    const next = String(Number(text(entry)) + 1);
    const result = await store.commit([{ key, modRevision: entry.modRevision }], [write(key, next)]);
    if (result.committed) done++;
  }
  return tries;
}

/** The first `count` events of a watch. */
export async function collect(store: Store, prefix: string, after: number, count: number): Promise<StoreEvent[]> {
  const found: StoreEvent[] = [];
  for await (const { events } of store.watch({ prefix, after, signal: AbortSignal.timeout(10_000) })) {
    found.push(...events);
    if (found.length >= count) break;
  }
  return found;
}

export async function drain(iterable: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of iterable);
}

export const settled = (): Promise<void> => systemClock.sleep(20);

/** Tries an assertion until it holds, for 10 s. */
export async function eventually(assertion: () => Promise<void>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await assertion();
    } catch (error) {
      if (attempt >= 200) throw error;
      await systemClock.sleep(50);
    }
  }
}
