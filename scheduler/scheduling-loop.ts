/**
 * Scheduling loop: takes Pods from the queue one by one and decides; what follows goes on beside it.
 *
 * A decided Pod counts on its node at once. A Pod stays in the queue, taken, until the informer shows
 * it with a node or gone: an older copy that arrives late must not bring it back. No Pod may stop the
 * loop: what a plugin throws is told of that Pod. What is written is in placement.ts.
 */
import type { Client } from "../machinery/client/client.ts";
import type { Change } from "../machinery/client/informer.ts";
import type { Informers } from "../machinery/client/shared-informers.ts";
import { breather } from "../machinery/loop/breathe.ts";
import type { Events } from "../machinery/loop/events-recorder.ts";
import type { Node, Pod } from "../machinery/objects/kinds.ts";
import type { StoredObject } from "../machinery/objects/wire.ts";
import type { Clock } from "../machinery/process/clock.ts";
import { limits } from "../machinery/process/limits.ts";
import type { Logger } from "../machinery/process/logging.ts";
import { LOOKED_UP, type LookedUp, listersOf } from "./cluster.ts";
import { type Decision, decide, failureMessage, type Plugins } from "./framework.ts";
import { type Happening, nodeHappenings, podHappenings } from "./happenings.ts";
import { createPlacement } from "./placement.ts";
import { defaultPlugins } from "./plugins/plugins.ts";
import { podInfo } from "./pod-info.ts";
import { createSchedulingQueue, type Queued } from "./queue.ts";
import type { AttemptResult, SchedulerMetrics } from "./scheduler-metrics.ts";
import { createSnapshot } from "./snapshot.ts";

export interface SchedulingOptions {
  readonly client: Client;
  readonly informers: Informers;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly schedulerName: string;
  readonly plugins?: Plugins;
  readonly metrics?: SchedulerMetrics | undefined;
}

/** Resolves when the signal has aborted and nothing is being written any more. */
export async function runScheduling(options: SchedulingOptions): Promise<void> {
  const { informers, clock, log, signal, schedulerName, plugins = defaultPlugins, metrics } = options;
  const queue = createSchedulingQueue(clock);
  metrics?.watch(queue);
  const snapshot = createSnapshot();
  const pods = informers.of("pods");
  const nodes = informers.of("nodes");
  const listers = listersOf(informers);
  const placement = createPlacement({ ...options, queue, snapshot, pods });
  const writing = new Set<Promise<void>>();
  const breathe = breather(clock);

  const stop = [
    nodes.subscribe(onNode),
    pods.subscribe(onPod),
    ...LOOKED_UP.map((resource) => informers.of(resource).subscribe((change) => onOther(resource, change))),
  ];
  try {
    await informers.synced(signal);
    while (!signal.aborted) {
      const next = queue.take();
      if (next) write(scheduleOne(next));
      else await queue.ready(signal);
      if (writing.size >= limits.schedulerWrites) await Promise.race(writing);
      await breathe();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    for (const unsubscribe of stop) unsubscribe();
    await Promise.all(writing);
  }

  async function scheduleOne({ pod, cause }: Queued): Promise<void> {
    const started = clock.monotonic();
    const result = await place({ pod, cause }, started);
    metrics?.attempted(result, (clock.monotonic() - started) / 1000);
  }

  async function place({ pod, cause }: Queued, started: number): Promise<AttemptResult> {
    let decision: Decision;
    try {
      const cluster = { nodes: snapshot.nodes(), listers };
      decision = decide(podInfo(pod), cluster, plugins, () => clock.random());
    } catch (error) {
      const { namespace, name } = pod.metadata;
      log.error("a Pod could not be judged", { object: `pods/${namespace}/${name}`, error });
      await placement.fail(pod, cause, (error as Error).message);
      return "error";
    }
    metrics?.decided((clock.monotonic() - started) / 1000);
    if (decision.node === undefined) {
      await placement.refuse(pod, cause, failureMessage(decision), decision.helpedBy);
      return "unschedulable";
    }
    snapshot.setPod(pod, decision.node);
    return (await placement.bind(pod, cause, decision.node)) ? "scheduled" : "error";
  }

  function write(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => log.error("a decision was not carried out", { error }))
      .finally(() => writing.delete(tracked));
    writing.add(tracked);
  }

  function onNode({ type, object, old }: Change<Node>): void {
    const { name, resourceVersion } = object.metadata;
    if (type === "deleted") {
      snapshot.removeNode(name);
      queue.wake(["node-gone"], resourceVersion);
    } else {
      snapshot.setNode(object);
      queue.wake(nodeHappenings(old, object), resourceVersion);
    }
  }

  function onPod({ type, object, old }: Change<Pod>): void {
    const { uid, resourceVersion } = object.metadata;
    const nodeName = object.spec?.nodeName;
    if (type === "deleted" || isTerminal(object)) {
      queue.remove(uid);
      if (snapshot.removePod(uid)) queue.wake(["pod-gone"], resourceVersion);
    } else if (nodeName) {
      queue.remove(uid);
      snapshot.setPod(object, nodeName);
      queue.wake(podHappenings(old, object), resourceVersion);
    } else if (isOurs(object, schedulerName)) queue.put(object);
    else queue.remove(uid);
  }

  function onOther(resource: LookedUp, { object }: Change<StoredObject>): void {
    queue.wake(HELPS[resource] ?? [], object.metadata.resourceVersion);
  }
}

/** What a change of an object may help; Services and controllers only make one node better than another. */
const HELPS: Readonly<Partial<Record<LookedUp, readonly Happening[]>>> = {
  namespaces: ["namespaces"],
  persistentvolumeclaims: ["volumes"],
  persistentvolumes: ["volumes"],
  storageclasses: ["volumes"],
};

const isTerminal = ({ status }: Pod) => status?.phase === "Succeeded" || status?.phase === "Failed";

/** Ours to place now: our name on it, no gates, not on its way out. */
function isOurs({ spec, metadata }: Pod, schedulerName: string): boolean {
  return (
    (spec?.schedulerName ?? "default-scheduler") === schedulerName &&
    !spec?.schedulingGates?.length &&
    !metadata.deletionTimestamp
  );
}
