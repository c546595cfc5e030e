/**
 * Source: what the caches of all resources share, and what one resource holds.
 *
 * Made and fed by watch-cache.ts; read by lists.ts, watches.ts and resource-cache.ts.
 */
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { Revision, Store } from "../store/contract.ts";
import type { ResourceDescription } from "./contract.ts";
import { asApi, notLoaded, tooLarge } from "./errors.ts";
import type { Freshness } from "./freshness.ts";
import type { Handover } from "./handover.ts";
import type { Objects } from "./objects.ts";
import type { Watchers } from "./watchers.ts";
import type { Window } from "./window.ts";

export interface Source {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly handover: Handover;
  readonly freshness: Freshness;
  /** resourceVersion = revision + offset. Known once `ready` has resolved. */
  readonly offset: number;
  /** Resolves when the cache is loaded; rejects with 503 when that takes too long. */
  ready(signal?: AbortSignal): Promise<void>;
}

export interface Shelf {
  readonly objects: Objects;
  readonly window: Window;
  readonly watchers: Watchers;
}

/** One resource with everything around it. */
export interface Resource extends Shelf {
  readonly description: ResourceDescription;
  readonly source: Source;
}

/** Waits until the cache shows everything committed before; false when it does not keep up. */
export async function consistent({ freshness }: Source): Promise<boolean> {
  return freshness.reached(await asApi(freshness.quorum()));
}

/** Waits until the cache has seen the revision, or throws 504 as Kubernetes does. */
export async function notOlderThan({ freshness, offset }: Source, revision: Revision): Promise<void> {
  if (!(await freshness.reached(revision))) throw tooLarge(revision + offset, freshness.seen + offset);
}

/** For watches, which the store itself cannot serve instead. */
export async function mustBeConsistent(source: Source): Promise<void> {
  if (!(await consistent(source))) throw notLoaded("the watch cache lags behind");
}
