/**
 * Reader: objects, lists, histories and past changes out of the tables.
 *
 * Every answer is as of one revision that is on disk. Chains are walked back from the last change of a
 * key; a chain that breaks off was cleaned there, which only happens before the compacted revision.
 */

import { breather } from "../../../machinery/loop/breathe.ts";
import type { Clock } from "../../../machinery/process/clock.ts";
import type { Entry, ListResult, Revision } from "../contract.ts";
import type { Environment, Row } from "./environment.ts";
import {
  decodePointer,
  decodeRecord,
  endOfKeys,
  entryOf,
  firstKey,
  type LogRecord,
  logKey,
  nextKey,
  type Pointer,
  type Position,
  positionOf,
  previousOf,
} from "./layout.ts";

export interface ReadList {
  readonly prefix: string;
  readonly limit: number;
  readonly after: string | undefined;
  readonly revision: Revision;
  readonly versionsOnly?: boolean;
  /** Throws when the revision has been compacted meanwhile. */
  readonly check: () => void;
}

export interface Reader {
  pointer(key: string): Pointer | undefined;
  record(at: Position): LogRecord | undefined;
  entry(key: string): Entry | undefined;
  list(request: ReadList): Promise<ListResult>;
  /** The kept changes of a key, oldest first. */
  chain(key: string): LogRecord[];
  /** Changes after a revision and up to another, whole revisions, about `limit` of them. */
  logAfter(after: Revision, upTo: Revision, limit: number): LogRecord[];
}

/** Keys read in one go. */
const CHUNK = 512;
const LAST_INDEX = 0xffff;
const NO_VALUE = new Uint8Array(0);

export function createReader(environment: Environment, clock: Clock): Reader {
  const pointer = (key: string): Pointer | undefined => {
    const found = environment.get("keys", Buffer.from(key));
    return found && decodePointer(found);
  };
  const record = (at: Position): LogRecord | undefined => {
    const found = environment.get("log", logKey(at));
    return found && decodeRecord(at, found);
  };
  const entry = (key: string): Entry | undefined => {
    const last = pointer(key);
    const found = last?.type === "put" ? record(last) : undefined;
    return found && entryOf(found);
  };

  const entryAt = (at: Position): Entry | undefined => {
    const found = record(at);
    return found && entryOf(found);
  };

  /** Where the version of a revision lies, given the last one; undefined when there was none. */
  const asOf = (last: Pointer, revision: Revision): Position | undefined => {
    if (last.revision <= revision) return last.type === "put" ? last : undefined;
    let at: Position | undefined = last;
    while (at && at.revision > revision) {
      const bytes = environment.get("log", logKey(at));
      at = bytes && previousOf(bytes);
    }
    const found = at && record(at);
    return found?.type === "put" ? found : undefined;
  };

  /** An entry without its value. */
  const outline = (key: string, at: Position & Partial<Pick<Pointer, "createRevision">>): Entry | undefined => {
    const { createRevision = record(at)?.createRevision, revision } = at;
    return createRevision === undefined ? undefined : { key, value: NO_VALUE, createRevision, modRevision: revision };
  };

  const list = async (request: ReadList): Promise<ListResult> => {
    const { prefix, limit, after, revision, versionsOnly = false, check } = request;
    const breath = breather(clock);
    const entries: Entry[] = [];
    let remaining = 0;
    const end = endOfKeys(prefix);
    let start = after !== undefined && after >= prefix ? nextKey(after) : firstKey(prefix);
    for (;;) {
      const rows: Row[] = environment.range("keys", { start, end, limit: CHUNK });
      for (const row of rows) {
        const pause = breath();
        if (pause) {
          await pause;
          check();
        }
        const at = asOf(decodePointer(row.value), revision);
        if (!at) continue;
        if (limit > 0 && entries.length >= limit) remaining++;
        else {
          const found = versionsOnly ? outline(row.key.toString("utf8"), at) : entryAt(at);
          if (found) entries.push(found);
        }
      }
      const last = rows.at(-1);
      if (!last || rows.length < CHUNK) break;
      start = nextKey(last.key.toString("utf8"));
    }
    check();
    return { entries, revision, remaining };
  };

  return {
    pointer,
    record,
    entry,
    list,
    chain(key) {
      const found: LogRecord[] = [];
      let at: Position | undefined = pointer(key);
      while (at) {
        const one = record(at);
        if (!one) break;
        found.push(one);
        at = one.previous;
      }
      return found.reverse();
    },
    logAfter(after, upTo, limit) {
      const start = logKey({ revision: after + 1, index: 0 });
      const end = logKey({ revision: upTo, index: LAST_INDEX });
      const read = (from: Buffer, count: number) =>
        environment
          .range("log", { start: from, end, limit: count })
          .map(({ key, value }) => decodeRecord(positionOf(key), value));
      const records = read(start, limit);
      const last = records.at(-1);
      if (!last || records.length < limit) return records;
      // the rest of the last commit, so that none is split
      const rest = environment.range("log", {
        start: logKey({ revision: last.revision, index: last.index + 1 }),
        end: logKey({ revision: last.revision, index: LAST_INDEX }),
        limit: LAST_INDEX,
      });
      return [...records, ...rest.map(({ key, value }) => decodeRecord(positionOf(key), value))];
    },
  };
}
