/**
 * DefaultPreemption: makes room for a Pod that fits nowhere, at the cost of Pods of lower priority.
 *
 * The node is found in thought (victims.ts) and the Pod nominated for it; then the victims are told and deleted,
 * and the Pod comes again when they are gone. It takes no more while some of its victims are still going.
 * Nothing keeps the node for it but its nomination: Pods of higher priority may still go there.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { isConflict, isNotFound } from "../../machinery/objects/status.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import type { Decision, Refusal } from "../decide.ts";
import { histogram } from "../failure-message.ts";
import type { FailedAttempt, Handle, Plugin } from "../framework.ts";
import type { PodInfo } from "../pod-info.ts";
import type { NodeInfo } from "../snapshot.ts";
import { createSacrificeMemo, type SacrificeMemo } from "./sacrifice-memo.ts";
import { isRefused, leastHarm, type Sacrifice } from "./victims.ts";

export interface PreemptionArgs {
  /** How many nodes to compare, of those where it could help. */
  readonly minCandidateNodesPercentage?: number;
  readonly minCandidateNodesAbsolute?: number;
}

const NAME = "DefaultPreemption";
const UNHELPFUL: Refusal = { plugin: NAME, reasons: ["Preemption is not helpful for scheduling"], final: true };
const NOBODY_LOWER: Refusal = {
  plugin: NAME,
  reasons: ["No preemption victims found for incoming pod"],
  final: true,
};

export const defaultPreemption = (args: PreemptionArgs, handle: Handle): Plugin => {
  const known = createSacrificeMemo();
  return {
    name: NAME,
    postFilter(failed) {
      const not = notEligible(failed, handle);
      if (not) return { message: `preemption: ${not}` };
      const searched = search(failed, args, handle, known);
      const chosen = leastHarm(searched.candidates);
      if (!chosen) return { nominated: "", message: `preemption: ${searched.message()}` };
      return {
        nominated: chosen.node.name,
        carryOut: (cause, signal) => carryOut(failed.pod, chosen, cause, signal, handle),
      };
    },
  };
};

/** Why the Pod may not take room from others. */
function notEligible({ pod, cluster, decision }: FailedAttempt, { nominations }: Handle): string | undefined {
  if (pod.pod.spec?.preemptionPolicy === "Never") return "not eligible due to preemptionPolicy=Never.";
  const nominated = nominations.of(pod.pod.metadata.uid) ?? pod.pod.status?.nominatedNodeName;
  const node = nominated ? cluster.node(nominated) : undefined;
  if (!node || decision.refusals[decision.asked.indexOf(node)]?.final) return undefined;
  for (const other of node.pods.values())
    if (other.priority < pod.priority && isGoingForAnother(other.pod))
      return "not eligible due to a terminating pod on the nominated node.";
  return undefined;
}

const isGoingForAnother = ({ metadata, status }: Pod): boolean =>
  metadata.deletionTimestamp !== undefined &&
  (status?.conditions ?? []).some(
    ({ type, status: state, reason }) => type === DISRUPTION && state === "True" && reason === BY_SCHEDULER,
  );

const DISRUPTION = "DisruptionTarget";
const BY_SCHEDULER = "PreemptionByScheduler";

interface Searched {
  readonly candidates: readonly Sacrifice[];
  message(): string;
}

function search(failed: FailedAttempt, args: PreemptionArgs, handle: Handle, known: SacrificeMemo): Searched {
  const { pod, cluster, decision, filters } = failed;
  const { minCandidateNodesPercentage: share = 10, minCandidateNodesAbsolute: absolute = 100 } = args;
  const potential = potentialOf(decision);
  const wanted = Math.min(Math.max(Math.floor((potential.length * share) / 100), absolute), potential.length);
  const asked: NodeInfo[] = [];
  const refusals: (Refusal | undefined)[] = [];
  const message = () => {
    const words = histogram({ nodes: decision.nodes, asked, refusals, others: UNHELPFUL });
    return `0/${decision.nodes} nodes are available: ${words}.`;
  };
  if (!cluster.hasPodsBelow(pod.priority)) {
    asked.push(...potential);
    refusals.push(...potential.map(() => NOBODY_LOWER));
    return { candidates: [], message };
  }
  const sacrifice = known.of(pod, filters);
  const run = { pod, filters, nominations: handle.nominations, budgets: handle.listers.poddisruptionbudgets.list() };
  const candidates: Sacrifice[] = [];
  const start = Math.floor(handle.clock.random() * potential.length);
  let harmless = 0;
  for (let n = 0; n < potential.length && !(harmless > 0 && candidates.length >= wanted); n++) {
    const node = potential[(start + n) % potential.length] as NodeInfo;
    const result = sacrifice(node, run);
    if (isRefused(result)) {
      if (candidates.length > 0) continue; // nobody will ask
      asked.push(node);
      refusals.push({ plugin: NAME, ...result });
      continue;
    }
    candidates.push(result);
    if (result.violations === 0) harmless++;
  }
  return { candidates, message };
}

/** The nodes that Pods may leave so that it fits there. */
function potentialOf({ asked, refusals }: Decision): readonly NodeInfo[] {
  if (refusals.every((refusal) => refusal?.final === false)) return asked;
  return asked.filter((_, n) => refusals[n]?.final === false);
}

/** Those who were to come to the node without being as important look elsewhere; the victims go. */
async function carryOut(
  pod: PodInfo,
  { node, victims }: Sacrifice,
  cause: string,
  signal: AbortSignal,
  handle: Handle,
): Promise<void> {
  const less = handle.nominations.on(node.name).filter((other) => other.priority < pod.priority);
  await Promise.all(less.map((other) => takeBack(other.pod, cause, handle)));
  const going = victims.filter((victim) => !victim.pod.metadata.deletionTimestamp);
  await Promise.all(going.map((victim) => evict(victim, pod, node.name, cause, handle)));
  signal.throwIfAborted();
}

async function takeBack({ metadata, status }: Pod, cause: string, { client, nominations }: Handle): Promise<void> {
  const { namespace, name, uid } = metadata;
  nominations.remove(uid);
  if (!status?.nominatedNodeName) return;
  const patch = { metadata: { uid }, status: { nominatedNodeName: null } };
  const because = client.because({ revision: cause, controller: NAME });
  await unlessGone(because.patch("pods", { namespace, name }, patch, { type: "strategic", subresource: "status" }));
}

async function evict(victim: PodInfo, by: PodInfo, node: string, cause: string, handle: Handle): Promise<void> {
  const { namespace, name, uid } = victim.pod.metadata;
  if (handle.waiting.has(uid)) handle.waiting.reject(uid, NAME, "preempted");
  else {
    const scheduler = by.pod.spec?.schedulerName ?? "default-scheduler";
    const because = handle.client.because({ revision: cause, controller: scheduler });
    const condition = {
      type: DISRUPTION,
      status: "True",
      reason: BY_SCHEDULER,
      message: `${scheduler}: preempting to accommodate a higher priority pod`,
      lastTransitionTime: wireTime(handle.clock.now()),
    };
    const patch = { metadata: { uid }, status: { conditions: [condition] } };
    const there = await unlessGone(
      because.patch("pods", { namespace, name }, patch, { type: "strategic", subresource: "status" }),
    );
    if (!there || !(await unlessGone(because.delete("pods", { namespace, name }, { preconditions: { uid } })))) return;
  }
  const message = `Preempted by pod ${by.pod.metadata.uid} on node ${node}`;
  handle.event(victim.pod, "Normal", "Preempted", message, cause);
}

/** False where the Pod is gone already, or is another by now. */
async function unlessGone(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (isNotFound(error) || isConflict(error)) return false;
    throw error;
  }
}
