/**
 * Snapshot: every node with what its Pods use, changed step by step and never built anew.
 *
 * A Pod that was given a node counts at once (assumed), before the API server has confirmed it,
 * or two Pods would be given the same room. Terminal Pods use nothing.
 */
import type { Node, Pod } from "../machinery/objects/kinds.ts";
import { add, type PodInfo, podInfo, type Resources, resourceList } from "./pod-info.ts";

export interface NodeInfo {
  readonly node: Node;
  readonly allocatable: Resources;
  readonly requested: ReadonlyMap<string, number>;
  readonly scoredCpu: number;
  readonly scoredMemory: number;
  /** By uid. */
  readonly pods: ReadonlyMap<string, PodInfo>;
  /** Those of them that say something about other Pods. */
  readonly withTerms: ReadonlyMap<string, PodInfo>;
  /** Name of an image here ► its size in bytes. */
  readonly images: ReadonlyMap<string, number>;
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
  /** False where there is no such Pod. */
  removePod(uid: string): boolean;
}

export function createSnapshot(): Snapshot {
  const nodes = new Map<string, Mutable>();
  /** Pods of nodes that are not known (yet): "nodeName" ► uid ► Pod. */
  const orphans = new Map<string, Map<string, PodInfo>>();
  const placed = new Map<string, string>();
  let listed: readonly NodeInfo[] | undefined;

  function removePod(uid: string): boolean {
    const nodeName = placed.get(uid);
    if (nodeName === undefined) return false;
    placed.delete(uid);
    const node = nodes.get(nodeName);
    if (node) withdraw(node, uid);
    else {
      const pods = orphans.get(nodeName);
      pods?.delete(uid);
      if (pods?.size === 0) orphans.delete(nodeName);
    }
    return true;
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
      for (const info of (before?.pods ?? orphans.get(name))?.values() ?? []) place(after, info);
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
      const info = podInfo(pod);
      removePod(uid);
      const node = nodes.get(nodeName);
      if (node) place(node, info);
      else orphans.set(nodeName, (orphans.get(nodeName) ?? new Map()).set(uid, info));
      placed.set(uid, nodeName);
    },
    removePod,
  };
}

function emptyNode(node: Node): Mutable {
  const images = (node.status?.images ?? []).flatMap(({ names, sizeBytes = 0 }) =>
    (names ?? []).map((name) => [name, sizeBytes] as const),
  );
  return {
    node,
    allocatable: new Map(resourceList(node.status?.allocatable)),
    requested: new Map(),
    scoredCpu: 0,
    scoredMemory: 0,
    pods: new Map(),
    withTerms: new Map(),
    images: new Map(images),
  };
}

function place(node: Mutable, info: PodInfo): void {
  const { uid } = info.pod.metadata;
  node.pods.set(uid, info);
  if (info.terms) node.withTerms.set(uid, info);
  count(node, info, 1);
}

function withdraw(node: Mutable, uid: string): void {
  const info = node.pods.get(uid);
  if (!info) return;
  node.pods.delete(uid);
  node.withTerms.delete(uid);
  count(node, info, -1);
}

function count(node: Mutable, info: PodInfo, sign: 1 | -1): void {
  add(node.requested, info.requests, sign);
  node.scoredCpu += sign * info.scoredCpu;
  node.scoredMemory += sign * info.scoredMemory;
}
