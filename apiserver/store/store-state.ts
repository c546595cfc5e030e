/**
 * Store state: whether this version may work on a store, asked before anything is served from it.
 *
 * A store that was moved or half filled is closed, and says why. One that a newer version wrote is left alone;
 * one of an older format is upgraded, a format at a time: each upgrade may be done twice, so a kill in between
 * is harmless. The embedded store's own tables have a format of their own: lmdb/layout.ts.
 */
import { closedKey, formatKey } from "../cache/keys.ts";
import type { Store } from "./contract.ts";

export const STORE_FORMAT = 1;

/** How to come from a format to the next. */
export type Upgrades = Readonly<Record<number, (store: Store) => Promise<void>>>;

const UPGRADES: Upgrades = {};

/** Throws an Error that says what to do where this version may not work on the store. */
export async function prepareStore(store: Store, format = STORE_FORMAT, upgrades = UPGRADES): Promise<void> {
  const closed = await store.get(closedKey);
  if (closed) throw new Error(`no server may use this store: ${textOf(closed.value)}`);
  for (;;) {
    const entry = await store.get(formatKey);
    const written = entry ? Number(textOf(entry.value)) : undefined;
    if (written === format) return;
    if (written !== undefined && !(written < format))
      throw new Error(
        `the store has format ${textOf(entry?.value)}, this version reads up to ${format}: use a newer k8ts`,
      );
    if (written !== undefined) {
      const upgrade = upgrades[written];
      if (!upgrade) throw new Error(`the store has format ${written}, which this version cannot upgrade`);
      await upgrade(store);
    }
    const next = String(written === undefined ? format : written + 1);
    // Another server may do the same: who comes second reads again.
    await store.commit(
      [{ key: formatKey, modRevision: entry?.modRevision ?? 0 }],
      [{ type: "put", key: formatKey, value: Buffer.from(next) }],
    );
  }
}

const textOf = (value: Uint8Array | undefined): string => Buffer.from(value ?? []).toString("utf8");
