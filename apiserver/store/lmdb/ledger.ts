/**
 * Ledger: how far the store is, and what must survive a restart to go on from there.
 *
 * Revisions that were given out for deferred commits and lost in a crash must not be given out again for
 * something else: `reserved` is written ahead, and a store that was not closed goes on after it.
 */

import type { Revision } from "../contract.ts";
import { createRetention, type Mark, type Retention, type RetentionBounds } from "../retention.ts";
import type { Environment, Step } from "./environment.ts";
import { FORMAT, type Position, type State } from "./layout.ts";

const STATE = Buffer.from("state");
const MARKS = Buffer.from("marks");
/** Deferred commits that may be given out before something must be written. */
export const RESERVE = 1_000;

export interface Ledger {
  /** Everything up to here is known to all. */
  revision: Revision;
  /** Everything up to here is on disk. */
  durable: Revision;
  reserved: Revision;
  compacted: Revision;
  cleaned: Position;
  readonly retention: Retention;
  /** The steps that record a state with everything up to `revision` on disk. */
  steps(revision: Revision, reserved: Revision, cleaned: Position): Step[];
}

export function readLedger(environment: Environment, bounds: RetentionBounds, directory: string): Ledger {
  const state = readState(environment, directory);
  const marks = read<readonly Mark[]>(environment, MARKS) ?? [];
  const retention = createRetention(bounds, marks);
  let written = retention.marks.length;
  return {
    revision: state.reserved,
    durable: state.reserved,
    reserved: state.reserved,
    compacted: state.compacted,
    cleaned: state.cleaned,
    retention,
    steps(revision, reserved, cleaned) {
      const next: State = { format: FORMAT, revision, reserved, compacted: this.compacted, cleaned };
      const steps: Step[] = [{ table: "meta", key: STATE, value: json(next) }];
      if (retention.marks.length !== written) {
        steps.push({ table: "meta", key: MARKS, value: json(retention.marks) });
        written = retention.marks.length;
      }
      return steps;
    },
  };
}

function readState(environment: Environment, directory: string): State {
  const state = read<State>(environment, STATE);
  if (!state) return { format: FORMAT, revision: 0, reserved: 0, compacted: 0, cleaned: { revision: 0, index: 0 } };
  if (state.format === FORMAT) return state;
  throw new Error(
    `the store in ${directory} has format ${state.format}, this version reads format ${FORMAT}: use the version that wrote it`,
  );
}

function read<T>(environment: Environment, key: Buffer): T | undefined {
  const found = environment.get("meta", key);
  return found && (JSON.parse(found.toString("utf8")) as T);
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
