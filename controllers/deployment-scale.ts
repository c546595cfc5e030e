/**
 * Scale of a Deployment: how many Pods each ReplicaSet should have next. Pure.
 *
 * Rolling updates move in steps between two fences: never more than replicas + maxSurge Pods, never
 * fewer than replicas − maxUnavailable available ones. Changes of scale in between are spread in proportion.
 */

import { type IntOrString, resolvePercent } from "../machinery/objects/int-or-string.ts";
import type { Deployment, ReplicaSet } from "../machinery/objects/kinds.ts";
import { byAge, desiredOf, maxOf } from "./deployment-revision.ts";

/** A set and the size it should have. */
export interface Resize {
  readonly set: ReplicaSet;
  readonly replicas: number;
}

export const size = (set: ReplicaSet): number => set.spec?.replicas ?? 1;
export const wanted = (deployment: Deployment): number => deployment.spec?.replicas ?? 1;
export const total = (sets: readonly ReplicaSet[]): number => sets.reduce((sum, set) => sum + size(set), 0);
/** Available Pods that a set will keep: its status may still count some that it is about to delete. */
const keeps = (set: ReplicaSet) => Math.min(size(set), set.status?.availableReplicas ?? 0);
const available = (sets: readonly ReplicaSet[]) => sets.reduce((sum, set) => sum + keeps(set), 0);
export const withPods = (sets: readonly ReplicaSet[]): ReplicaSet[] => sets.filter((set) => size(set) > 0);

/** By its own word; until it has told of its present size, it may just be making some. */
export const mayHavePods = ({ metadata, status }: ReplicaSet): boolean =>
  (status?.replicas ?? 0) > 0 || (status?.observedGeneration ?? 0) < (metadata.generation ?? 0);

export const isRecreate = (deployment: Deployment): boolean => deployment.spec?.strategy?.type === "Recreate";

/** Pods allowed beyond and below the number wanted. */
export function fences(deployment: Deployment): { readonly surge: number; readonly unavailable: number } {
  if (isRecreate(deployment)) return { surge: 0, unavailable: 0 };
  const replicas = wanted(deployment);
  const rolling = deployment.spec?.strategy?.rollingUpdate;
  const surge = resolvePercent((rolling?.maxSurge as IntOrString | undefined) ?? "25%", replicas, "up");
  const share = resolvePercent((rolling?.maxUnavailable as IntOrString | undefined) ?? "25%", replicas, "down");
  const unavailable = surge === 0 && share === 0 ? 1 : share;
  return { surge, unavailable: replicas === 0 ? 0 : Math.min(unavailable, replicas) };
}

export const maxTotal = (deployment: Deployment): number => wanted(deployment) + fences(deployment).surge;

/**
 * The size of the new set, which never takes the total beyond the surge. It does not grow before it has told that it
 * deleted what it was to give up: until then nobody knows how many of those that it tells of are still there.
 */
export function newSetSize(deployment: Deployment, old: readonly ReplicaSet[], next: ReplicaSet | undefined): number {
  const replicas = wanted(deployment);
  const current = next ? size(next) : 0;
  if (isRecreate(deployment) || current >= replicas) return replicas;
  const all = next ? [...old, next] : old;
  if (!all.every(isObserved) || (next && !isSettled(next))) return current;
  const room = maxTotal(deployment) - all.reduce((sum, set) => sum + mayExist(set), 0);
  return room <= 0 ? current : current + Math.min(room, replicas - current);
}

/** Before a set has taken notice of its size, it may still make Pods for the one before. */
const isObserved = ({ status, metadata }: ReplicaSet) =>
  (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
/** A set that was made smaller may have Pods that it has not deleted yet: they count, too. */
const mayExist = (set: ReplicaSet) => Math.max(size(set), set.status?.replicas ?? 0);
const isSettled = (set: ReplicaSet) => isObserved(set) && mayExist(set) === size(set);

/** What the old sets give up next: unhealthy Pods first, then as many as stay within maxUnavailable. */
export function shrinkOld(deployment: Deployment, old: readonly ReplicaSet[], next: ReplicaSet): readonly Resize[] {
  if (total(old) === 0) return [];
  const minAvailable = wanted(deployment) - fences(deployment).unavailable;
  const newUnavailable = size(next) - keeps(next);
  const allowance = total([...old, next]) - minAvailable - newUnavailable;
  if (allowance <= 0) return [];

  const sizes = new Map([...old].sort(byAge).map((set) => [set, size(set)]));
  const take = (budget: number, offer: (set: ReplicaSet, left: number) => number) => {
    for (const [set, left] of sizes) {
      const count = Math.min(budget, offer(set, left));
      if (count <= 0) continue;
      sizes.set(set, left - count);
      budget -= count;
    }
  };
  take(allowance, (set, left) => left - keeps(set));
  take(available([...old, next]) - minAvailable, (_set, left) => left);
  return [...sizes].filter(([set, left]) => left !== size(set)).map(([set, replicas]) => ({ set, replicas }));
}

/**
 * True when someone changed the number wanted since the sets were last sized. One that recreates and has several sets
 * with Pods, for it took one on, gives up the others first: it has no proportion in which they could grow.
 */
export function isScaling(deployment: Deployment, all: readonly ReplicaSet[]): boolean {
  const sets = withPods(all);
  if (isRecreate(deployment) && sets.length > 1) return false;
  return sets.some((set) => {
    const before = desiredOf(set);
    return before !== undefined && before !== wanted(deployment);
  });
}

/**
 * The sizes that fit the number wanted, without going on with a rollout. None grows while another has not told yet that
 * it has no more Pods than it should: together they could have more than the surge.
 */
export function rescale(
  deployment: Deployment,
  next: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): readonly Resize[] {
  const all = next ? [...old, next] : old;
  const sole = activeOrLatest(next, old);
  const resizes = sole ? [{ set: sole, replicas: wanted(deployment) }] : resizesOf(deployment, next, old);
  const grows = resizes.some(({ set, replicas }) => replicas > size(set));
  return grows && !all.every((set) => set === sole || isSettled(set)) ? [] : resizes;
}

function resizesOf(
  deployment: Deployment,
  next: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): readonly Resize[] {
  if (next && isSaturated(deployment, next)) return withPods(old).map((set) => ({ set, replicas: 0 }));
  return isRecreate(deployment) ? [] : proportional(deployment, withPods(next ? [...old, next] : old));
}

/** The only set with Pods; where none has any, the new one or else the youngest. */
function activeOrLatest(next: ReplicaSet | undefined, old: readonly ReplicaSet[]): ReplicaSet | undefined {
  const active = withPods(next ? [...old, next] : old);
  if (active.length > 1) return undefined;
  return active[0] ?? next ?? [...old].sort(byAge).at(-1);
}

function isSaturated(deployment: Deployment, set: ReplicaSet): boolean {
  const replicas = wanted(deployment);
  return size(set) === replicas && desiredOf(set) === replicas && (set.status?.availableReplicas ?? 0) === replicas;
}

function proportional(deployment: Deployment, sets: readonly ReplicaSet[]): readonly Resize[] {
  const allowed = wanted(deployment) > 0 ? maxTotal(deployment) : 0;
  const missing = allowed - total(sets);
  const sorted = [...sets].sort((a, b) => size(b) - size(a) || (missing > 0 ? byAge(b, a) : byAge(a, b)));
  let added = 0;
  const resized = sorted.map((set) => {
    const share = missing === 0 ? 0 : shareOf(deployment, set, missing, added);
    added += share;
    return { set, replicas: size(set) + share };
  });
  const [first, ...rest] = resized;
  if (!first || missing === 0) return resized;
  return [{ set: first.set, replicas: Math.max(0, first.replicas + missing - added) }, ...rest];
}

function shareOf(deployment: Deployment, set: ReplicaSet, missing: number, added: number): number {
  const left = missing - added;
  if (left === 0) return 0;
  const fraction = fractionOf(deployment, set);
  return missing > 0 ? Math.min(fraction, left) : Math.max(fraction, left);
}

function fractionOf(deployment: Deployment, set: ReplicaSet): number {
  if (wanted(deployment) === 0) return -size(set);
  const before = maxOf(set) || deployment.status?.replicas || 1;
  return Math.round((size(set) * maxTotal(deployment)) / before) - size(set);
}
