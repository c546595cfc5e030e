/**
 * Scheduling loop: takes Pods from the queue one by one, decides, and binds in the background.
 *
 * A decided Pod counts on its node at once; when the binding fails it is forgotten again. One Pod
 * is never bound twice: the API server refuses the second binding. What was decided for a Pod last
 * is kept for a while: see verdicts.
 */
import type { Client } from "../machinery/client/client.ts";
import type { Change } from "../machinery/client/informer.ts";
import type { Informers } from "../machinery/client/shared-informers.ts";
import type { Events } from "../machinery/loop/events-recorder.ts";
import type { Node, Pod, PodCondition } from "../machinery/objects/kinds.ts";
import { isConflict, isNotFound } from "../machinery/objects/status.ts";
import { type Clock, wireTime } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import { type Decision, decide, failureMessage } from "./framework.ts";
import { filters, scorers } from "./plugins/plugins.ts";
import { podInfo } from "./pod-info.ts";
import { createSchedulingQueue, type Queued } from "./queue.ts";
import { createSnapshot } from "./snapshot.ts";

export interface SchedulingOptions {
  readonly client: Client;
  readonly informers: Informers;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly schedulerName: string;
}

/** Resolves when the signal aborts and no binding is under way. */
export async function runScheduling(options: SchedulingOptions): Promise<void> {
  const { informers, clock, log, signal, schedulerName } = options;
  const queue = createSchedulingQueue(clock);
  const snapshot = createSnapshot();
  const binding = new Set<Promise<void>>();
  const pods = informers.of("pods");
  const nodes = informers.of("nodes");

  const stop = [nodes.subscribe(onNode), pods.subscribe(onPod)];
  try {
    await Promise.all([nodes.synced(signal), pods.synced(signal)]);
    for (;;) {
      const next = await queue.take(signal);
      await scheduleOne(next);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    for (const unsubscribe of stop) unsubscribe();
    await Promise.all(binding);
  }

  function onNode({ type, object, old }: Change<Node>): void {
    if (type === "deleted") snapshot.removeNode(object.metadata.name);
    else snapshot.setNode(object);
    if (type !== "deleted" && (!old || mayTakeMore(old, object))) queue.wake(object.metadata.resourceVersion);
  }

  function onPod({ type, key, object }: Change<Pod>): void {
    const { nodeName } = object.spec ?? {};
    const over = type === "deleted" || isTerminal(object);
    if (over || nodeName) queue.remove(key);
    if (over) {
      snapshot.removePod(object.metadata.uid);
      if (nodeName) queue.wake(object.metadata.resourceVersion);
    } else if (nodeName) snapshot.setPod(object, nodeName);
    else if (isOurs(object, schedulerName)) queue.put(object);
    else queue.remove(key);
  }

  async function scheduleOne({ pod, cause }: Queued): Promise<void> {
    const decision = decide(podInfo(pod), snapshot.nodes(), filters, scorers, () => clock.random());
    if (decision.node === undefined) {
      queue.failed(pod);
      return track(refuse(pod, cause, decision));
    }
    snapshot.setPod(pod, decision.node);
    track(bind(pod, cause, decision.node));
  }

  /** Bindings go on beside the loop; their number is bounded by the Pods that wait. */
  function track(work: Promise<void>): void {
    binding.add(work);
    work.finally(() => binding.delete(work));
  }

  async function bind(pod: Pod, cause: string, node: string): Promise<void> {
    const { name, namespace = "", uid } = pod.metadata;
    try {
      const client = options.client.because({ revision: cause, controller: schedulerName });
      await client.createSub("pods", { name, namespace }, "binding", bindingOf(pod, node));
      queue.remove(`${namespace}/${name}`);
      recorder(cause).normal(pod, "Scheduled", `Successfully assigned ${namespace}/${name} to ${node}`);
    } catch (error) {
      const current = pods.get(`${namespace}/${name}`);
      if (current?.metadata.uid !== uid || !current.spec?.nodeName) snapshot.removePod(uid);
      // Gone, or bound by another: the informer says so and takes it out of the queue.
      queue.failed(pod);
      queue.wake(cause);
      if (!isNotFound(error) && !isConflict(error))
        log.warn("binding failed", { object: `pods/${namespace}/${name}`, node, error });
    }
  }

  /** Says why on the Pod and in an event; says nothing when it said the same before. */
  async function refuse(pod: Pod, cause: string, decision: Decision): Promise<void> {
    const { name, namespace } = pod.metadata;
    const message = failureMessage(decision);
    recorder(cause).warning(pod, "FailedScheduling", message);
    const condition = unschedulable(pod, message, clock.now());
    if (!condition) return;
    try {
      const client = options.client.because({ revision: cause, controller: schedulerName });
      await client.patch(
        "pods",
        { name, namespace },
        { status: { conditions: [condition] } },
        { type: "strategic", subresource: "status" },
      );
    } catch (error) {
      if (!isNotFound(error))
        log.warn("condition could not be written", { object: `pods/${namespace}/${name}`, error });
    }
  }

  function recorder(cause: string) {
    return options.events.recorder(schedulerName, { revision: cause, controller: schedulerName });
  }
}

function bindingOf({ metadata }: Pod, node: string) {
  const { name, namespace, uid } = metadata;
  return {
    apiVersion: "v1",
    kind: "Binding",
    metadata: { name, namespace, uid },
    target: { apiVersion: "v1", kind: "Node", name: node },
  };
}

/** The PodScheduled condition to write, or undefined when it stands already. */
export function unschedulable(pod: Pod, message: string, now: number): PodCondition | undefined {
  const before = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (before?.status === "False" && before.reason === "Unschedulable" && before.message === message) return undefined;
  const lastTransitionTime = before?.status === "False" ? (before.lastTransitionTime ?? wireTime(now)) : wireTime(now);
  return { type: "PodScheduled", status: "False", reason: "Unschedulable", message, lastTransitionTime };
}

const isTerminal = ({ status }: Pod) => status?.phase === "Succeeded" || status?.phase === "Failed";

/** Ours to place now: our name on it, no gates, not on its way out. */
function isOurs({ spec, metadata }: Pod, schedulerName: string): boolean {
  return (
    (spec?.schedulerName ?? "default-scheduler") === schedulerName &&
    !spec?.schedulingGates?.length &&
    !metadata.deletionTimestamp
  );
}

/** A heartbeat must not wake every Pod that waits. */
export function mayTakeMore(before: Node, after: Node): boolean {
  const relevant = ({ metadata, spec, status }: Node) =>
    JSON.stringify([metadata.labels, spec?.unschedulable, spec?.taints, status?.allocatable]);
  return relevant(before) !== relevant(after);
}
