/**
 * Follow: tells of every object of a resource that is there, comes, changes or goes, for as long as the server runs.
 *
 * Names are told, not objects: who looks finds in the cache what is so now, which may be ahead of the event, never
 * behind it. A watch that breaks is begun anew; what went meanwhile is told too. For controllers inside the server.
 */
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { ResourceCache } from "./contract.ts";

export interface FollowOptions {
  readonly cache: ResourceCache;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Without it everything that is there is told first. */
  readonly since?: string;
  /** A failure of its own is one of the watch. */
  look(name: string): void | Promise<void>;
  /** What was told of and has not gone yet, as far as it matters to who looks. */
  known(): Iterable<string>;
  failed(error: unknown): void;
}

const RETRY_MS = 1_000;

/** Resolves when the signal has aborted. */
export async function follow({ cache, clock, signal, since, look, known, failed }: FollowOptions): Promise<void> {
  const watch = async (resourceVersion: string | undefined): Promise<void> => {
    for await (const batch of await cache.watch({ selection: {}, resourceVersion, signal })) {
      for (const item of batch) {
        const { type, object } = item.event();
        if (type !== "ERROR" && type !== "BOOKMARK") await look((object as KubeObject).metadata.name ?? "");
      }
    }
  };
  for (let from = since; !signal.aborted; from = undefined) {
    try {
      if (from === undefined) for (const name of [...known()]) if (!cache.peek({ name })) await look(name);
      await watch(from);
    } catch (error) {
      if (!signal.aborted) failed(error);
    }
    if (!signal.aborted) await clock.sleep(RETRY_MS, signal).catch(() => undefined);
  }
}
