/**
 * Plan of a DaemonSet: for which nodes Pods are made, and which Pods go. Pure.
 *
 * First every node gets the one Pod that it should have, and loses what is too much; only when there is nothing of
 * that left to do a rollout goes on: by deleting old Pods within maxUnavailable, or by adding new ones beside
 * them within maxSurge, and never both.
 */
import { type IntOrString, resolvePercent } from "../machinery/objects/int-or-string.ts";
import type { DaemonSet, Pod } from "../machinery/objects/kinds.ts";
import { REVISION_LABEL } from "./controller-revision.ts";
import { type Fit, nodeOf } from "./daemonset-nodes.ts";
import { isAvailable, isReady, isTerminal } from "./pod-state.ts";

export interface View {
  readonly set: DaemonSet;
  /** Each node with how the set fits it; of those without a node only Pods are left. */
  readonly nodes: ReadonlyMap<string, Fit>;
  readonly pods: ReadonlyMap<string, readonly Pod[]>;
  /** Hashes of the present template. */
  readonly hashes: ReadonlySet<string>;
  readonly now: number;
  /** Whether an ended Pod on this node may be deleted now, or has to wait. */
  readonly mayRetry: (node: string) => boolean;
}

export interface Plan {
  /** Nodes that get a Pod. */
  readonly create: readonly string[];
  readonly remove: readonly Pod[];
  /** Those of `remove` that have ended. */
  readonly ended: readonly Pod[];
}

/** The Pods by node, oldest first; those that are over and on their way out are gone already. */
export function byNode(pods: readonly Pod[]): Map<string, Pod[]> {
  const result = new Map<string, Pod[]>();
  for (const pod of [...pods].sort(byAge)) {
    const node = nodeOf(pod);
    if (node === undefined || (isTerminal(pod) && isLeaving(pod))) continue;
    const there = result.get(node);
    if (there) there.push(pod);
    else result.set(node, [pod]);
  }
  return result;
}

export function planOf(view: View): Plan {
  const repair = repairs(view);
  if (repair.create.length + repair.remove.length > 0) return repair;
  if (view.set.spec?.updateStrategy?.type === "OnDelete") return repair;
  const { surge, unavailable } = fences(view);
  return surge > 0 ? rollBeside(view, surge) : rollInPlace(view, unavailable);
}

export const isUpdated = ({ metadata }: Pod, hashes: ReadonlySet<string>): boolean =>
  hashes.has(metadata.labels?.[REVISION_LABEL] ?? "");

const isLeaving = ({ metadata }: Pod) => metadata.deletionTimestamp !== undefined;
const isUp = (pod: Pod, { set, now }: View) => isAvailable(pod, set.spec?.minReadySeconds ?? 0, now);

/** Pods with a node first, then the older ones. */
function byAge(a: Pod, b: Pod): number {
  const [one, other] = [a.metadata.creationTimestamp, b.metadata.creationTimestamp];
  const placed = Number(Boolean(b.spec?.nodeName)) - Number(Boolean(a.spec?.nodeName));
  if (placed !== 0) return placed;
  return one === other ? (a.metadata.name < b.metadata.name ? -1 : 1) : one < other ? -1 : 1;
}

/** Pods allowed beyond one on each node, and nodes allowed without an available one. */
function fences({ set, nodes }: View): { readonly surge: number; readonly unavailable: number } {
  const desired = [...nodes.values()].filter(({ run }) => run).length;
  const rolling = set.spec?.updateStrategy?.rollingUpdate;
  const resolve = (value: unknown) => resolvePercent((value as IntOrString | undefined) ?? 0, desired, "up");
  const surge = resolve(rolling?.maxSurge);
  return { surge, unavailable: surge === 0 ? Math.max(1, resolve(rolling?.maxUnavailable)) : 0 };
}

const allowsSurge = ({ spec }: DaemonSet): boolean =>
  spec?.updateStrategy?.type === "RollingUpdate" &&
  resolvePercent((spec.updateStrategy.rollingUpdate?.maxSurge as IntOrString | undefined) ?? 0, 1, "up") > 0;

function repairs(view: View): Plan {
  const { nodes, pods } = view;
  const create: string[] = [];
  const remove: Pod[] = [];
  const ended: Pod[] = [];
  for (const [node, fit] of nodes) {
    const there = pods.get(node) ?? [];
    if (!fit.stay) {
      remove.push(...there.filter((pod) => !isLeaving(pod)));
    } else if (there.length === 0) {
      if (fit.run) create.push(node);
    } else {
      const over = there.filter((pod) => isTerminal(pod) && !isLeaving(pod)).filter((pod) => mayGo(pod, node, view));
      ended.push(...over);
      const alive = there.filter((pod) => !isTerminal(pod) && !isLeaving(pod));
      remove.push(...over, ...(allowsSurge(view.set) ? tooManyBeside(alive, view) : alive.slice(1)));
      if (fit.run && alive.length === 0 && allowsSurge(view.set)) create.push(node);
    }
  }
  return { create, remove: [...remove, ...withoutNode(view)], ended };
}

const mayGo = ({ status }: Pod, node: string, { mayRetry }: View): boolean =>
  status?.phase === "Succeeded" || mayRetry(node);

/** Pods that wait for a node that is gone would wait for ever; those that ran there go with it: pod-gc.ts. */
function withoutNode({ nodes, pods }: View): Pod[] {
  return [...pods]
    .filter(([node]) => !nodes.has(node))
    .flatMap(([, there]) => there.filter((pod) => !pod.spec?.nodeName && !isLeaving(pod)));
}

/** Beside an old Pod that is ready may be a new one until it is available; everything else is too much. */
function tooManyBeside(alive: readonly Pod[], view: View): Pod[] {
  if (alive.length <= 1) return [];
  const fresh = alive.find((pod) => isUpdated(pod, view.hashes));
  const old = alive.find((pod) => !isUpdated(pod, view.hashes));
  const others = alive.filter((pod) => pod !== fresh && pod !== old);
  const replaced = fresh && old && (!isReady(old) || isUp(fresh, view));
  return replaced ? [...others, old] : others;
}

interface Pair {
  readonly node: string;
  readonly fresh: Pod | undefined;
  readonly old: Pod | undefined;
}

/** What is on each node that has Pods or should; undefined where there is more than one of a kind. */
function pairs({ nodes, pods, hashes }: View): (Pair | undefined)[] {
  const wanted = [...nodes].filter(([, { run }]) => run).map(([node]) => node);
  return [...new Set([...wanted, ...pods.keys()])].map((node) => {
    const alive = (pods.get(node) ?? []).filter((pod) => !isLeaving(pod));
    const [fresh, ...moreFresh] = alive.filter((pod) => isUpdated(pod, hashes));
    const [old, ...moreOld] = alive.filter((pod) => !isUpdated(pod, hashes));
    return moreFresh.length + moreOld.length > 0 ? undefined : { node, fresh, old };
  });
}

/** Deletes old Pods: all that are not available, and of the others as many as may be missing. */
function rollInPlace(view: View, unavailable: number): Plan {
  const replace: Pod[] = [];
  const candidates: Pod[] = [];
  let down = 0;
  for (const pair of pairs(view)) {
    if (pair?.old && !pair.fresh) {
      if (isUp(pair.old, view)) candidates.push(pair.old);
      else {
        replace.push(pair.old);
        down++;
      }
    } else if (!pair?.fresh || pair.old || !isUp(pair.fresh, view)) down++;
  }
  return { create: [], ended: [], remove: [...replace, ...candidates.slice(0, Math.max(0, unavailable - down))] };
}

/** Adds new Pods beside old ones, and deletes an old one when its successor is available. */
function rollBeside(view: View, surge: number): Plan {
  const create: string[] = [];
  const candidates: string[] = [];
  const remove: Pod[] = [];
  const unwanted: Pod[] = [];
  let beside = 0;
  let available = 0;
  for (const pair of pairs(view)) {
    if (!pair) {
      beside++;
      continue;
    }
    const { node, fresh, old } = pair;
    const first = old ?? fresh;
    if (first && isUp(first, view)) available++;
    if (!old) continue;
    const wanted = view.nodes.get(node)?.run === true;
    if (fresh) {
      if (isUp(fresh, view)) remove.push(old);
      else beside++;
    } else if (wanted) {
      (isUp(old, view) ? candidates : create).push(node);
    } else {
      (isUp(old, view) ? unwanted : remove).push(old);
    }
  }
  const desired = [...view.nodes.values()].filter(({ run }) => run).length;
  return {
    create: [...create, ...candidates.slice(0, Math.max(0, surge - beside))],
    remove: [...remove, ...unwanted.slice(0, Math.max(0, available - desired))],
    ended: [],
  };
}
