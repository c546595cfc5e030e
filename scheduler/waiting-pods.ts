/**
 * Waiting Pods: decided Pods that a permit holds back, until all plugins that do have allowed them, one rejects
 * them, or the time is over.
 */
import type { Clock } from "../machinery/process/clock.ts";
import type { WaitingPods } from "./framework.ts";
import type { PodInfo } from "./pod-info.ts";

export interface Rejected {
  readonly plugin: string;
  readonly message: string;
}

export interface WaitingBook extends WaitingPods {
  /** Resolves with undefined once all the plugins have allowed it. Each is given its own time. */
  wait(info: PodInfo, holds: ReadonlyMap<string, number>, signal: AbortSignal): Promise<Rejected | undefined>;
}

interface Held {
  readonly info: PodInfo;
  allow(plugin: string): void;
  reject(rejected: Rejected): void;
}

export function createWaitingPods(clock: Clock): WaitingBook {
  const held = new Map<string, Held>();
  return {
    has: (uid) => held.has(uid),
    all: () => [...held.values()].map(({ info }) => info),
    allow: (uid, plugin) => held.get(uid)?.allow(plugin),
    reject: (uid, plugin, message) => held.get(uid)?.reject({ plugin, message }),
    async wait(info, holds, signal) {
      const { uid } = info.pod.metadata;
      const { promise, resolve } = Promise.withResolvers<Rejected | undefined>();
      const pending = new Map(
        [...holds].map(([plugin, waitMs]) => {
          const message = `rejected due to timeout after waiting ${waitMs / 1000}s at plugin ${plugin}`;
          return [plugin, clock.after(waitMs, () => resolve({ plugin, message }))];
        }),
      );
      const stop = () => resolve({ plugin: "", message: "the scheduler stops" });
      signal.addEventListener("abort", stop, { once: true });
      held.set(uid, {
        info,
        allow(plugin) {
          pending.get(plugin)?.cancel();
          if (pending.delete(plugin) && pending.size === 0) resolve(undefined);
        },
        reject: resolve,
      });
      try {
        return await promise;
      } finally {
        held.delete(uid);
        signal.removeEventListener("abort", stop);
        for (const timer of pending.values()) timer.cancel();
      }
    },
  };
}
