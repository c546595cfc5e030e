/**
 * Cleaner: takes out of the log what compaction gave up, a slice at a time.
 *
 * It walks the changes between the last compaction and the new one, each exactly once: the version that a
 * change replaced goes, and so does a deletion itself. What is still current stays, however old.
 * Slices ride on commits that are written anyway, so that an idle store is not written for tidiness.
 */
import type { Revision } from "../contract.ts";
import type { Environment, Step } from "./environment.ts";
import { logKey, outlineOf, type Position, positionOf } from "./layout.ts";
import type { Reader } from "./reader.ts";

export interface Slice {
  readonly steps: readonly Step[];
  readonly cleaned: Position;
  /** Nothing is left to clean. */
  readonly done: boolean;
}

const LAST_INDEX = 0xffff;

export function cleaningSlice(
  environment: Environment,
  reader: Reader,
  cleaned: Position,
  target: Revision,
  size: number,
): Slice {
  const rows = environment.range("log", {
    start: Buffer.concat([logKey(cleaned), Buffer.from([0])]),
    end: logKey({ revision: target, index: LAST_INDEX }),
    limit: size,
  });
  const steps: Step[] = [];
  for (const { key, value } of rows) {
    const outline = outlineOf(value);
    if (outline.previous) steps.push({ table: "log", key: logKey(outline.previous) });
    if (outline.type === "put") continue;
    steps.push({ table: "log", key });
    const at = positionOf(key);
    const last = reader.pointer(outline.key);
    if (last && last.revision === at.revision && last.index === at.index) {
      steps.push({ table: "keys", key: Buffer.from(outline.key) });
    }
  }
  const last = rows.at(-1);
  if (last && rows.length === size) return { steps, cleaned: positionOf(last.key), done: false };
  return { steps, cleaned: { revision: target, index: LAST_INDEX }, done: true };
}
