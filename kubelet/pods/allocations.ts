/**
 * Allocations: the node's ledger of what it has granted to which Pod. One for each node.
 *
 * A Pod is granted what it asks for when it is admitted, or it never runs here. A resize is granted when
 * there is room; else it waits for Pods that leave or shrink, in Kubernetes' order. Every step is one
 * synchronous turn, so that two Pods are never granted the same room. The rules: node-admission.ts; how
 * what was granted reaches containers: resize-plan.ts, resize.ts.
 */
import type { EventRecorder } from "../../machinery/loop/controller.ts";
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { isCritical } from "../eviction/ranking.ts";
import type { Refusal } from "../refusals.ts";
import { type Allocation, askedFor, remembered, sameAllocation, withAllocation } from "./allocation.ts";
import { type MachineRules, machineRefusal } from "./machine-admission.ts";
import { refusal, resizeRefusal, shortages, type Taken, takenBy } from "./node-admission.ts";
import { victims } from "./node-preemption.ts";
import { qosClass } from "./qos.ts";
import { resizeMessage } from "./resize-status.ts";

export interface Allocations {
  /** A Pod that ran here before this kubelet did: it has what its status says. */
  adopt(pod: Pod): void;
  has(uid: string): boolean;
  /** Grants a new Pod what it asks for; else why not. */
  admit(pod: Pod): Promise<Refusal | undefined>;
  /** The Pod as the API shows it now: what it asks for anew is granted (true), or waits. */
  look(pod: Pod): boolean;
  /** The Pod with what it was granted. */
  granted(pod: Pod): Pod;
  pending(uid: string): Pending | undefined;
  /** The generation whose resources were granted last by a resize; undefined: none was. */
  resizedAt(uid: string): number | undefined;
  /** Nothing of it runs any more. */
  release(uid: string): void;
}

export interface Pending extends Refusal {
  readonly since: number;
}

export interface AllocationsContext {
  /** This node as it is known now. */
  readonly node: () => Node | undefined;
  /** The same, asked of the API now. */
  readonly askNode: () => Promise<Node>;
  readonly machine: MachineRules;
  readonly events: EventRecorder;
  readonly now: () => number;
  /** Ends a Pod that makes way for a critical one. */
  readonly preempt: (uid: string) => void;
  /** Something that waited was granted. */
  readonly onGranted: (uid: string) => void;
  /** What is granted in all changed. */
  readonly onChange: (pods: readonly Pod[]) => void;
}

/** How the reasons begin that more room would heal. */
const SHORT = "OutOf";

interface Entry {
  /** As it was last shown. */
  pod: Pod;
  allocation: Allocation;
  taken: Taken;
  pending: Pending | undefined;
  resizedAt: number | undefined;
}

export function createAllocations(context: AllocationsContext): Allocations {
  const { node, askNode, machine, events, now, preempt, onGranted, onChange } = context;
  const entries = new Map<string, Entry>();
  /** Pods that make way, until they are gone. */
  const released = new Map<string, PromiseWithResolvers<void>>();

  function enter(pod: Pod, allocation: Allocation): void {
    const taken = takenBy(withAllocation(pod, allocation));
    entries.set(pod.metadata.uid, { pod, allocation, taken, pending: undefined, resizedAt: undefined });
    changed();
  }

  const changed = () => onChange([...entries.values()].map(({ pod, allocation }) => withAllocation(pod, allocation)));

  const others = (uid: string): readonly Taken[] =>
    [...entries].filter(([other]) => other !== uid).map(([, { taken }]) => taken);

  function judgeNew(pod: Pod, here: Node | undefined): Refusal | undefined | "unknown" {
    if (!here) return "unknown";
    const found = refusal(pod, others(pod.metadata.uid), here);
    if (!found) enter(pod, askedFor(pod));
    return found;
  }

  /** Ends as many Pods as it takes for a critical one, and waits until they are gone. */
  async function makeRoom(pod: Pod): Promise<Refusal | undefined> {
    const here = node();
    if (!here) return undefined;
    const short = shortages(pod, others(pod.metadata.uid), here);
    const found = victims(pod, [...entries.values()], short);
    if ("missing" in found) {
      const why = `preemption: error finding a set of pods to preempt: no set of running pods found to reclaim resources: ${found.missing}`;
      const message = `Unexpected error while attempting to recover from admission failure: ${why}`;
      return { reason: "UnexpectedAdmissionError", message };
    }
    const gone = found.chosen.map(({ pod: { metadata } }) => {
      const waiting = released.get(metadata.uid) ?? Promise.withResolvers<void>();
      released.set(metadata.uid, waiting);
      preempt(metadata.uid);
      return waiting.promise;
    });
    await Promise.all(gone);
    return undefined;
  }

  /** True when what it asks for was granted just now. */
  function judge(entry: Entry): boolean {
    const { pod } = entry;
    const asked = askedFor(pod);
    if (sameAllocation(asked, entry.allocation)) {
      entry.pending = undefined;
      return false;
    }
    const here = node();
    const found = here ? resizeRefusal(pod, others(pod.metadata.uid), here) : undefined;
    if (found) {
      wait(entry, found);
      return false;
    }
    entry.allocation = asked;
    entry.taken = takenBy(pod);
    entry.pending = undefined;
    entry.resizedAt = pod.metadata.generation ?? 0;
    changed();
    events.normal(pod, "ResizeStarted", resizeMessage("started", pod));
    return true;
  }

  function wait(entry: Entry, found: Refusal): void {
    const { pod, pending } = entry;
    entry.pending = { ...found, since: pending?.since ?? now() };
    if (pending?.reason === found.reason && pending.message === found.message) return;
    const event = found.reason === "Infeasible" ? "ResizeInfeasible" : "ResizeDeferred";
    events.warning(pod, event, resizeMessage(found.reason, pod, found.message));
  }

  function retryWaiting(): void {
    const waiting = [...entries.values()].filter(({ pending }) => pending?.reason === "Deferred");
    for (const entry of waiting.sort(byUrgency)) {
      if (judge(entry)) onGranted(entry.pod.metadata.uid);
    }
  }

  return {
    adopt(pod) {
      if (!entries.has(pod.metadata.uid)) enter(pod, remembered(pod));
    },
    has: (uid) => entries.has(uid),
    async admit(pod) {
      const impossible = machineRefusal(pod, machine);
      if (impossible) return impossible;
      let found = judgeNew(pod, node());
      // labels may be newer than what is known here
      if (found === "unknown" || found?.reason === "NodeAffinity") found = judgeNew(pod, await askNode());
      if (found !== "unknown" && found?.reason.startsWith(SHORT) && isCritical(pod)) {
        found = (await makeRoom(pod)) ?? judgeNew(pod, node());
      }
      return found === "unknown" ? undefined : found;
    },
    look(pod) {
      const entry = entries.get(pod.metadata.uid);
      if (!entry) return false;
      entry.pod = pod;
      const granted = judge(entry);
      if (granted) retryWaiting(); // it may have shrunk
      return granted;
    },
    granted(pod) {
      const entry = entries.get(pod.metadata.uid);
      return entry ? withAllocation(pod, entry.allocation) : pod;
    },
    pending: (uid) => entries.get(uid)?.pending,
    resizedAt: (uid) => entries.get(uid)?.resizedAt,
    release(uid) {
      if (!entries.delete(uid)) return;
      released.get(uid)?.resolve();
      released.delete(uid);
      changed();
      retryWaiting();
    },
  };
}

/** Those with a higher priority, then Guaranteed ones, then those that have waited longest. */
function byUrgency(a: Entry, b: Entry): number {
  const priority = (b.pod.spec?.priority ?? 0) - (a.pod.spec?.priority ?? 0);
  const guaranteed = ({ pod }: Entry) => Number(qosClass(pod) === "Guaranteed");
  return priority || guaranteed(b) - guaranteed(a) || (a.pending?.since ?? 0) - (b.pending?.since ?? 0);
}
