/**
 * Event correlator: decides what becomes of an occurrence: a new Event, a count, or nothing.
 *
 * The rules are those of Kubernetes' clients: the same text counts up; more than ten different
 * texts of one kind about one object within ten minutes become one Event; one object gets a burst
 * of 25 Events and then one each five minutes. It keeps a limited number of entries and does no I/O.
 */
import type { ObjectRef } from "../client/client.ts";
import { limits } from "../process/limits.ts";
import type { Occurrence } from "./events-recorder.ts";

export interface Correlated {
  /** The Event that is to be counted up; undefined: create one. */
  readonly known: ObjectRef | undefined;
  readonly count: number;
  readonly message: string;
  /** When it was first seen, in wall time. */
  readonly firstAt: number;
  /** The Event was created under this name. */
  written(ref: ObjectRef): void;
  /** The Event that was to be counted is gone: start over. */
  expired(): void;
}

interface Entry {
  ref: ObjectRef | undefined;
  count: number;
  firstAt: number;
}
interface Similar {
  since: number;
  readonly messages: Set<string>;
}
interface Bucket {
  tokens: number;
  at: number;
}

const SIMILAR_MAX = 10;
const SIMILAR_MS = 600_000;
const BURST = 25;
const REFILL_MS = 300_000;

/** `now` is monotonic. Undefined: the occurrence is dropped. */
export function createCorrelator(): (occurrence: Occurrence, now: number) => Correlated | undefined {
  const entries = bounded<Entry>();
  const similar = bounded<Similar>();
  const buckets = bounded<Bucket>();

  return (occurrence, now) => {
    const { about, type, reason, component, fieldPath, at } = occurrence;
    const { namespace, name, uid } = about.metadata;
    const object = [component, about.kind, namespace, name, uid].join("\n");
    const group = [object, fieldPath, type, reason].join("\n");

    const combined = isFlood(similar, group, occurrence.message, now);
    const message = combined ? `(combined from similar events): ${occurrence.message}` : occurrence.message;
    const id = combined ? group : `${group}\n${occurrence.message}`;
    if (!takeToken(buckets, object, now)) return undefined;

    const entry = entries.at(id, () => ({ ref: undefined, count: 0, firstAt: at }));
    entry.count++;
    return {
      get known() {
        return entry.ref;
      },
      get count() {
        return entry.count;
      },
      get firstAt() {
        return entry.firstAt;
      },
      message,
      written: (ref) => {
        entry.ref = ref;
      },
      expired: () => {
        entry.ref = undefined;
        entry.count = 1;
        entry.firstAt = at;
      },
    };
  };
}

function isFlood(similar: Bounded<Similar>, group: string, message: string, now: number): boolean {
  const seen = similar.at(group, () => ({ since: now, messages: new Set() }));
  if (now - seen.since > SIMILAR_MS) seen.messages.clear();
  seen.since = now;
  if (seen.messages.size >= SIMILAR_MAX && !seen.messages.has(message)) return true;
  seen.messages.add(message);
  return false;
}

function takeToken(buckets: Bounded<Bucket>, object: string, now: number): boolean {
  const bucket = buckets.at(object, () => ({ tokens: BURST, at: now }));
  bucket.tokens = Math.min(BURST, bucket.tokens + (now - bucket.at) / REFILL_MS);
  bucket.at = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens--;
  return true;
}

interface Bounded<T> {
  at(key: string, make: () => T): T;
}

/** A map that forgets what was used least recently. */
function bounded<T>(): Bounded<T> {
  const map = new Map<string, T>();
  return {
    at(key, make) {
      const value = map.get(key) ?? make();
      map.delete(key);
      map.set(key, value);
      if (map.size > limits.correlatedEvents) map.delete(map.keys().next().value as string);
      return value;
    },
  };
}
