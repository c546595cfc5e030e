/**
 * Written slices: what a controller wrote for a Service's EndpointSlices and its cache may not show yet.
 *
 * Slices have generated names, so nothing may be made while a write does not show. Shared by who makes slices of Pods
 * (endpointslice.ts) and of Endpoints (endpointslice-mirroring.ts).
 */

import type { Services } from "../machinery/loop/controller.ts";
import { older } from "../machinery/loop/own-writes.ts";
import type { EndpointSlice } from "../machinery/objects/kinds.ts";
import { isNotFound } from "../machinery/objects/status.ts";

/** A write that has not shown by then was undone by someone else before the cache saw it. */
export const FORGET_MS = 60_000;

export type WrittenSlices = ReturnType<typeof createWrittenSlices>;

/** What was written for each Service and may not be in the cache yet; `version` undefined: deleted. */
export function createWrittenSlices() {
  const services = new Map<string, Map<string, { readonly version: string | undefined; readonly at: number }>>();
  const note = (key: string, uid: string, version: string | undefined, now: number) => {
    const slices = services.get(key);
    if (slices) slices.set(uid, { version, at: now });
    else services.set(key, new Map([[uid, { version, at: now }]]));
  };
  return {
    put: (key: string, { metadata }: EndpointSlice, now: number) =>
      note(key, metadata.uid, metadata.resourceVersion, now),
    gone: (key: string, uid: string, now: number) => note(key, uid, undefined, now),
    /** Deleted, by whomever: nothing more will show. */
    ended: (key: string, uid: string) => void services.get(key)?.delete(uid),
    forget: (key: string) => void services.delete(key),
    /** True while a write does not show; what shows is forgotten, and what never does after a while. */
    behind(key: string, cached: readonly EndpointSlice[], now: number): boolean {
      const slices = services.get(key);
      if (!slices) return false;
      const versions = new Map(cached.map(({ metadata }) => [metadata.uid, metadata.resourceVersion]));
      for (const [uid, { version, at }] of slices) {
        const shown =
          version === undefined ? !versions.has(uid) : versions.has(uid) && !older(versions.get(uid), version);
        if (shown || now - at > FORGET_MS) slices.delete(uid);
      }
      if (slices.size === 0) services.delete(key);
      return slices.size > 0;
    },
  };
}

export async function removeSlice(
  key: string,
  { metadata }: EndpointSlice,
  { client, clock }: Pick<Services, "client" | "clock">,
  written: WrittenSlices,
): Promise<void> {
  const { namespace, name, uid } = metadata;
  written.gone(key, uid, clock.monotonic());
  try {
    await client.delete("endpointslices", { namespace, name }, { preconditions: { uid } });
  } catch (error) {
    if (isNotFound(error)) return;
    written.forget(key);
    throw error;
  }
}
