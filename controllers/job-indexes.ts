/**
 * Indexes of an Indexed Job: read, written, and which need a Pod. Pure.
 *
 * https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode
 */
import type { Job, Pod } from "../machinery/objects/kinds.ts";

export const INDEX = "batch.kubernetes.io/job-completion-index";

export const isIndexed = ({ spec }: Job): boolean => spec?.completionMode === "Indexed";

export function indexOf({ metadata }: Pod): number | undefined {
  const text = metadata.annotations?.[INDEX] ?? metadata.labels?.[INDEX];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** Whether a Pod counts for the Job at all: where the Job is indexed, only with an index that the Job has. */
export function hasIndex(pod: Pod, job: Job): boolean {
  return !isIndexed(job) || (indexOf(pod) ?? Number.POSITIVE_INFINITY) < (job.spec?.completions ?? 0);
}

/** "1,3-5" ► {1, 3, 4, 5}; those from `end` on are left out. */
export function parseIndexes(text: string | undefined, end = Number.POSITIVE_INFINITY): Set<number> {
  const all = new Set<number>();
  for (const part of (text ?? "").split(",")) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (!match) continue;
    const first = Number(match[1]);
    const last = Math.min(Number(match[2] ?? first), end - 1);
    for (let index = first; index <= last; index++) all.add(index);
  }
  return all;
}

/** {1, 3, 4, 5} ► "1,3-5" */
export function formatIndexes(indexes: Iterable<number>): string {
  const runs: [number, number][] = [];
  for (const index of [...indexes].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && index === last[1] + 1) last[1] = index;
    else runs.push([index, index]);
  }
  return runs
    .map(([from, to]) => (from === to ? `${from}` : to === from + 1 ? `${from},${to}` : `${from}-${to}`))
    .join(",");
}

/** The indexes that need a Pod, lowest first: those that have one and those that are settled need none. */
export function missingIndexes(
  job: Job,
  occupied: readonly Pod[],
  settled: readonly (ReadonlySet<number> | undefined)[],
  count: number,
): number[] {
  const taken = new Set(occupied.map(indexOf));
  const missing: number[] = [];
  for (let index = 0; index < (job.spec?.completions ?? 0) && missing.length < count; index++)
    if (!taken.has(index) && !settled.some((set) => set?.has(index))) missing.push(index);
  return missing;
}

/** Active Pods that no index needs: without one, with one that the Job has not, or with another's. */
export function superfluous(job: Job, active: readonly Pod[], first: (pods: readonly Pod[]) => readonly Pod[]): Pod[] {
  if (!isIndexed(job)) return [];
  const wrong = active.filter((pod) => !hasIndex(pod, job));
  const byIndex = Map.groupBy(
    active.filter((pod) => hasIndex(pod, job)),
    (pod) => indexOf(pod),
  );
  const doubles = [...byIndex.values()].filter(({ length }) => length > 1);
  return [...wrong, ...doubles.flatMap((pods) => first(pods).slice(0, pods.length - 1))];
}
