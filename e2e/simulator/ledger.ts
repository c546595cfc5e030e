/**
 * Ledger: every write of a simulated cluster as it is committed, the objects as they are now, and the trace.
 *
 * It stands between the API server and its store, so nothing escapes it and every single revision is seen.
 * What must hold of them is in invariants/. The trace is the same, byte by byte, for the same plan.
 */
import { createHash } from "node:crypto";
import { nameOfKey, prefixOf } from "../../apiserver/cache/keys.ts";
import type { Operation, Store } from "../../apiserver/store/contract.ts";
import { type Cause, decodeEnvelope } from "../../apiserver/store/envelope.ts";
import { createMemoryStore } from "../../apiserver/store/memory.ts";
import type { Kinds, ResourceName } from "../../machinery/objects/kinds.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";

export interface Write {
  readonly revision: number;
  /** Milliseconds since the simulation began. */
  readonly at: number;
  readonly resource: string;
  readonly key: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly before: StoredObject | undefined;
  /** Undefined for a deletion. */
  readonly after: StoredObject | undefined;
  readonly cause: Cause;
}

/** All objects as they are now. */
export interface Objects {
  of<K extends ResourceName>(resource: K): readonly Kinds[K][];
  get<K extends ResourceName>(resource: K, namespace: string | undefined, name: string): Kinds[K] | undefined;
  all(): Iterable<readonly [resource: string, object: StoredObject]>;
  byUid(uid: string): StoredObject | undefined;
}

export interface Ledger {
  readonly store: Store;
  readonly objects: Objects;
  readonly trace: readonly string[];
  /** When a write that is no sign of life was last committed. */
  readonly lastWriteAt: number;
  say(text: string): void;
  onWrite(seen: (write: Write) => void): void;
  /** The newest revision that is at least so old. */
  revisionAt(elapsed: number): string | undefined;
}

export function createLedger(clock: Clock, elapsed: () => number): Ledger {
  const inner = createMemoryStore({ clock });
  const objects = createObjects();
  const trace: string[] = [];
  const seen: ((write: Write) => void)[] = [];
  const revisions: { readonly at: number; readonly revision: number }[] = [];
  let lastWriteAt = 0;
  const say = (text: string) => void trace.push(`${(elapsed() / 1000).toFixed(3).padStart(9)} ${text}`);

  const note = (operation: Operation, revision: number) => {
    const prefix = prefixOf(operation.key);
    const value = operation.type === "put" ? operation.value : operation.tombstone;
    if (!prefix || !value) return;
    const { json, cause } = decodeEnvelope(value);
    const resource = prefix.split("/").at(-2) as string;
    const { namespace, name } = nameOfKey(prefix, operation.key);
    const before = objects.held(resource, operation.key);
    const after = operation.type === "put" ? (JSON.parse(Buffer.from(json).toString()) as StoredObject) : undefined;
    if (after) after.metadata.resourceVersion = String(revision);
    objects.put(resource, operation.key, after);
    const digest = createHash("sha1").update(json).digest("hex").slice(0, 12);
    const by = cause.controller ?? cause.user;
    const verb = !before ? "create" : after ? cause.verb : "remove";
    say(
      `${revision} ${verb} ${operation.key.slice("/registry/".length)} by ${by} for ${cause.causeRevision ?? "-"} ${digest}`,
    );
    if (resource !== "leases") lastWriteAt = elapsed();
    const write = { revision, at: elapsed(), resource, key: operation.key, namespace, name, before, after, cause };
    for (const one of seen) one(write);
  };

  const store: Store = {
    ...inner,
    async commit(conditions, operations, options) {
      const result = await inner.commit(conditions, operations, options);
      if (result.committed) {
        revisions.push({ at: elapsed(), revision: result.revision });
        for (const operation of operations) note(operation, result.revision);
      }
      return result;
    },
  };

  return {
    store,
    objects,
    trace,
    get lastWriteAt() {
      return lastWriteAt;
    },
    say,
    onWrite: (one) => void seen.push(one),
    revisionAt(at) {
      const found = revisions.findLast((one) => one.at <= at);
      return found && String(found.revision);
    },
  };
}

function createObjects() {
  const kept = new Map<string, Map<string, StoredObject>>();
  const uids = new Map<string, StoredObject>();
  const of = (resource: string) => {
    const found = kept.get(resource) ?? new Map<string, StoredObject>();
    kept.set(resource, found);
    return found;
  };
  return {
    of: <K extends ResourceName>(resource: K) => [...of(resource).values()] as unknown as Kinds[K][],
    get<K extends ResourceName>(resource: K, namespace: string | undefined, name: string) {
      for (const object of of(resource).values())
        if (object.metadata.name === name && object.metadata.namespace === namespace)
          return object as unknown as Kinds[K];
      return undefined;
    },
    *all(): Iterable<readonly [string, StoredObject]> {
      for (const [resource, objects] of kept) for (const object of objects.values()) yield [resource, object];
    },
    byUid: (uid: string) => uids.get(uid),
    held: (resource: string, key: string) => of(resource).get(key),
    put(resource: string, key: string, object: StoredObject | undefined) {
      const before = of(resource).get(key);
      if (before) uids.delete(before.metadata.uid);
      if (!object) return void of(resource).delete(key);
      of(resource).set(key, object);
      uids.set(object.metadata.uid, object);
    },
  } satisfies Objects & Record<string, unknown>;
}
