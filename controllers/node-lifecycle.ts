/**
 * Node lifecycle: notices nodes that fall silent, says so, and taints them so that Pods move away.
 *
 * Before a node is called lost, its lease is read from the server. Where all nodes fall silent the
 * fault is likely on this side: then no Pod is driven away. What a taint does to Pods is taint-eviction.ts;
 * which taints, node-taints.ts; when a node was heard of, node-health.ts; how fast zones lose their Pods, node-zones.ts.
 * https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller
 */
import type { Change, Lister } from "../machinery/client/informer.ts";
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
import { drivesAway, noExecuteKey, taintsOf } from "./node-taints.ts";
import { createNodeZones, createPace, type EvictionRates, type NodeZones, taintEvery } from "./node-zones.ts";

type Context = { readonly nodes: Lister<Node>; readonly leases: Lister<Lease>; readonly pods: Lister<Pod> } & Services;

export interface NodeLifecycleOptions {
  readonly clock: Clock;
  /** How long a node may be silent. */
  readonly gracePeriodMs: number;
  readonly rates: EvictionRates;
}

const LEASES = "kube-node-lease";
/** A new node may take longer to speak up for the first time. */
const STARTUP_GRACE_MS = 60_000;
/** A live node is heard of at least this often. */
const ALIVE_MS = 20_000;

export function nodeLifecycleController({ clock, gracePeriodMs, rates }: NodeLifecycleOptions): Controller {
  const health = createNodeHealth();
  const zones = createNodeZones(rates);
  const pace = createPace();
  /** Nodes that were looked at, as they were: what an Event about a node that is gone names. */
  const known = new Map<string, Node>();
  const startedAt = clock.now();
  return defineController({
    name: "node-controller",
    watches: {
      nodes: (change) => {
        if (change.type === "deleted") health.forget(change.key);
        else health.heard(change.key, "status", signOfNode(change.object), clock.monotonic());
        return [...keysOfNode(change), ...zones.note(change)];
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
      tellOfMembers(name, node, known, startedAt, context);
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

      const wait = await taint(node, { health, zones, pace, rates }, context);
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

function keysOfNode({ key, object, old, type }: Change<Node>): string[] {
  if (type !== "updated" || !old) return [key];
  const relevant = ({ spec, status, metadata }: Node) => [
    spec?.taints,
    spec?.unschedulable,
    metadata.labels,
    status?.conditions?.map(({ type: one, status: state }) => [one, state]),
  ];
  return sameJson(relevant(object), relevant(old)) ? [] : [key];
}

/** Says when a node comes and when it goes. What was there before this process is no news. */
function tellOfMembers(
  name: string,
  node: Node | undefined,
  known: Map<string, Node>,
  startedAt: number,
  { events }: Context,
): void {
  const before = known.get(name);
  if (before && before.metadata.uid !== node?.metadata.uid)
    events.normal(before, "RemovingNode", `Node ${name} event: Removing Node ${name} from Controller`);
  if (!node) {
    known.delete(name);
    return;
  }
  const created = Date.parse(node.metadata.creationTimestamp);
  // times are whole seconds: in the second of the start, a node that has its addresses is not a new one
  const isNew = created > startedAt || (created > startedAt - 1000 && !node.spec?.podCIDR);
  if (isNew && before?.metadata.uid !== node.metadata.uid)
    events.normal(node, "RegisteredNode", `Node ${name} event: Registered Node ${name} in Controller`);
  known.set(name, node);
}

/** Asks the server for the lease itself: the watch may have been cut, or renewals not be told one by one. */
async function spokeMeanwhile(name: string, health: NodeHealth, { client, clock }: Context): Promise<boolean> {
  const lease = await client.find("leases", { namespace: LEASES, name });
  return lease !== undefined && health.heard(name, "lease", signOfLease(lease), clock.monotonic());
}

const TYPES = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] as const;

async function markLost(node: Node, { client, events, clock, log }: Context): Promise<void> {
  const { name } = node.metadata;
  const conditions = lostConditions(node, wireTime(clock.now()));
  await client.updateStatus("nodes", { ...node, status: { ...node.status, conditions } });
  log.warn("a node fell silent", { object: name });
  if (isReady(node)) events.normal(node, "NodeNotReady", `Node ${name} status is now: NodeNotReady`);
}

/** All that the kubelet reported is unknown now. */
export function lostConditions({ metadata, status }: Node, now: string): NodeCondition[] {
  const before = status?.conditions ?? [];
  return TYPES.reduce<NodeCondition[]>(
    (conditions, type) => {
      const known = findCondition(conditions, type);
      if (known?.status === "Unknown") return conditions;
      const words = known
        ? { reason: "NodeStatusUnknown", message: "Kubelet stopped posting node status." }
        : { reason: "NodeStatusNeverUpdated", message: "Kubelet never posted node status." };
      const lastHeartbeatTime = known ? known.lastHeartbeatTime : metadata.creationTimestamp;
      const heartbeat = lastHeartbeatTime ? { lastHeartbeatTime } : {};
      return withCondition(conditions, { type, status: "Unknown", ...words, ...heartbeat }, now);
    },
    [...before],
  );
}

/** Pods of a lost node answer for no Service, whatever their last report said. */
async function markPodsNotReady(name: string, { pods, client, events, clock }: Context): Promise<void> {
  for (const pod of pods.placedOn(name)) {
    if (!isTrue(pod.status?.conditions, "Ready")) continue;
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

interface Cluster {
  readonly health: NodeHealth;
  readonly zones: NodeZones;
  readonly pace: ReturnType<typeof createPace>;
  readonly rates: EvictionRates;
}

/** Brings the node's taints in line. Returns when to look again where the one that drives Pods away must wait. */
async function taint(
  node: Node,
  { health, zones, pace, rates }: Cluster,
  { client, clock }: Context,
): Promise<number | undefined> {
  const now = clock.monotonic();
  const wanted = noExecuteKey(node);
  // all others silent too: that is no reason to move Pods, and where would they go
  const stopped = wanted !== undefined && (zones.allFull() || !health.anyOther(node.metadata.name, now - ALIVE_MS));
  const { zone, disruption, nodes } = zones.stateOf(node);
  const waits = wanted !== undefined && !stopped && !drivesAway(node);
  const wait = waits ? pace(zone, taintEvery(disruption, nodes, rates), now) : 0;

  const taints = taintsOf(node, stopped || wait > 0 ? undefined : wanted, wireTime(clock.now()));
  const labels = labelsOf(node);
  if (labels || !sameJson(taints, node.spec?.taints ?? [])) {
    const { name, uid, resourceVersion } = node.metadata;
    const metadata = { uid, resourceVersion, ...(labels ? { labels } : {}) };
    await client.patch("nodes", { name }, { metadata, spec: { taints: taints.length > 0 ? taints : null } });
  }
  if (stopped) return zones.allFull() ? undefined : ALIVE_MS;
  return wait > 0 && wait < Number.POSITIVE_INFINITY ? wait : undefined;
}

/** Labels of old names follow those of new names. */
const LABELS = [
  ["kubernetes.io/os", "beta.kubernetes.io/os"],
  ["kubernetes.io/arch", "beta.kubernetes.io/arch"],
] as const;

/** What is to be changed; undefined when nothing is. */
export function labelsOf({ metadata: { labels = {} } }: Node): Record<string, string> | undefined {
  const wrong = LABELS.flatMap(([source, copy]) => {
    const value = labels[source];
    return value !== undefined && labels[copy] !== value ? [[copy, value] as const] : [];
  });
  return wrong.length > 0 ? Object.fromEntries(wrong) : undefined;
}
