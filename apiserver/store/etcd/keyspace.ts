/**
 * Keyspace: where the store's keys lie in etcd, and what etcd's answers mean.
 *
 * The store has everything under its own root. Besides the caller's keys there are tombstones: etcd's
 * delete carries no value, so the same transaction puts the tombstone into a slot that every delete
 * overwrites, and etcd's history of the slot tells it for each revision.
 */
import type { Entry, Revision, StoreEvent } from "../contract.ts";
import type { IEvent, IKeyValue } from "./connection.ts";

/** Slots lie before every key of a caller. */
const SLOT = "\u0001tombstone/";
/** A key with this end marks the end of a history: see history.ts. */
const FENCE = "\0";

export interface Keyspace {
  /** The caller's key as etcd has it. */
  encode(key: string): Buffer;
  decode(key: Buffer): string;
  /** Everything of this store. */
  readonly all: { readonly key: Buffer; readonly range_end: Buffer };
  /** The keys of a prefix, or only those after a key. */
  range(prefix: string, after?: string): { readonly key: Buffer; readonly range_end: Buffer };
  slot(index: number): Buffer;
  fence(key: string): Buffer;
  entry(kv: IKeyValue): Entry;
  /** The changes of callers' keys among etcd's events; tombstones join their deletes. */
  events(events: readonly IEvent[]): StoreEvent[];
}

export function createKeyspace(root: string): Keyspace {
  const encode = (key: string) => Buffer.from(root + key);
  const rootBytes = Buffer.byteLength(root);
  const decode = (key: Buffer) => key.toString("utf8", rootBytes);

  const entry = ({ key, value, create_revision, mod_revision }: IKeyValue): Entry => ({
    key: decode(key),
    value,
    createRevision: Number(create_revision),
    modRevision: Number(mod_revision),
  });

  return {
    encode,
    decode,
    all: { key: encode(""), range_end: endOf(encode("")) },
    range(prefix, after) {
      const from = after !== undefined && after >= prefix ? encode(`${after}\0`) : encode(prefix);
      return { key: from, range_end: endOf(encode(prefix)) };
    },
    slot: (index) => encode(SLOT + index),
    fence: (key) => encode(key + FENCE),
    entry,
    events(events) {
      const found: StoreEvent[] = [];
      const tombstones = new Map<string, Uint8Array>();
      for (const { type, kv } of events) {
        const key = decode(kv.key);
        const revision = Number(kv.mod_revision);
        if (key.startsWith(SLOT)) {
          if (type === "Put") keep(tombstones, revision, kv.value);
        } else if (!key.endsWith(FENCE)) {
          found.push(
            type === "Put" ? { type: "put", key, revision, entry: entry(kv) } : { type: "delete", key, revision },
          );
        }
      }
      if (tombstones.size === 0) return found;
      return found.map((event) => {
        const tombstone = event.type === "delete" ? tombstones.get(nameOf(event.revision, event.key)) : undefined;
        return tombstone ? { ...event, tombstone } : event;
      });
    },
  };
}

/** A tombstone with the key that it belongs to, as the slot holds it. */
export function encodeTombstone(key: string, tombstone: Uint8Array): Buffer {
  const head = Buffer.from(`${key}\0`);
  return Buffer.concat([head, tombstone]);
}

export function decodeTombstone(value: Buffer): { readonly key: string; readonly tombstone: Uint8Array } {
  const end = value.indexOf(0);
  return { key: value.toString("utf8", 0, end), tombstone: value.subarray(end + 1) };
}

function keep(tombstones: Map<string, Uint8Array>, revision: Revision, value: Buffer): void {
  const { key, tombstone } = decodeTombstone(value);
  tombstones.set(nameOf(revision, key), tombstone);
}

const nameOf = (revision: Revision, key: string) => `${revision} ${key}`;

/** The first key after all that begin with `prefix`. */
function endOf(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  for (let last = end.length - 1; last >= 0; last--) {
    const byte = end[last] as number;
    if (byte === 0xff) continue;
    end[last] = byte + 1;
    return end.subarray(0, last + 1);
  }
  return Buffer.from([0]);
}
