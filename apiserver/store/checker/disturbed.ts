/**
 * Disturbed: traffic on a durable store whose process is killed and whose connections are cut meanwhile.
 *
 * For tests and for the benchmark's long form. Everything that it starts is gone when it resolves.
 */
import type { Clock } from "../../../machinery/process/clock.ts";
import { silent } from "../../../machinery/process/logging.ts";
import { startEtcd, startProxy } from "../etcd/etcd-server.ts";
import { openEtcdStore } from "../etcd/etcd-store.ts";
import type { Journal } from "./journal.ts";
import { startServedStore } from "./served-store.ts";
import { randomOf, runTraffic } from "./traffic.ts";

export interface Disturbed {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly seed: number;
  readonly calls: number;
}

export interface Disturbances {
  readonly kills: number;
  readonly cuts: number;
}

/** Largest pause between two disturbances. */
const PAUSE_MS = 600;
/** An etcd takes longer to be there again. */
const ETCD_PAUSE_MS = 800;
/** Cuts for each kill. */
const CUTS_A_KILL = 3;

export async function disturbedLmdb(options: Disturbed & { readonly directory: string }): Promise<Disturbances> {
  const { clock, seed } = options;
  const served = await startServedStore(options.directory);
  const random = randomOf(seed);
  let kills = 0;
  const stop = repeat(clock, async (signal) => {
    await clock.sleep(100 + random() * PAUSE_MS, signal);
    kills++;
    await served.kill();
    await served.start();
  });
  try {
    await runTraffic({ ...options, store: served.store, pauseMs: 4, settleMs: 10_000, calm: stop });
  } finally {
    await stop();
    await served.stop();
  }
  return { kills, cuts: 0 };
}

export async function disturbedEtcd(options: Disturbed): Promise<Disturbances> {
  const { clock, seed } = options;
  const server = await startEtcd();
  const proxy = await startProxy(server.endpoint);
  const store = openEtcdStore({ endpoints: [proxy.endpoint], prefix: `/history-${seed}`, clock, log: silent });
  const random = randomOf(seed);
  let [kills, cuts] = [0, 0];
  const stop = repeat(clock, async (signal) => {
    await clock.sleep(100 + random() * ETCD_PAUSE_MS, signal);
    if ((kills + cuts) % (CUTS_A_KILL + 1) < CUTS_A_KILL) {
      cuts++;
      return proxy.cut();
    }
    kills++;
    await server.kill();
    await server.start();
  });
  try {
    await runTraffic({ ...options, store, pauseMs: 6, settleMs: 15_000, calm: stop });
  } finally {
    await stop();
    await store.close();
    await proxy.close();
    await server.stop();
  }
  return { kills, cuts };
}

/** Does it again and again, until it is told to stop and has ended. */
function repeat(clock: Clock, disturb: (signal: AbortSignal) => Promise<void>): () => Promise<void> {
  const end = new AbortController();
  const running = (async () => {
    while (!end.signal.aborted)
      await disturb(end.signal).catch((error: unknown) => {
        if (!end.signal.aborted) throw error;
      });
    await clock.sleep(0);
  })();
  return async () => {
    end.abort();
    await running;
  };
}
