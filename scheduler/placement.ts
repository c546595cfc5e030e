/**
 * Placement: what a decision about a Pod makes of it in the API: a binding, or a word why not.
 *
 * A binding of which no answer came may have happened, or may yet: the Pod is read again until the
 * server answers, and keeps its room on the node until then. The API server refuses a second binding,
 * so no Pod is bound twice. A Pod is not tried again while its condition is being written, or an old
 * "Unschedulable" could arrive after a binding. What becomes of the Pod in the queue is said in attempt.ts.
 */
import type { Client } from "../machinery/client/client.ts";
import type { Lister } from "../machinery/client/informer.ts";
import { createBackoff } from "../machinery/loop/backoff.ts";
import type { Pod, PodCondition } from "../machinery/objects/kinds.ts";
import { isConflict, isNotFound } from "../machinery/objects/status.ts";
import { type Clock, wireTime } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { Handle } from "./framework.ts";
import type { PodInfo } from "./pod-info.ts";
import { DEFAULT_SCHEDULER, type Profile } from "./profile.ts";

export interface PlacementOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly event: Handle["event"];
  readonly pods: Pick<Lister<Pod>, "get">;
}

/** "free": it may be tried again; "elsewhere": on another node; "known": the informer knows better or soon will. */
export type BindingOutcome = "bound" | "free" | "known" | { readonly elsewhere: Pod };

/** None of these throws. */
export interface Placement {
  bind(info: PodInfo, cause: string, node: string, profile: Profile): Promise<BindingOutcome>;
  /** Says why not, in an event and on the Pod. `nominated`: where room is made for it, "" nowhere any more. */
  explain(pod: Pod, cause: string, why: Explanation): Promise<void>;
}

export interface Explanation {
  readonly reason: "Unschedulable" | "SchedulerError";
  readonly message: string;
  readonly nominated?: string | undefined;
}

const REREAD_MS = { first: 100, last: 5_000 };

export function createPlacement(options: PlacementOptions): Placement {
  const { client, event, clock, log, signal, pods } = options;

  async function bind(info: PodInfo, cause: string, node: string, { binding }: Profile): Promise<BindingOutcome> {
    const { pod } = info;
    try {
      let bound: Promise<void> | undefined;
      for (const plugin of binding) {
        bound = plugin.bind?.(info, node, cause);
        if (bound) break;
      }
      if (!bound) throw new Error("no plugin binds this Pod");
      await bound;
    } catch (error) {
      const outcome = await settle(pod, node);
      if (outcome === "free" && !isConflict(error)) {
        log.warn("binding failed", { object: objectOf(pod), node, error });
        event(pod, "Warning", "FailedScheduling", `binding rejected: ${(error as Error).message}`, cause);
      }
      if (outcome !== "bound") return outcome;
    }
    event(pod, "Normal", "Scheduled", `Successfully assigned ${info.key} to ${node}`, cause);
    return "bound";
  }

  /** What became of a binding that failed. */
  async function settle(pod: Pod, node: string): Promise<BindingOutcome> {
    const found = await reread(pod);
    if (!found) return "known";
    const { nodeName } = found.spec ?? {};
    if (nodeName === node) return "bound";
    if (isShown(pod)) return "known";
    return nodeName ? { elsewhere: found } : "free";
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

  /** The condition is not written again where it stands already. */
  async function explain(pod: Pod, cause: string, { reason, message, nominated }: Explanation): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    event(pod, "Warning", "FailedScheduling", message, cause);
    const condition = notScheduled(pod, reason, message, clock.now());
    const nominates = nominated !== undefined && nominated !== (pod.status?.nominatedNodeName ?? "");
    if (!condition && !nominates) return;
    const status = {
      ...(condition ? { conditions: [condition] } : {}),
      ...(nominates ? { nominatedNodeName: nominated || null } : {}),
    };
    try {
      const patch = { metadata: { uid }, status };
      const because = client.because({ revision: cause, controller: pod.spec?.schedulerName ?? DEFAULT_SCHEDULER });
      await because.patch("pods", { name, namespace }, patch, { type: "strategic", subresource: "status" });
    } catch (error) {
      if (isNotFound(error) || isConflict(error) || signal.aborted) return;
      log.warn("condition could not be written", { object: objectOf(pod), error });
    }
  }

  return { bind, explain };
}

/** The PodScheduled condition to write, or undefined when it stands already. */
export function notScheduled(pod: Pod, reason: string, message: string, now: number): PodCondition | undefined {
  const before = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (before?.status === "False" && before.reason === reason && before.message === message) return undefined;
  const lastTransitionTime = before?.status === "False" ? (before.lastTransitionTime ?? wireTime(now)) : wireTime(now);
  return { type: "PodScheduled", status: "False", reason, message, lastTransitionTime };
}

const objectOf = ({ metadata }: Pod) => `pods/${metadata.namespace}/${metadata.name}`;
