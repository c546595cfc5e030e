/**
 * Written slices: what a controller wrote for a Service's EndpointSlices and its cache may not show yet.
 *
 * Nothing may be made while a write does not show. A slice's name looks generated, and follows from its owner: one
 * whose making was not answered is met again under its name, also by the next process, and never stands twice. Shared
 * by who makes slices of Pods (endpointslice.ts) and of Endpoints (endpointslice-mirroring.ts).
 */
import { createHash } from "node:crypto";
import type { Services } from "../machinery/loop/controller.ts";
import { older } from "../machinery/loop/own-writes.ts";
import type { EndpointSlice } from "../machinery/objects/kinds.ts";
import { controllerOf } from "../machinery/objects/owners.ts";
import { isAlreadyExists, isNotFound } from "../machinery/objects/status.ts";
import type { Draft } from "../machinery/objects/wire.ts";

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

/** As the server cuts what a name is generated from. */
const MAX_PREFIX = 58;

/** `taken`: names of the owner's slices; the new one joins them. */
export async function createSlice(
  key: string,
  draft: Draft<EndpointSlice>,
  taken: Set<string>,
  { client, clock }: Pick<Services, "client" | "clock">,
  written: WrittenSlices,
): Promise<void> {
  const { namespace, generateName = "", ownerReferences = [] } = draft.metadata;
  const owner = ownerReferences[0]?.uid ?? "";
  const name = freeName(generateName.slice(0, MAX_PREFIX), `${owner}/${draft.addressType}`, taken);
  taken.add(name);
  try {
    const made = await client.create("endpointslices", { ...draft, metadata: { ...draft.metadata, name } });
    written.put(key, made, clock.monotonic());
  } catch (error) {
    const there = isAlreadyExists(error) ? await client.find("endpointslices", { namespace, name }) : undefined;
    if (!there || there.metadata.deletionTimestamp || controllerOf(there)?.uid !== owner) throw error;
    // an earlier try came through: what it says is brought up to date when it shows
    written.put(key, there, clock.monotonic());
  }
}

function freeName(prefix: string, of: string, taken: ReadonlySet<string>): string {
  for (let count = 0; ; count++) {
    const hash = createHash("sha256").update(`${of}/${count}`).digest("hex").slice(0, 5);
    if (!taken.has(prefix + hash)) return prefix + hash;
  }
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
