/**
 * NodeResourcesFit: room for the Pod's requests, and which nodes to fill first.
 *
 * LeastAllocated likes empty nodes, MostAllocated full ones, RequestedToCapacityRatio goes by a line of points.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/resource-bin-packing/
 */
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Cluster } from "../cluster.ts";
import { type NodeFilter, type Plugin, type Refused, refused, refusedForGood } from "../framework.ts";
import type { PodInfo } from "../pod-info.ts";
import type { NodeInfo } from "../snapshot.ts";

export interface FitArgs {
  readonly ignoredResources?: readonly string[];
  readonly ignoredResourceGroups?: readonly string[];
  readonly scoringStrategy?: {
    readonly type?: Strategy;
    readonly resources?: readonly WeightedResource[];
    readonly requestedToCapacityRatio?: { readonly shape?: readonly Point[] };
  };
}

export interface WeightedResource {
  readonly name: string;
  readonly weight?: number;
}

/** Utilization in percent ► score from 0 to 10. */
interface Point {
  readonly utilization: number;
  readonly score: number;
}

export const CPU_AND_MEMORY: readonly WeightedResource[] = [{ name: "cpu" }, { name: "memory" }];
const ALWAYS_COUNTED = "pods";

export const nodeResourcesFit = (args: FitArgs): Plugin => {
  const { type = "LeastAllocated", resources = CPU_AND_MEMORY, requestedToCapacityRatio } = args.scoringStrategy ?? {};
  const likes = STRATEGIES[type](requestedToCapacityRatio?.shape ?? []);
  const answer = createAnswers();
  return {
    name: "NodeResourcesFit",
    hints: [
      { on: "node-added", helps: (pod, { object }) => !object || mayHold(pod, object as Node) },
      "node-room",
      { on: "pod-gone", helps: (pod, { object }, cluster) => leavesRoom(pod, object as Pod | undefined, cluster) },
      "pod-smaller",
    ],
    preFilter: (pod) => fitting(pod, args, answer),
    preScore: (pod) => ({ local: true, score: (node) => scoreOf(node, pod, resources, likes) }),
  };
};

type Answer = (lack: Lack) => Refused;

/** One value for all nodes with the same lack, also from Pod to Pod. */
function createAnswers(): Answer {
  const answers = new Map<string, Refused>();
  return ({ reasons, never }) => {
    const id = `${never} ${reasons.join()}`;
    const known = answers.get(id) ?? (never ? refusedForGood : refused)(...reasons);
    if (answers.size >= limits.schedulerAnswers) answers.clear();
    answers.set(id, known);
    return known;
  };
}

function fitting(
  { requests }: PodInfo,
  { ignoredResources = [], ignoredResourceGroups = [] }: FitArgs,
  answer: Answer,
): NodeFilter {
  const ignored = (name: string) =>
    ignoredResources.includes(name) || ignoredResourceGroups.includes(name.split("/")[0] as string);
  const wanted = [...requests].filter(([name, amount]) => amount > 0 && !ignored(name));
  return {
    local: true,
    check(node: NodeInfo): Refused | undefined {
      const lack = lacking(node, wanted);
      return lack && answer(lack);
    },
  };
}

interface Lack {
  readonly reasons: readonly string[];
  /** Even an empty node would not do. */
  readonly never: boolean;
}

/** Whether there is room for the Pod beside those that are to come. */
function hasRoom({ allocatable, requested, pods }: NodeInfo, pod: PodInfo, coming: readonly PodInfo[]): boolean {
  if (pods.size + coming.length + 1 > (allocatable.get(ALWAYS_COUNTED) ?? 0)) return false;
  for (const [name, amount] of pod.requests) {
    if (amount === 0) continue;
    let left = (allocatable.get(name) ?? 0) - (requested.get(name) ?? 0);
    for (const { requests } of coming) left -= requests.get(name) ?? 0;
    if (amount > left) return false;
  }
  return true;
}

function lacking(node: NodeInfo, wanted: Iterable<readonly [string, number]>): Lack | undefined {
  const { allocatable, requested } = node;
  let reasons: string[] | undefined;
  let never = false;
  if (node.pods.size + 1 > (allocatable.get(ALWAYS_COUNTED) ?? 0)) reasons = ["Too many pods"];
  for (const [name, amount] of wanted) {
    const all = allocatable.get(name) ?? 0;
    if (amount === 0 || amount <= all - (requested.get(name) ?? 0)) continue;
    reasons ??= [];
    reasons.push(`Insufficient ${name}`);
    never ||= amount > all;
  }
  return reasons && { reasons, never };
}

function mayHold({ requests }: PodInfo, { status }: Node): boolean {
  for (const [name, amount] of requests) if (amount > 0 && !status?.allocatable?.[name]) return false;
  return true;
}

type Strategy = "LeastAllocated" | "MostAllocated" | "RequestedToCapacityRatio";
/** Whether the Pod fits where another has left, beside those for whom the room was made. */
function leavesRoom(pod: PodInfo, gone: Pod | undefined, cluster: Cluster): boolean {
  const name = gone?.spec?.nodeName;
  if (!name) return true;
  const node = cluster.node(name);
  if (!node || !hasRoom(node, pod, NOBODY)) return false;
  const nominated = cluster.nominations.on(name);
  if (nominated.length === 0) return true;
  const { uid } = pod.pod.metadata;
  const coming = nominated.filter((other) => other.priority >= pod.priority && other.pod.metadata.uid !== uid);
  return coming.length === 0 || hasRoom(node, pod, coming);
}

const NOBODY: readonly PodInfo[] = [];

interface Liking {
  (requested: number, allocatable: number): number;
  /** A resource that scores 0 draws the others down. */
  readonly countsNothing: boolean;
}

const STRATEGIES: Readonly<Record<Strategy, (shape: readonly Point[]) => Liking>> = {
  LeastAllocated: () =>
    liking(true, (requested, all) => (requested > all ? 0 : Math.floor(((all - requested) * 100) / all))),
  MostAllocated: () => liking(true, (requested, all) => Math.floor((Math.min(requested, all) * 100) / all)),
  RequestedToCapacityRatio: (shape) =>
    liking(false, (requested, all) => along(shape, requested > all ? 100 : Math.floor((requested * 100) / all))),
};

const liking = (countsNothing: boolean, likes: (requested: number, allocatable: number) => number): Liking =>
  Object.assign(likes, { countsNothing });

/** The height of the line through the points, from 0 to 100. */
function along(shape: readonly Point[], at: number): number {
  const next = shape.findIndex(({ utilization }) => at <= utilization);
  if (next < 0) return (shape.at(-1)?.score ?? 0) * 10;
  const to = shape[next] as Point;
  const from = shape[next - 1];
  if (!from) return to.score * 10;
  const rise = (to.score - from.score) * 10;
  return from.score * 10 + Math.trunc((rise * (at - from.utilization)) / (to.utilization - from.utilization));
}

function scoreOf(node: NodeInfo, pod: PodInfo, resources: readonly WeightedResource[], likes: Liking): number {
  let [sum, weights] = [0, 0];
  for (const { name, weight = 1 } of resources) {
    const all = node.allocatable.get(name) ?? 0;
    if (all === 0) continue;
    const requested = SCORED[name]?.(node, pod) ?? asked(node, pod, name);
    if (requested === undefined) continue;
    const score = likes(requested, all);
    if (score === 0 && !likes.countsNothing) continue;
    sum += score * weight;
    weights += weight;
  }
  return weights === 0 ? 0 : Math.floor(sum / weights + (likes.countsNothing ? 0 : 0.5));
}

/** Containers that ask for no CPU or memory count with a floor, so that such Pods are spread too. */
const SCORED: Readonly<Record<string, (node: NodeInfo, pod: PodInfo) => number>> = {
  cpu: (node, pod) => node.scoredCpu + pod.scoredCpu,
  memory: (node, pod) => node.scoredMemory + pod.scoredMemory,
};

/** Other resources matter to Pods that ask for them. */
function asked(node: NodeInfo, pod: PodInfo, name: string): number | undefined {
  const own = pod.requests.get(name);
  return own ? own + (node.requested.get(name) ?? 0) : undefined;
}
