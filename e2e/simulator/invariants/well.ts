/**
 * Well: which Pods count, are ready, and have been so for long enough.
 */
import type { Pod } from "../../../machinery/objects/kinds.ts";
import type { Write } from "../ledger.ts";
import { isEnded } from "../pod-report.ts";
import { START } from "../virtual-time.ts";

/** Neither ended nor on their way out. */
export const counts = (pod: Pod): boolean => !isEnded(pod) && !pod.metadata.deletionTimestamp;

export const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;

/** Somebody other than `takers` made a ready Pod unready, or took it. */
export function wasTaken({ before, after, cause }: Write, takers: ReadonlySet<string>): boolean {
  const former = before as Pod | undefined;
  if (!former || !counts(former) || !isReady(former)) return false;
  const now = after as Pod | undefined;
  if (now && counts(now) && isReady(now)) return false;
  return !takers.has(cause.controller ?? "");
}

/** Ready since `seconds` at the elapsed time `at`, by the whole seconds that times are written in. */
export function isAvailable(pod: Pod, seconds: number, at: number): boolean {
  if (!counts(pod) || !isReady(pod)) return false;
  if (seconds === 0) return true;
  const since = pod.status?.conditions?.find(({ type }) => type === "Ready")?.lastTransitionTime ?? "";
  return Date.parse(since) + seconds * 1000 <= START + at;
}
