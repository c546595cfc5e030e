/**
 * Open store: the store that a flag names. Only the one that is used is loaded.
 */
import type { Clock } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { Store } from "./store/contract.ts";

export interface StoreOptions {
  readonly kind: string;
  /** Of the embedded store. */
  readonly directory: string;
  readonly etcdServers: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

const openers: Readonly<Record<string, (options: StoreOptions) => Promise<Store>>> = {
  async memory({ clock }) {
    const { createMemoryStore } = await import("./store/memory.ts");
    return createMemoryStore({ clock });
  },
  async embedded({ directory, clock, log }) {
    const { openLmdbStore } = await import("./store/lmdb/lmdb-store.ts");
    return openLmdbStore({ directory, clock, log });
  },
  async etcd({ etcdServers, clock, log }) {
    if (etcdServers.length === 0) throw new Error("--store etcd needs --etcd-servers");
    const { openEtcdStore } = await import("./store/etcd/etcd-store.ts");
    return openEtcdStore({ endpoints: etcdServers, clock, log });
  },
};

export const STORES = Object.keys(openers);

export async function openStore(options: StoreOptions): Promise<Store> {
  const open = Object.hasOwn(openers, options.kind) ? openers[options.kind] : undefined;
  if (!open) throw new Error(`--store is one of ${STORES.join(", ")}, not "${options.kind}"`);
  return open(options);
}
