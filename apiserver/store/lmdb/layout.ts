/**
 * Layout: how the embedded store's three tables are written.
 *
 *   log   (revision, index) ► one change: what happened, to which key, the value, and where the version
 *         before lies. Appended only; a change's value stands nowhere else.
 *   keys  key ► where its last change lies, deletions included until they are compacted.
 *   meta  "state" and "marks" as JSON.
 *
 * The versions of a key are a chain from `keys` back through the log. A new layout needs a new FORMAT.
 */
import type { Entry, Revision, StoreEvent } from "../contract.ts";

export const FORMAT = 1;

/** Longest key, well below what LMDB takes. */
export const MAX_KEY_BYTES = 1_500;
/** Operations of one commit. */
export const MAX_OPERATIONS = 0xffff;

export interface Position {
  readonly revision: Revision;
  /** Which operation of the commit. */
  readonly index: number;
}

export interface LogRecord extends Position {
  readonly type: "put" | "delete";
  readonly key: string;
  readonly createRevision: Revision;
  /** Where the version before lies, where there was one. */
  readonly previous: Position | undefined;
  /** The envelope, or the tombstone of a delete (empty: none). */
  readonly value: Uint8Array;
}

export interface Pointer extends Position {
  readonly type: "put" | "delete";
  readonly createRevision: Revision;
}

/** What survives a restart besides the objects. */
export interface State {
  readonly format: number;
  readonly revision: Revision;
  /** No revision beyond this was ever given out, deferred commits included. */
  readonly reserved: Revision;
  readonly compacted: Revision;
  /** Up to where the log has been cleaned on the way to `compacted`. */
  readonly cleaned: Position;
}

const TYPES = { put: 1, delete: 2 } as const;
const RECORD_HEAD = 21;
const POINTER_BYTES = 19;

export function logKey({ revision, index }: Position): Buffer {
  const key = Buffer.allocUnsafe(10);
  writeRevision(key, revision, 0);
  key.writeUInt16BE(index, 8);
  return key;
}

export function encodeRecord({ type, key, createRevision, previous, value }: LogRecord): Buffer {
  const keyBytes = Buffer.byteLength(key);
  const bytes = Buffer.allocUnsafe(RECORD_HEAD + keyBytes + value.length);
  bytes[0] = TYPES[type];
  writeRevision(bytes, createRevision, 1);
  writeRevision(bytes, previous?.revision ?? 0, 9);
  bytes.writeUInt16BE(previous?.index ?? 0, 17);
  bytes.writeUInt16BE(keyBytes, 19);
  bytes.write(key, RECORD_HEAD);
  bytes.set(value, RECORD_HEAD + keyBytes);
  return bytes;
}

/** `bytes` may be shared with the database: what is kept of it is copied. */
export function decodeRecord(at: Position, bytes: Buffer): LogRecord {
  const valueAt = RECORD_HEAD + bytes.readUInt16BE(19);
  const value = Buffer.allocUnsafeSlow(bytes.length - valueAt);
  bytes.copy(value, 0, valueAt);
  return {
    ...at,
    type: typeOf(bytes[0]),
    key: bytes.toString("utf8", RECORD_HEAD, valueAt),
    createRevision: readRevision(bytes, 1),
    previous: previousOf(bytes),
    value,
  };
}

/** The version before a record, without reading the rest of it. */
export function previousOf(record: Buffer): Position | undefined {
  const revision = readRevision(record, 9);
  return revision === 0 ? undefined : { revision, index: record.readUInt16BE(17) };
}

/** The parts of a record that cleaning needs. */
export function outlineOf(record: Buffer): Pick<LogRecord, "type" | "key" | "previous"> {
  const keyEnd = RECORD_HEAD + record.readUInt16BE(19);
  return {
    type: typeOf(record[0]),
    key: record.toString("utf8", RECORD_HEAD, keyEnd),
    previous: previousOf(record),
  };
}

export function positionOf(key: Buffer): Position {
  return { revision: readRevision(key, 0), index: key.readUInt16BE(8) };
}

export function encodePointer({ type, revision, index, createRevision }: Pointer): Buffer {
  const bytes = Buffer.allocUnsafe(POINTER_BYTES);
  bytes[0] = TYPES[type];
  writeRevision(bytes, revision, 1);
  bytes.writeUInt16BE(index, 9);
  writeRevision(bytes, createRevision, 11);
  return bytes;
}

export function decodePointer(bytes: Buffer): Pointer {
  return {
    type: typeOf(bytes[0]),
    revision: readRevision(bytes, 1),
    index: bytes.readUInt16BE(9),
    createRevision: readRevision(bytes, 11),
  };
}

export function entryOf({ key, value, createRevision, revision }: LogRecord): Entry {
  return { key, value, createRevision, modRevision: revision };
}

export function eventOf(record: LogRecord): StoreEvent {
  const { type, key, revision, value } = record;
  if (type === "put") return { type, key, revision, entry: entryOf(record) };
  return value.length > 0 ? { type, key, revision, tombstone: value } : { type, key, revision };
}

/** Bounds of the keys with a prefix; a byte of 255 never stands in UTF-8. */
export const firstKey = (prefix: string): Buffer => Buffer.from(prefix);
export const endOfKeys = (prefix: string): Buffer => Buffer.concat([Buffer.from(prefix), Buffer.from([0xff])]);
/** The first key that sorts after `key`. */
export const nextKey = (key: string): Buffer => Buffer.concat([Buffer.from(key), Buffer.from([0])]);

function typeOf(byte: number | undefined): "put" | "delete" {
  if (byte === TYPES.put) return "put";
  if (byte === TYPES.delete) return "delete";
  throw new Error(`the store holds a change of unknown type ${byte}`);
}

function writeRevision(target: Buffer, revision: Revision, offset: number): void {
  target.writeUInt16BE(0, offset);
  target.writeUIntBE(revision, offset + 2, 6);
}

function readRevision(source: Buffer, offset: number): Revision {
  return source.readUIntBE(offset + 2, 6);
}
