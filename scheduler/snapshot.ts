/**
 * Snapshot: every node with what its Pods use, changed step by step and never built anew.
 *
 * A Pod that was given a node counts at once (assumed), before the API server has confirmed it,
 * or two Pods would be given the same room. Terminal Pods use nothing.
 */

import type { Node, Pod } from "../machinery/objects/kinds.ts";
import { controllerOf } from "../machinery/objects/owners.ts";
import { add, type PodInfo, podInfo, type Resources, resourceList } from "./pod-info.ts";

export interface NodeInfo {
  readonly node: Node;
  readonly allocatable: Resources;
  readonly requested: ReadonlyMap<string, number>;
  readonly scoredCpu: number;
  readonly scoredMemory: number;
  /** By uid. */
  readonly pods: ReadonlyMap<string, PodInfo>;
  /** Number of Pods here by the uid of their controller. */
  readonly byController: ReadonlyMap<string, number>;
}

type Mutable = {
  -readonly [K in keyof NodeInfo]: NodeInfo[K] extends ReadonlyMap<infer A, infer B> ? Map<A, B> : NodeInfo[K];
};

export interface Snapshot {
  /** Only nodes that the API knows. */
  nodes(): readonly NodeInfo[];
  setNode(node: Node): void;
  removeNode(name: string): void;
  /** A Pod with spec.nodeName, or one that has just been given `nodeName`. */
  setPod(pod: Pod, nodeName: string): void;
  removePod(uid: string): void;
}

export function createSnapshot(): Snapshot {
  const nodes = new Map<string, Mutable>();
  /** Pods of nodes that are not known (yet): "nodeName" ► uid ► Pod. */
  const orphans = new Map<string, Map<string, PodInfo>>();
  const placed = new Map<string, string>();
  let listed: readonly NodeInfo[] | undefined;

  const podsOf = (name: string) => nodes.get(name)?.pods ?? orphans.get(name);

  function remove(uid: string): void {
    const nodeName = placed.get(uid);
    if (nodeName === undefined) return;
    placed.delete(uid);
    const info = podsOf(nodeName)?.get(uid);
    const node = nodes.get(nodeName);
    if (info && node) count(node, info, -1);
    const pods = podsOf(nodeName);
    pods?.delete(uid);
    if (!node && pods?.size === 0) orphans.delete(nodeName);
  }

  return {
    nodes() {
      listed ??= [...nodes.values()];
      return listed;
    },
    setNode(node) {
      const { name } = node.metadata;
      const before = nodes.get(name);
      const after = emptyNode(node);
      for (const [uid, info] of before?.pods ?? orphans.get(name) ?? []) {
        after.pods.set(uid, info);
        count(after, info, 1);
      }
      orphans.delete(name);
      nodes.set(name, after);
      listed = undefined;
    },
    removeNode(name) {
      const pods = nodes.get(name)?.pods;
      nodes.delete(name);
      if (pods?.size) orphans.set(name, pods);
      listed = undefined;
    },
    setPod(pod, nodeName) {
      const { uid } = pod.metadata;
      remove(uid);
      const info = podInfo(pod);
      const node = nodes.get(nodeName);
      if (node) {
        node.pods.set(uid, info);
        count(node, info, 1);
      } else orphans.set(nodeName, (orphans.get(nodeName) ?? new Map()).set(uid, info));
      placed.set(uid, nodeName);
    },
    removePod: remove,
  };
}

function emptyNode(node: Node): Mutable {
  const allocatable = resourceList(node.status?.allocatable);
  return {
    node,
    allocatable: new Map(allocatable),
    requested: new Map(),
    scoredCpu: 0,
    scoredMemory: 0,
    pods: new Map(),
    byController: new Map(),
  };
}

function count(node: Mutable, info: PodInfo, sign: 1 | -1): void {
  add(node.requested, info.requests, sign);
  node.scoredCpu += sign * info.scoredCpu;
  node.scoredMemory += sign * info.scoredMemory;
  const owner = controllerOf(info.pod)?.uid;
  if (owner) node.byController.set(owner, (node.byController.get(owner) ?? 0) + sign);
}
