/**
 * Node lifecycle: notices nodes that fall silent, says so, and taints them so that Pods move away.
 *
 * Before a node is called lost, its lease is read from the server. Where (almost) all nodes fall
 * silent the fault is likely on this side: then no Pod is driven away. What a taint does to Pods is
 * taint-eviction.ts; which taints, node-taints.ts; when a node was heard of, node-health.ts.
 * https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller
 */
import type { Lister } from "../machinery/client/informer.ts";
import {
  again,
  type Controller,
  defineController,
  done,
  type Outcome,
  type Services,
} from "../machinery/loop/controller.ts";
import { findCondition, isTrue, withCondition } from "../machinery/objects/conditions.ts";
import type { Lease, Node, NodeCondition, Pod } from "../machinery/objects/kinds.ts";
import { isConflict, isNotFound } from "../machinery/objects/status.ts";
import { type Clock, wireTime } from "../machinery/process/clock.ts";
import { sameJson } from "./canonical-json.ts";
import { createNodeHealth, type NodeHealth, signOfLease, signOfNode } from "./node-health.ts";
import { noExecuteKey, taintsOf } from "./node-taints.ts";

type Context = { readonly nodes: Lister<Node>; readonly leases: Lister<Lease>; readonly pods: Lister<Pod> } & Services;

export interface NodeLifecycleOptions {
  readonly clock: Clock;
  /** How long a node may be silent. */
  readonly gracePeriodMs: number;
}

const LEASES = "kube-node-lease";
/** A new node may take longer to speak up for the first time. */
const STARTUP_GRACE_MS = 60_000;
/** A live node is heard of at least this often. */
const ALIVE_MS = 20_000;
/** One node after the other gets the taint that drives Pods away. */
const TAINT_EVERY_MS = 10_000;
const TAINT_EVERY_DISRUPTED_MS = 100_000;
const LARGE_CLUSTER = 50;
const DISRUPTED_SHARE = 0.55;

export function nodeLifecycleController({ clock, gracePeriodMs }: NodeLifecycleOptions): Controller {
  const health = createNodeHealth();
  const pace = createPace();
  return defineController({
    name: "node-controller",
    watches: {
      nodes: (change, listers) => {
        if (change.type === "deleted") health.forget(change.key);
        else health.heard(change.key, "status", signOfNode(change.object), clock.monotonic());
        return keysOfNode(change, listers["nodes"] as unknown as Lister<Node>);
      },
      leases: ({ object, type }, listers) => {
        const { namespace, name } = object.metadata;
        if (namespace !== LEASES || type === "deleted") return [];
        const fresh = health.heard(name, "lease", signOfLease(object), clock.monotonic());
        const node = (listers["nodes"] as unknown as Lister<Node>).get(name);
        return fresh && node && readiness(node) === "Unknown" ? [name] : [];
      },
      pods: () => [],
    },

    async reconcile(name, context: Context): Promise<Outcome> {
      const node = context.nodes.get(name);
      if (!node) return done;
      const now = clock.monotonic();
      if (health.wasStopped(name, now)) return look(name, gracePeriodMs, health, now);

      const grace = findCondition(node.status?.conditions, "Ready")
        ? gracePeriodMs
        : Math.max(gracePeriodMs, STARTUP_GRACE_MS);
      const silent = now - health.lastHeard(name, now);
      const isSilent = silent >= grace;
      if (isSilent && readiness(node) !== "Unknown") {
        if (await spokeMeanwhile(name, health, context)) return look(name, gracePeriodMs, health, now);
        await markLost(node, context);
        return done; // the change that was just written brings the node again, with its taints
      }
      if (isSilent) await markPodsNotReady(name, context);

      const wait = await taint(node, health, pace, context);
      const next = Math.min(isSilent ? Number.POSITIVE_INFINITY : grace - silent, wait ?? Number.POSITIVE_INFINITY);
      return next === Number.POSITIVE_INFINITY ? done : look(name, next, health, now);
    },
  });
}

function look(name: string, ms: number, health: NodeHealth, now: number): Outcome {
  health.due(name, now + ms);
  return again(ms);
}

const readiness = ({ status }: Node): string | undefined => findCondition(status?.conditions, "Ready")?.status;
const isReady = (node: Node) => readiness(node) === "True";

/** A node whose readiness turned may end or begin a disruption: that concerns all others. */
function keysOfNode(
  { key, object, old, type }: { key: string; object: Node; old?: Node; type: string },
  nodes: Lister<Node>,
): string[] {
  if (type === "deleted") return [];
  if (type === "added" || !old) return [key];
  if (isReady(object) !== isReady(old)) return nodes.list().map(({ metadata }) => metadata.name);
  const relevant = ({ spec, status }: Node) => [
    spec?.taints,
    spec?.unschedulable,
    status?.conditions?.map(({ type: one, status: state }) => [one, state]),
  ];
  return sameJson(relevant(object), relevant(old)) ? [] : [key];
}

/** Asks the server for the lease itself: the watch may have been cut, or renewals not be told one by one. */
async function spokeMeanwhile(name: string, health: NodeHealth, { client, clock }: Context): Promise<boolean> {
  const lease = await client.find("leases", { namespace: LEASES, name });
  return lease !== undefined && health.heard(name, "lease", signOfLease(lease), clock.monotonic());
}

const TYPES = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] as const;

async function markLost(node: Node, { client, events, clock, log }: Context): Promise<void> {
  const { name } = node.metadata;
  const conditions = lostConditions(node.status?.conditions, wireTime(clock.now()));
  await client.updateStatus("nodes", { ...node, status: { ...node.status, conditions } });
  log.warn("a node fell silent", { object: name });
  if (isReady(node)) events.normal(node, "NodeNotReady", `Node ${name} status is now: NodeNotReady`);
}

/** All that the kubelet reported is unknown now. */
export function lostConditions(before: readonly NodeCondition[] | undefined, now: string): NodeCondition[] {
  return TYPES.reduce<NodeCondition[]>(
    (conditions, type) => {
      const known = findCondition(conditions, type);
      if (known?.status === "Unknown") return conditions;
      const words = known
        ? { reason: "NodeStatusUnknown", message: "Kubelet stopped posting node status." }
        : { reason: "NodeStatusNeverUpdated", message: "Kubelet never posted node status." };
      const heartbeat = known?.lastHeartbeatTime ? { lastHeartbeatTime: known.lastHeartbeatTime } : {};
      return withCondition(conditions, { type, status: "Unknown", ...words, ...heartbeat }, now);
    },
    [...(before ?? [])],
  );
}

/** Pods of a lost node answer for no Service, whatever their last report said. */
async function markPodsNotReady(name: string, { pods, client, events, clock }: Context): Promise<void> {
  for (const pod of pods.list()) {
    if (pod.spec?.nodeName !== name || !isTrue(pod.status?.conditions, "Ready")) continue;
    const ready = { ...findCondition(pod.status?.conditions, "Ready"), type: "Ready", status: "False" };
    const conditions = withCondition(pod.status?.conditions, ready, wireTime(clock.now()));
    try {
      await client.updateStatus("pods", { ...pod, status: { ...pod.status, conditions } });
      events.warning(pod, "NodeNotReady", "Node is not ready");
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
}

/** none: nodes fall out one by one. partial: so many that it may be us. full: nobody answers. */
type Disruption = "none" | "partial" | "full";

export function disruptionOf(nodes: readonly Node[], othersAlive: boolean): Disruption {
  const lost = nodes.filter((node) => !isReady(node)).length;
  if (lost === nodes.length || !othersAlive) return "full";
  return lost > 2 && lost / nodes.length >= DISRUPTED_SHARE ? "partial" : "none";
}

/** Milliseconds between two nodes that get the taint which drives Pods away. */
export function taintEvery(disruption: Disruption, nodes: number): number {
  if (disruption === "none") return TAINT_EVERY_MS;
  return disruption === "partial" && nodes > LARGE_CLUSTER ? TAINT_EVERY_DISRUPTED_MS : Number.POSITIVE_INFINITY;
}

/** Takes turns: 0 for who may go now, otherwise the milliseconds to wait. */
function createPace(): (everyMs: number, now: number) => number {
  let last = Number.NEGATIVE_INFINITY;
  return (everyMs, now) => {
    if (everyMs === Number.POSITIVE_INFINITY) return everyMs;
    const wait = Math.max(0, last + everyMs - now);
    if (wait === 0) last = now;
    return wait;
  };
}

/** Brings the node's taints in line. Returns when to look again where the one that drives Pods away must wait. */
async function taint(
  node: Node,
  health: NodeHealth,
  pace: ReturnType<typeof createPace>,
  { nodes, client, clock }: Context,
): Promise<number | undefined> {
  const now = clock.monotonic();
  const all = nodes.list();
  const wanted = noExecuteKey(node);
  const has = node.spec?.taints?.some(({ key, effect }) => effect === "NoExecute" && key === wanted) ?? false;
  const disruption = disruptionOf(all, health.anyOther(node.metadata.name, now - ALIVE_MS));
  const wait = !wanted || has ? 0 : pace(taintEvery(disruption, all.length), now);
  const noExecute = disruption !== "full" && wait === 0 ? wanted : undefined;

  const taints = taintsOf(node, noExecute, wireTime(clock.now()));
  if (!sameJson(taints, node.spec?.taints ?? [])) {
    const { name, uid, resourceVersion } = node.metadata;
    await client.patch("nodes", { name }, { metadata: { uid, resourceVersion }, spec: { taints } });
  }
  const mayEnd = wanted !== undefined && disruption === "full" && all.some(isReady);
  return mayEnd ? ALIVE_MS : wait > 0 && wait < Number.POSITIVE_INFINITY ? wait : undefined;
}
