/**
 * Ledger: every write of a simulated cluster as it is committed, the objects as they are now, and the trace.
 *
 * It stands between the API server and its store, so nothing escapes it and every single revision is seen.
 * What must hold of them is in invariants/. The trace is the same, byte by byte, for the same plan; it is
 * written out when somebody reads it.
 */
import { createHash } from "node:crypto";
import { nameOfKey, prefixOf } from "../../apiserver/cache/keys.ts";
import type { Operation, Store } from "../../apiserver/store/contract.ts";
import { type Cause, decodeEnvelope, type Envelope } from "../../apiserver/store/envelope.ts";
import { createMemoryStore } from "../../apiserver/store/memory.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { createObjects, type Objects, Version } from "./objects.ts";

/** One write; its objects and cause are read from the bytes when they are asked for. */
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

export interface Ledger {
  readonly store: Store;
  readonly objects: Objects;
  readonly trace: readonly string[];
  /** How many lines the trace has. */
  readonly length: number;
  /** When a write that is no sign of life was last committed. */
  readonly lastWriteAt: number;
  /** What is there from the beginning. */
  fill(stored: readonly (readonly Operation[])[]): Promise<void>;
  say(text: string): void;
  onWrite(seen: (write: Write) => void): void;
  /** The newest revision that is at least so old. */
  revisionAt(elapsed: number): string | undefined;
}

export function createLedger(clock: Clock, elapsed: () => number): Ledger {
  const inner = createMemoryStore({ clock });
  const objects = createObjects();
  const lines: { readonly at: number; readonly text: () => string }[] = [];
  const seen: ((write: Write) => void)[] = [];
  const revisions: { readonly at: number; readonly revision: number }[] = [];
  let lastWriteAt = 0;

  const note = (operation: Operation, revision: number) => {
    const prefix = prefixOf(operation.key);
    const value = operation.type === "put" ? operation.value : operation.tombstone;
    if (!prefix || !value) return;
    const envelope = decodeEnvelope(value);
    const resource = prefix.slice(prefix.lastIndexOf("/", prefix.length - 2) + 1, -1);
    const before = objects.held(resource, operation.key);
    const after = operation.type === "put" ? new Version(envelope.json, revision) : undefined;
    objects.put(resource, operation.key, after);
    const at = elapsed();
    lines.push({ at, text: () => lineOf(revision, operation.key, before, after, envelope) });
    if (resource !== "leases") lastWriteAt = at;
    const write: Write = {
      revision,
      at,
      resource,
      key: operation.key,
      ...nameOf(prefix, operation.key),
      get before() {
        return before?.object;
      },
      get after() {
        return after?.object;
      },
      get cause() {
        return envelope.cause;
      },
    };
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
    get trace() {
      return lines.map(({ at, text }) => `${(at / 1000).toFixed(3).padStart(9)} ${text()}`);
    },
    get length() {
      return lines.length;
    },
    get lastWriteAt() {
      return lastWriteAt;
    },
    async fill(stored) {
      for (const operations of stored) await store.commit([], operations);
    },
    say: (text) => void lines.push({ at: elapsed(), text: () => text }),
    onWrite: (one) => void seen.push(one),
    revisionAt(at) {
      const found = revisions.findLast((one) => one.at <= at);
      return found && String(found.revision);
    },
  };
}

function nameOf(prefix: string, key: string): { readonly namespace: string | undefined; readonly name: string } {
  const { namespace, name } = nameOfKey(prefix, key);
  return { namespace, name };
}

function lineOf(
  revision: number,
  key: string,
  before: Version | undefined,
  after: Version | undefined,
  { cause, json }: Envelope,
): string {
  const digest = createHash("sha1").update(json).digest("hex").slice(0, 12);
  const by = cause.controller ?? cause.user;
  const verb = !before ? "create" : after ? cause.verb : "remove";
  return `${revision} ${verb} ${key.slice("/registry/".length)} by ${by} for ${cause.causeRevision ?? "-"} ${digest}`;
}
