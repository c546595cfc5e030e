/**
 * Shutdown: ends the Pods of a node that is being switched off, group by group, before its processes are killed.
 *
 * Only once begun: from then on the node is not Ready and takes no Pods. Each group has its time; the next begins
 * earlier when all of it has ended. Pods end as Failed, so that they are replaced elsewhere at once.
 * https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/
 */
import type { EventRecorder } from "../../machinery/loop/controller.ts";
import type { Node } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { PriorityGrace } from "../configuration.ts";
import { isTerminal } from "../pods/pod-spec.ts";
import type { PodWorker } from "../pods/worker.ts";
import type { Refuses } from "../refusals.ts";
import { graceIn, phaseOf } from "./phases.ts";

export interface ShutdownContext {
  readonly phases: readonly PriorityGrace[];
  readonly workers: () => readonly PodWorker[];
  readonly node: () => Node | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: EventRecorder;
  /** The node has begun to leave. */
  readonly onChange: () => Promise<void>;
  /** Resolves once what a Pod's status says is written. */
  readonly written: (uid: string) => Promise<void>;
}

export interface Shutdown {
  /** Resolves when every Pod has ended or its time is over. */
  begin(): Promise<void>;
  /** What makes the node not Ready. */
  leaving(): string | undefined;
  readonly refuses: Refuses;
}

const LOOK_MS = 200;
/** How long the API may keep a shutdown waiting. */
const TELL_MS = 5_000;
const MESSAGE = "Pod was terminated in response to imminent node shutdown.";

export function createShutdown(context: ShutdownContext): Shutdown {
  const { phases, workers, clock, log, events } = context;
  let begun = false;

  async function end(phase: PriorityGrace): Promise<void> {
    const group = workers().filter((worker) => phaseOf(worker.pod(), phases) === phase && !isTerminal(worker.pod()));
    for (const worker of group) {
      const graceSeconds = graceIn(worker.pod(), phase);
      const condition = { type: "DisruptionTarget", reason: "TerminationByKubelet", message: MESSAGE };
      worker.terminate({ reason: "Terminated", message: MESSAGE, graceSeconds, condition });
    }
    const until = clock.monotonic() + phase.shutdownGracePeriodSeconds * 1000;
    while (group.some(hasLife) && clock.monotonic() < until) await clock.sleep(LOOK_MS);
    const left = group.filter(hasLife).length;
    log.info("a group of Pods was ended for the shutdown", { priority: phase.priority, pods: group.length, left });
    await inTime(Promise.all(group.map((worker) => context.written(worker.pod().metadata.uid))));
  }

  async function inTime(work: Promise<unknown>): Promise<void> {
    const late = new AbortController();
    const waited = clock.sleep(TELL_MS, late.signal).catch(() => undefined);
    await Promise.race([work.catch(() => undefined), waited]);
    late.abort();
  }

  return {
    async begin() {
      if (begun || phases.length === 0) return;
      begun = true;
      log.info("the node shuts down: its Pods are ended");
      const node = context.node();
      if (node) events.normal(node, "Shutdown", "Shutdown manager detected shutdown event");
      await inTime(context.onChange());
      for (const phase of phases) await end(phase);
    },
    leaving: () => (begun ? "node is shutting down" : undefined),
    refuses: () =>
      begun ? { reason: "NodeShutdown", message: "Pod was rejected as the node is shutting down." } : undefined,
  };
}

/** Also where nobody has looked at it yet. */
function hasLife(worker: PodWorker): boolean {
  const { phase } = worker.status();
  return phase !== "Failed" && phase !== "Succeeded";
}
