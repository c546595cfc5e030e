/**
 * Placement: what a decision about a Pod makes of it in the API: a binding, or a word why not.
 *
 * A binding of which no answer came may have happened, or may yet: the Pod is read again until the
 * server answers, and keeps its room on the node until then. The API server refuses a second binding,
 * so no Pod is bound twice. A Pod is not tried again while its condition is being written, or an old
 * "Unschedulable" could arrive after a binding.
 */
import type { Client } from "../machinery/client/client.ts";
import type { Lister } from "../machinery/client/informer.ts";
import { createBackoff } from "../machinery/loop/backoff.ts";
import type { Events } from "../machinery/loop/events-recorder.ts";
import type { Pod, PodCondition } from "../machinery/objects/kinds.ts";
import { isConflict, isNotFound } from "../machinery/objects/status.ts";
import { type Clock, wireTime } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { Happening } from "./happenings.ts";
import type { SchedulingQueue } from "./queue.ts";
import type { Snapshot } from "./snapshot.ts";

export interface PlacementOptions {
  readonly client: Client;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly schedulerName: string;
  readonly queue: SchedulingQueue;
  readonly snapshot: Snapshot;
  readonly pods: Pick<Lister<Pod>, "get">;
}

/** None of these throws. */
export interface Placement {
  /** Binds a Pod that counts on the node already. False when it comes again instead. */
  bind(pod: Pod, cause: string, node: string): Promise<boolean>;
  /** No node fits. */
  refuse(pod: Pod, cause: string, message: string, helpedBy: readonly Happening[]): Promise<void>;
  /** It could not be judged: it comes again. */
  fail(pod: Pod, cause: string, message: string): Promise<void>;
}

const REREAD_MS = { first: 100, last: 5_000 };

export function createPlacement(options: PlacementOptions): Placement {
  const { client, events, clock, log, signal, schedulerName, queue, snapshot, pods } = options;
  const because = (revision: string) => client.because({ revision, controller: schedulerName });
  const recorder = (revision: string) => events.recorder(schedulerName, { revision, controller: schedulerName });

  async function bind(pod: Pod, cause: string, node: string): Promise<boolean> {
    const { name, namespace } = pod.metadata;
    try {
      await because(cause).createSub("pods", { name, namespace }, "binding", bindingOf(pod, node));
    } catch (error) {
      const outcome = await settle(pod, cause, node);
      if (outcome === "bound") bound(pod, cause, node);
      if (outcome !== "free") return outcome === "bound";
      if (!isConflict(error)) {
        log.warn("binding failed", { object: objectOf(pod), node, error });
        recorder(cause).warning(pod, "FailedScheduling", `binding rejected: ${(error as Error).message}`);
      }
      queue.retry(pod.metadata.uid);
      return false;
    }
    bound(pod, cause, node);
    return true;
  }

  function bound(pod: Pod, cause: string, node: string): void {
    const { name, namespace } = pod.metadata;
    recorder(cause).normal(pod, "Scheduled", `Successfully assigned ${namespace}/${name} to ${node}`);
  }

  /**
   * What became of a binding that failed: it happened, or the Pod is free for another try; "known" where
   * the informer knows better or soon will. Sets right what was assumed.
   */
  async function settle(pod: Pod, cause: string, node: string): Promise<"bound" | "free" | "known"> {
    const found = await reread(pod);
    if (!found) return "known";
    const { nodeName } = found.spec ?? {};
    if (nodeName === node) return "bound";
    if (isShown(pod)) return "known";
    if (nodeName) {
      snapshot.setPod(found, nodeName);
      return "known";
    }
    if (snapshot.removePod(pod.metadata.uid)) queue.wake(["pod-gone"], cause);
    return "free";
  }

  /** The Pod as the server has it now; undefined when it is gone or the signal has aborted. */
  async function reread({ metadata }: Pod): Promise<Pod | undefined> {
    const { name, namespace, uid } = metadata;
    const backoff = createBackoff(clock, REREAD_MS.first, REREAD_MS.last);
    while (!signal.aborted) {
      try {
        const found = await client.find("pods", { namespace, name });
        return found?.metadata.uid === uid ? found : undefined;
      } catch (error) {
        log.info("a Pod could not be read after its binding", { object: `pods/${namespace}/${name}`, error });
        await clock.sleep(backoff.next(), signal).catch(() => undefined); // only the signal ends it early
      }
    }
    return undefined;
  }

  /** Whether the informer has shown the Pod bound or gone. */
  function isShown({ metadata }: Pod): boolean {
    const known = pods.get(`${metadata.namespace}/${metadata.name}`);
    return known?.metadata.uid !== metadata.uid || Boolean(known.spec?.nodeName);
  }

  async function refuse(pod: Pod, cause: string, message: string, helpedBy: readonly Happening[]): Promise<void> {
    await explain(pod, cause, "Unschedulable", message);
    queue.refused(pod.metadata.uid, helpedBy);
  }

  async function fail(pod: Pod, cause: string, message: string): Promise<void> {
    await explain(pod, cause, "SchedulerError", message);
    queue.retry(pod.metadata.uid);
  }

  /** Says why in an event and on the Pod; the condition is not written again where it stands already. */
  async function explain(pod: Pod, cause: string, reason: string, message: string): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    recorder(cause).warning(pod, "FailedScheduling", message);
    const condition = notScheduled(pod, reason, message, clock.now());
    if (!condition) return;
    try {
      const patch = { metadata: { uid }, status: { conditions: [condition] } };
      await because(cause).patch("pods", { name, namespace }, patch, { type: "strategic", subresource: "status" });
    } catch (error) {
      if (isNotFound(error) || isConflict(error) || signal.aborted) return;
      log.warn("condition could not be written", { object: objectOf(pod), error });
    }
  }

  return { bind, refuse, fail };
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
export function notScheduled(pod: Pod, reason: string, message: string, now: number): PodCondition | undefined {
  const before = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (before?.status === "False" && before.reason === reason && before.message === message) return undefined;
  const lastTransitionTime = before?.status === "False" ? (before.lastTransitionTime ?? wireTime(now)) : wireTime(now);
  return { type: "PodScheduled", status: "False", reason, message, lastTransitionTime };
}

const objectOf = ({ metadata }: Pod) => `pods/${metadata.namespace}/${metadata.name}`;
