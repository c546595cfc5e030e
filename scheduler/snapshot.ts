/**
 * Snapshot: every node with what its Pods use, changed step by step and never built anew.
 *
 * A Pod that was given a node counts at once (assumed), before the API server has confirmed it,
 * or two Pods would be given the same room. Terminal Pods use nothing. What is counted across nodes
 * is in pod-index.ts, which hears of each Pod that comes and goes.
 */
import type { Node, Pod } from "../machinery/objects/kinds.ts";
import type { Cluster, Listers } from "./cluster.ts";
import { createNominations, type NominationBook } from "./nominations.ts";
import { createPodIndex } from "./pod-index.ts";
import { add, asksTheSame, type PodInfo, podInfo, type Resources, resourceList } from "./pod-info.ts";
import { sameStrings, sameTaints } from "./same.ts";

export interface NodeInfo {
  readonly name: string;
  readonly node: Node;
  /** Grows with every change of the node, of its Pods or of those nominated for it; never the same for two states of any nodes. */
  readonly generation: number;
  /** A small number that no other node has while this one is there. */
  readonly slot: number;
  /** A taint says that Pods had better not go there. */
  readonly disliked: boolean;
  readonly allocatable: Resources;
  readonly requested: ReadonlyMap<string, number>;
  readonly scoredCpu: number;
  readonly scoredMemory: number;
  /** By uid. */
  readonly pods: ReadonlyMap<string, PodInfo>;
  /** Those of them that use ports of the node. */
  readonly withPorts: ReadonlyMap<string, PodInfo>;
  /** Name of an image here ► its size in bytes. */
  readonly images: ReadonlyMap<string, number>;
}

export type MutableNodeInfo = {
  -readonly [K in keyof NodeInfo]: NodeInfo[K] extends ReadonlyMap<infer A, infer B> ? Map<A, B> : NodeInfo[K];
};

export interface Snapshot {
  readonly cluster: Cluster;
  readonly nominations: NominationBook;
  setNode(node: Node): void;
  removeNode(name: string): void;
  /** A Pod with spec.nodeName, as the API shows it. */
  setPod(pod: Pod, nodeName: string): void;
  /** A Pod that has just been given the node. */
  assume(info: PodInfo, nodeName: string): void;
  /** False where there is no such Pod. */
  removePod(uid: string): boolean;
}

export function createSnapshot(listers: Listers): Snapshot {
  const nodes = new Map<string, MutableNodeInfo>();
  /** Pods of nodes that are not known (yet): "nodeName" ► uid ► Pod. */
  const orphans = new Map<string, Map<string, PodInfo>>();
  const placed = new Map<string, string>();
  const images = new Map<string, number>();
  const claims = new Map<string, number>();
  /** Priority ► how many placed Pods have it. */
  const priorities = new Map<number, number>();
  let listed: readonly NodeInfo[] | undefined;
  const generations: number[] = [];
  let generation = 0;
  let dislikedNodes = 0;
  let listedSlots: readonly number[] = [];
  let slots = 0;
  const freeSlots: number[] = [];
  const nominations = createNominations((name) => {
    const node = nodes.get(name);
    if (node) touch(node);
  });

  const cluster: Cluster = {
    get nodes() {
      return list();
    },
    get slots() {
      list();
      return listedSlots;
    },
    generations,
    get dislikedNodes() {
      return dislikedNodes;
    },
    node: (name) => nodes.get(name),
    listers,
    pods: createPodIndex(() => nodes.values(), listers),
    nominations,
    nodesWithImage: (image) => images.get(image) ?? 0,
    hasPodsBelow: (priority) => priorities.keys().some((one) => one < priority),
    usersOf: (claim) => claims.get(claim) ?? 0,
  };
  const index = cluster.pods;

  function list(): readonly NodeInfo[] {
    if (listed) return listed;
    listed = inTurns([...nodes.values()]);
    listedSlots = listed.map(({ slot }) => slot);
    return listed;
  }

  function touch(node: MutableNodeInfo): void {
    node.generation = ++generation;
    generations[node.slot] = generation;
  }

  function place(node: MutableNodeInfo, info: PodInfo): void {
    putPod(node, info);
    touch(node);
    index.came(info, node);
  }

  function withdraw(node: MutableNodeInfo, uid: string): void {
    const info = takePod(node, uid);
    if (!info) return;
    touch(node);
    index.left(info, node);
  }

  function put(info: PodInfo, nodeName: string): void {
    const { uid } = info.pod.metadata;
    removePod(uid);
    const node = nodes.get(nodeName);
    if (node) place(node, info);
    else orphans.set(nodeName, (orphans.get(nodeName) ?? new Map()).set(uid, info));
    placed.set(uid, nodeName);
    for (const claim of info.claims) count(claims, claim, 1);
    count(priorities, info.priority, 1);
  }

  function removePod(uid: string): boolean {
    const nodeName = placed.get(uid);
    if (nodeName === undefined) return false;
    placed.delete(uid);
    const node = nodes.get(nodeName);
    const pods = orphans.get(nodeName);
    const info = (node?.pods ?? pods)?.get(uid);
    for (const claim of info?.claims ?? []) count(claims, claim, -1);
    if (info) count(priorities, info.priority, -1);
    if (node) withdraw(node, uid);
    else {
      pods?.delete(uid);
      if (pods?.size === 0) orphans.delete(nodeName);
    }
    return true;
  }

  /** What is known of a node changes; where it stands in topologies, its Pods come there anew. */
  function change(info: MutableNodeInfo, node: Node): void {
    const moves = !sameStrings(info.node.metadata.labels, node.metadata.labels) || !sameTaints(info.node, node);
    const grows = !sameStrings(info.node.status?.allocatable, node.status?.allocatable);
    const before = info.images;
    if (moves) index.nodeLeft(info);
    if (zoneOf(info.node) !== zoneOf(node)) listed = undefined;
    info.node = node;
    if (info.disliked) dislikedNodes--;
    info.disliked = isDisliked(node);
    if (info.disliked) dislikedNodes++;
    if (grows) info.allocatable = resourceList(node.status?.allocatable);
    info.images = imagesOf(node);
    for (const image of before.keys()) if (!info.images.has(image)) count(images, image, -1);
    for (const image of info.images.keys()) if (!before.has(image)) count(images, image, 1);
    if (moves) index.nodeCame(info);
    if (moves || grows) touch(info);
  }

  return {
    cluster,
    nominations,
    setNode(node) {
      const { name } = node.metadata;
      const known = nodes.get(name);
      if (known) return change(known, node);
      const info = emptyNode(node, freeSlots.pop() ?? slots++);
      touch(info);
      if (info.disliked) dislikedNodes++;
      nodes.set(name, info);
      listed = undefined;
      for (const image of info.images.keys()) count(images, image, 1);
      index.nodeCame(info);
      for (const pod of orphans.get(name)?.values() ?? []) place(info, pod);
      orphans.delete(name);
    },
    removeNode(name) {
      const info = nodes.get(name);
      if (!info) return;
      index.nodeLeft(info);
      for (const image of info.images.keys()) count(images, image, -1);
      nodes.delete(name);
      freeSlots.push(info.slot);
      if (info.disliked) dislikedNodes--;
      if (info.pods.size) orphans.set(name, info.pods);
      listed = undefined;
    },
    setPod(pod, nodeName) {
      const { uid } = pod.metadata;
      const known = placed.get(uid) === nodeName ? nodes.get(nodeName)?.pods.get(uid) : undefined;
      if (known && asksTheSame(known.pod, pod)) (known as { pod: Pod }).pod = pod;
      else put(podInfo(pod), nodeName);
    },
    assume: put,
    removePod,
  };
}

/** A copy in which Pods may come and go in thought: `putPod` and `takePod` alone. */
export const copyOf = (info: NodeInfo): MutableNodeInfo => ({
  ...info,
  allocatable: info.allocatable as Map<string, number>,
  images: info.images as Map<string, number>,
  requested: new Map(info.requested),
  pods: new Map(info.pods),
  withPorts: new Map(info.withPorts),
});

export function putPod(node: MutableNodeInfo, info: PodInfo): void {
  const { uid } = info.pod.metadata;
  node.pods.set(uid, info);
  if (info.hostPorts.length > 0) node.withPorts.set(uid, info);
  use(node, info, 1);
}

export function takePod(node: MutableNodeInfo, uid: string): PodInfo | undefined {
  const info = node.pods.get(uid);
  if (!info) return undefined;
  node.pods.delete(uid);
  node.withPorts.delete(uid);
  use(node, info, -1);
  return info;
}

function use(node: MutableNodeInfo, info: PodInfo, sign: 1 | -1): void {
  add(node.requested, info.requests, sign);
  node.scoredCpu += sign * info.scoredCpu;
  node.scoredMemory += sign * info.scoredMemory;
}

function emptyNode(node: Node, slot: number): MutableNodeInfo {
  return {
    name: node.metadata.name,
    node,
    generation: 0,
    slot,
    disliked: isDisliked(node),
    allocatable: resourceList(node.status?.allocatable),
    requested: new Map(),
    scoredCpu: 0,
    scoredMemory: 0,
    pods: new Map(),
    withPorts: new Map(),
    images: imagesOf(node),
  };
}

const isDisliked = ({ spec }: Node): boolean =>
  (spec?.taints ?? []).some(({ effect }) => effect === "PreferNoSchedule");

function imagesOf({ status }: Node): Map<string, number> {
  const images = new Map<string, number>();
  for (const { names, sizeBytes = 0 } of status?.images ?? [])
    for (const name of names ?? []) images.set(name, sizeBytes);
  return images;
}

function count<K>(counts: Map<K, number>, key: K, by: 1 | -1): void {
  const now = (counts.get(key) ?? 0) + by;
  if (now === 0) counts.delete(key);
  else counts.set(key, now);
}

const zoneOf = ({ metadata: { labels } }: Node): string =>
  `${labels?.["topology.kubernetes.io/region"] ?? ""}/${labels?.["topology.kubernetes.io/zone"] ?? ""}`;

/** One node of each zone in turn: whoever asks only some of them asks in all zones. */
function inTurns(nodes: readonly NodeInfo[]): readonly NodeInfo[] {
  const zones = [...Map.groupBy(nodes, ({ node }) => zoneOf(node)).values()];
  if (zones.length <= 1) return nodes;
  const longest = Math.max(...zones.map(({ length }) => length));
  return Array.from({ length: longest }, (_, n) => zones.flatMap((zone) => zone[n] ?? [])).flat();
}
