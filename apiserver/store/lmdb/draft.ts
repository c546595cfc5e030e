/**
 * Draft: what a group of commits would do, worked out before anything is written.
 *
 * Conditions are checked against what is on disk, what is deferred and what the group did so far, in the
 * order of the calls. Nothing here changes the store: a draft that cannot be written is dropped whole.
 */
import type { CommitResult, Condition, Entry, Operation, Revision, StoreEvent } from "../contract.ts";
import type { Step } from "./environment.ts";
import {
  encodePointer,
  encodeRecord,
  entryOf,
  eventOf,
  type LogRecord,
  logKey,
  MAX_KEY_BYTES,
  MAX_OPERATIONS,
} from "./layout.ts";
import type { Reader } from "./reader.ts";

export interface Draft {
  readonly revision: Revision;
  readonly records: readonly LogRecord[];
  /** Checks and takes a commit's operations, or answers why not. */
  commit(conditions: readonly Condition[], operations: readonly Operation[]): CommitResult;
}

/** The last change of keys that are not on disk yet. */
export type Overlay = ReadonlyMap<string, LogRecord>;

export function createDraft(reader: Reader, below: Overlay, start: Revision): Draft {
  const own = new Map<string, LogRecord>();
  const records: LogRecord[] = [];
  let revision = start;

  const pending = (key: string) => own.get(key) ?? below.get(key);

  const lastChange = (key: string) => pending(key) ?? reader.pointer(key);

  const modRevision = (key: string): Revision => {
    const last = lastChange(key);
    return last?.type === "put" ? last.revision : 0;
  };

  const entry = (key: string): Entry | undefined => {
    const record = pending(key);
    if (!record) return reader.entry(key);
    return record.type === "put" ? entryOf(record) : undefined;
  };

  const apply = (operation: Operation, index: number): void => {
    const { type, key } = operation;
    const last = lastChange(key);
    const record: LogRecord = {
      type,
      key,
      revision,
      index,
      createRevision: last?.type === "put" ? last.createRevision : revision,
      previous: last && { revision: last.revision, index: last.index },
      value: operation.type === "put" ? operation.value : (operation.tombstone ?? NOTHING),
    };
    own.set(key, record);
    records.push(record);
  };

  return {
    get revision() {
      return revision;
    },
    records,
    commit(conditions, operations) {
      check(operations);
      if (conditions.some((condition) => modRevision(condition.key) !== condition.modRevision)) {
        return { committed: false, revision, current: conditions.map(({ key }) => entry(key)) };
      }
      const effective = operations.filter(({ type, key }) => type === "put" || modRevision(key) !== 0);
      if (effective.length > 0) {
        revision++;
        effective.forEach(apply);
      }
      return { committed: true, revision };
    },
  };
}

/** The steps that write changes; where a key changed more than once, `keys` gets its last change only. */
export function stepsOf(records: readonly LogRecord[]): Step[] {
  const last = new Map<string, LogRecord>();
  const steps: Step[] = [];
  for (const record of records) {
    steps.push({ table: "log", key: logKey(record), value: encodeRecord(record) });
    last.set(record.key, record);
  }
  for (const record of last.values()) {
    steps.push({ table: "keys", key: Buffer.from(record.key), value: encodePointer(record) });
  }
  return steps;
}

/** Changes as watchers get them, one list a revision. */
export function eventsOf(records: readonly LogRecord[]): Map<Revision, StoreEvent[]> {
  const byRevision = new Map<Revision, StoreEvent[]>();
  for (const record of records) {
    const events = byRevision.get(record.revision);
    if (events) events.push(eventOf(record));
    else byRevision.set(record.revision, [eventOf(record)]);
  }
  return byRevision;
}

const NOTHING = new Uint8Array(0);

/** What the tables could not hold must be refused before a transaction begins. */
function check(operations: readonly Operation[]): void {
  if (operations.length > MAX_OPERATIONS)
    throw new RangeError(`too many operations in one commit: ${operations.length}`);
  for (const { key } of operations) {
    const bytes = Buffer.byteLength(key);
    if (bytes === 0 || bytes > MAX_KEY_BYTES)
      throw new RangeError(`a key must have 1 to ${MAX_KEY_BYTES} bytes: ${bytes}`);
  }
}
