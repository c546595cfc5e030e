/**
 * Writer: all commits, one group at a time.
 *
 * Calls that come while a group is being written make the next group: one transaction and one sync for
 * all of them (group commit). Nobody hears of a change, neither caller nor watcher, before it is on disk;
 * deferred commits alone are told at once and written with the next group, at the latest a minute later.
 */
import type { Clock, Timer } from "../../../machinery/process/clock.ts";
import type { Logger } from "../../../machinery/process/logging.ts";
import { type Changes, closed } from "../changes.ts";
import type { CommitResult, Condition, Operation, Revision } from "../contract.ts";
import { cleaningSlice, type Slice } from "./cleaner.ts";
import { createDraft, type Draft, eventsOf, stepsOf } from "./draft.ts";
import type { Environment } from "./environment.ts";
import type { LogRecord } from "./layout.ts";
import { type Ledger, RESERVE } from "./ledger.ts";
import type { Reader } from "./reader.ts";
import type { Tail } from "./tail.ts";

export interface Commit {
  readonly conditions: readonly Condition[];
  readonly operations: readonly Operation[];
  readonly deferrable: boolean;
}

export interface Writer {
  commit(commit: Commit): Promise<CommitResult>;
  /** The last change of a key that is not on disk yet. */
  deferred(key: string): LogRecord | undefined;
  /** Resolves when every deferred commit is on disk. */
  flush(): Promise<void>;
  /** Resolves when what lies before the compacted revision is gone. */
  clean(): Promise<void>;
  /** Writes what is deferred and marks the store as closed in good order. */
  close(): Promise<void>;
}

export interface WriterOptions {
  readonly environment: Environment;
  readonly reader: Reader;
  readonly ledger: Ledger;
  readonly tail: Tail;
  readonly changes: Changes;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Waiting extends Commit {
  readonly resolve: (result: CommitResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Largest group, in commits and in bytes of values. */
const GROUP = { commits: 1_024, bytes: 8 * 1024 * 1024 } as const;
/** Changes cleaned with a group at least; more where the group brings more. */
const CLEAN_SLICE = 500;
/** How long a deferred commit may wait. */
const DEFER_MS = 60_000;
/** Deferred changes that may wait. */
const DEFER_CHANGES = RESERVE / 2;

export function createWriter(options: WriterOptions): Writer {
  const { environment, reader, ledger, tail, changes, clock, log } = options;
  const queue: Waiting[] = [];
  const overlay = new Map<string, LogRecord>();
  let unwritten: LogRecord[] = [];
  let flushing: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];
  let cleaning: typeof flushing = [];
  let cleanNow = false;
  let timer: Timer | undefined;
  let running: Promise<void> | undefined;
  let open = true;

  const wake = (): void => {
    running ??= run().finally(() => {
      running = undefined;
      if (pending()) wake();
    });
  };

  const pending = (): boolean => queue.length > 0 || flushing.length > 0 || cleanNow;

  const run = async (): Promise<void> => {
    await undefined; // calls of this turn make one group
    while (pending()) await group(takeGroup(queue));
  };

  /** One group: draft, write, tell. */
  const group = async (waiting: readonly Waiting[]): Promise<void> => {
    const draft = createDraft(reader, overlay, ledger.revision);
    const outcomes = waiting.map((one) => attempt(draft, one));
    const asked = flushing;
    flushing = [];
    const mustWrite = asked.length > 0 || cleanNow || outcomes.some((one) => one.durable) || overflowing(draft);
    try {
      if (mustWrite) await write(draft);
      else defer(draft);
    } catch (error) {
      for (const { reject } of [...asked, ...outcomes, ...stopCleaning()]) reject(error);
      return;
    }
    for (const { resolve } of asked) resolve();
    for (const { settle } of outcomes) settle();
  };

  const attempt = (draft: Draft, { conditions, operations, deferrable, resolve, reject }: Waiting) => {
    const before = draft.revision;
    try {
      const result = draft.commit(conditions, operations);
      return { durable: !deferrable && draft.revision > before, settle: () => resolve(result), reject };
    } catch (error) {
      return { durable: false, settle: () => reject(error), reject };
    }
  };

  const overflowing = ({ records, revision }: Draft): boolean =>
    unwritten.length + records.length > DEFER_CHANGES || revision > ledger.reserved;

  const write = async (draft: Draft): Promise<void> => {
    const records = [...unwritten, ...draft.records];
    const slice = nextSlice(records.length);
    if (records.length === 0 && !slice) return cleanedAll();
    const reserved = Math.max(
      ledger.reserved,
      draft.revision + (draft.revision + RESERVE / 2 > ledger.reserved ? RESERVE : 0),
    );
    const cleaned = slice?.cleaned ?? ledger.cleaned;
    await environment.write([
      ...(slice?.steps ?? []),
      ...stepsOf(records),
      ...ledger.steps(draft.revision, reserved, cleaned),
    ]);
    unwritten = [];
    overlay.clear();
    timer?.cancel();
    timer = undefined;
    ledger.durable = draft.revision;
    ledger.reserved = reserved;
    ledger.cleaned = cleaned;
    publish(draft);
    if (!slice || slice.done) cleanedAll();
    else cleanNow = true; // a backlog: go on, between groups
  };

  const defer = (draft: Draft): void => {
    if (draft.records.length === 0) return;
    unwritten.push(...draft.records);
    for (const record of draft.records) overlay.set(record.key, record);
    timer ??= clock.after(DEFER_MS, () => void flush().catch(sayNotWritten), { background: true });
    publish(draft);
  };

  const sayNotWritten = (error: unknown): void => {
    timer = undefined;
    log.error("deferred commits could not be written", { error });
    if (open) timer = clock.after(DEFER_MS, () => void flush().catch(sayNotWritten), { background: true });
  };

  const account = ({ records, revision }: Draft): void => {
    const bytes = records.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
    ledger.retention.add(revision, bytes, clock.now());
    const due = ledger.retention.due(clock.now());
    if (due !== undefined) compactTo(Math.min(due, ledger.durable));
  };

  const compactTo = (revision: Revision): void => {
    ledger.compacted = Math.max(ledger.compacted, revision);
    ledger.retention.dropped(ledger.compacted);
  };

  const publish = (draft: Draft): void => {
    if (draft.records.length === 0) return;
    tell(draft);
    account(draft);
  };

  const tell = ({ records, revision }: Draft): void => {
    ledger.revision = revision;
    for (const [at, events] of eventsOf(records)) tail.push(at, events);
    changes.announce();
  };

  const nextSlice = (changesInGroup: number): Slice | undefined => {
    if (ledger.cleaned.revision >= ledger.compacted) return undefined;
    const size = Math.max(CLEAN_SLICE, 2 * changesInGroup);
    return cleaningSlice(environment, reader, ledger.cleaned, ledger.compacted, size);
  };

  /** Whoever waits for the cleaning that ends here. */
  const stopCleaning = (): typeof cleaning => {
    cleanNow = false;
    const asked = cleaning;
    cleaning = [];
    return asked;
  };

  const cleanedAll = (): void => {
    for (const { resolve } of stopCleaning()) resolve();
  };

  const flush = async (): Promise<void> => {
    if (unwritten.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      flushing.push({ resolve, reject });
      wake();
    });
  };

  return {
    commit(commit) {
      if (!open) return Promise.reject(closed());
      return new Promise((resolve, reject) => {
        queue.push({ ...commit, resolve, reject });
        wake();
      });
    },
    deferred: (key) => overlay.get(key),
    flush,
    async clean() {
      if (ledger.cleaned.revision >= ledger.compacted) return;
      await new Promise<void>((resolve, reject) => {
        cleaning.push({ resolve, reject });
        cleanNow = true;
        wake();
      });
    },
    async close() {
      open = false;
      timer?.cancel();
      for (const { reject } of queue.splice(0)) reject(closed());
      await running;
      const records = unwritten;
      await environment.write([...stepsOf(records), ...ledger.steps(ledger.revision, ledger.revision, ledger.cleaned)]);
    },
  };
}

function takeGroup(queue: Waiting[]): readonly Waiting[] {
  let count = 0;
  let bytes = 0;
  while (count < queue.length && count < GROUP.commits && bytes < GROUP.bytes) {
    for (const operation of (queue[count] as Waiting).operations) {
      if (operation.type === "put") bytes += operation.value.length;
    }
    count++;
  }
  return queue.splice(0, count);
}
