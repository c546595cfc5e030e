/**
 * Admission services: what plugins may read and change besides the object that they are asked about.
 *
 * A change made here is the server's own: it goes to the store as it is, without the rules of its kind.
 */

import { conflict } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { AdmissionServices, Swap } from "../admission/contract.ts";
import type { CachedObjects } from "../auth/contract.ts";
import type { ResourceCache } from "../cache/contract.ts";
import type { Schema } from "../schema/contract.ts";
import type { Decoders } from "../schema/decode.ts";
import { decodeObject } from "./body.ts";
import { MODIFIED } from "./commit.ts";
import { qualified, type Resources } from "./contract.ts";
import { judged } from "./wide-integers.ts";

const SERVER = "system:apiserver";

export interface AdmissionParts {
  readonly clock: Clock;
  readonly objects: CachedObjects;
  readonly resources: Resources;
  readonly schema: Schema;
  readonly decoders: Decoders;
}

export function createAdmissionServices(parts: AdmissionParts): AdmissionServices {
  const { clock, objects, resources } = parts;
  const cacheOf = (resource: string): ResourceCache | undefined => {
    const row = resources.rows.find((one) => qualified(one) === resource);
    return row && resources.cache(row);
  };
  return {
    clock,
    objects,
    async read(resource, namespace, name) {
      return (await cacheOf(resource)?.get({ namespace: namespace || undefined, name }))?.object;
    },
    async change(resource, namespace, name, change) {
      const cache = cacheOf(resource);
      return cache && swap(cache, { namespace: namespace || undefined, name }, resource, clock, change);
    },
    decode(kind, value) {
      const object = decodeObject(parts, { value, duplicates: [] }, kind, "Ignore", []);
      if ("strategy" in kind) judged(kind, object, () => kind.strategy.defaults?.(object));
      return object;
    },
  };
}

async function swap(
  cache: ResourceCache,
  name: { readonly namespace: string | undefined; readonly name: string },
  resource: string,
  clock: Clock,
  change: Swap,
) {
  let current = cache.peek(name);
  let fresh = current === undefined;
  if (!current) current = await cache.get(name);
  for (let attempt = 0; attempt < limits.commitAttempts && current; attempt++) {
    const next = change(current.object, fresh);
    if (next === "same") return current.object;
    if (next === "reread") {
      current = await cache.get(name);
      fresh = true;
      continue;
    }
    const outcome = await cache.write({
      type: "put",
      ...name,
      expected: current.revision,
      cause: { user: SERVER, verb: "update", time: clock.now() },
      object: unversioned(next),
    });
    if (outcome.committed) return outcome.item.object;
    current = outcome.current;
    fresh = true;
  }
  if (!current) return undefined;
  throw conflict(resource, name.name, MODIFIED);
}

function unversioned(object: KubeObject): KubeObject {
  const { resourceVersion: _version, ...metadata } = object.metadata;
  return { ...object, metadata };
}
