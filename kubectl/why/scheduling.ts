/** Scheduling: why a Pod has no node, in the scheduler's own words. Pure. */
import { age } from "../../machinery/objects/duration.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { RefusalCount, SchedulingExplanation } from "../../machinery/objects/scheduling.ts";
import type { Told } from "./explanation.ts";

export interface Unscheduled extends Told {
  readonly says: string;
}

export function unscheduled(pod: Pod, told: SchedulingExplanation | undefined, now: number): Unscheduled {
  const gates = pod.spec?.schedulingGates ?? [];
  if (gates.length > 0) {
    const names = gates.map(({ name }) => name).join(", ");
    return {
      says: `is not scheduled: it waits for its scheduling gates to be removed: ${names}`,
      helps: ["whoever set a gate removes it when the time has come; then the scheduler takes the Pod"],
    };
  }
  const condition = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
  const scheduler = pod.spec?.schedulerName ?? "default-scheduler";
  const attempts = told?.attempts ?? [];
  if (condition?.status !== "False" && attempts.length === 0) {
    return {
      says: `is not scheduled: ${scheduler} has not looked at it yet`,
      because: [`it waits since ${age(pod.metadata.creationTimestamp, now)}`],
      helps: [`a scheduler of the name ${scheduler} must run`],
    };
  }
  if (told?.now && told.now.fitting > 0) {
    return {
      says: "is not scheduled yet, but fits by now: it will be tried again soon",
      because: [condition?.message, `${told.now.fitting} of ${told.now.nodes} nodes would take it`],
    };
  }
  return {
    says: "is not scheduled: no node fits",
    because: [condition?.message, triedOf(told, now), ...tableOf(told), preemption(pod)],
    helps: changesOf(told),
  };
}

function triedOf(told: SchedulingExplanation | undefined, now: number): string | undefined {
  const last = told?.attempts.at(-1);
  return last && `${told?.scheduler} tried it last ${age(last.time, now)} ago`;
}

function preemption({ status }: Pod): string | undefined {
  const node = status?.nominatedNodeName;
  return node ? `room is being made for it on ${node}: it waits for Pods there to end` : undefined;
}

/** One line for each refusal, with the nodes that it concerns where they are few. */
function tableOf(told: SchedulingExplanation | undefined): readonly string[] {
  const { now } = told ?? {};
  if (!now) return [];
  if (now.nowhere) return [`${now.nowhere.plugin}: ${now.nowhere.reasons.join(", ")}`];
  return now.refusals.map(
    (refusal) => `${nodesOf(refusal, now.verdicts)}: ${refusal.plugin}: ${refusal.reasons.join(", ")}`,
  );
}

const FEW = 5;

function nodesOf(
  { plugin, reasons, count }: RefusalCount,
  verdicts: NonNullable<SchedulingExplanation["now"]>["verdicts"],
): string {
  const names = verdicts
    .filter((one) => one.plugin === plugin && one.reasons?.join() === reasons.join())
    .map(({ node }) => node);
  if (names.length > 0 && names.length === count && count <= FEW) return names.join(", ");
  return `${count} ${count === 1 ? "node" : "nodes"}`;
}

function changesOf(told: SchedulingExplanation | undefined): readonly string[] {
  return (told?.changes ?? []).map(({ node, steps, checked }, index) => {
    const what = steps.join("; and ");
    const where = node === undefined ? "" : ` (then it fits on ${node}${checked ? "" : ", as far as can be told"})`;
    return `${index === 0 ? "the smallest change" : "or"}: ${what}${where}`;
  });
}

/** How the node was chosen: the best of those that would have taken it. */
export function placement(told: SchedulingExplanation | undefined): readonly string[] {
  const last = told?.attempts.findLast(({ node }) => node !== undefined);
  if (!last) return [];
  const { node, fitting, nodes, verdicts } = last;
  const chosen = verdicts.find((one) => one.node === node);
  const scores = Object.entries(chosen?.scores ?? {}).map(([plugin, score]) => `${plugin} ${score}`);
  const best = verdicts.filter((one) => one.total !== undefined).slice(0, FEW);
  return [
    `${node} was chosen: ${fitting} of ${nodes} nodes fit`,
    ...(best.length > 1 ? [`total scores: ${best.map((one) => `${one.node} ${one.total}`).join(", ")}`] : []),
    ...(scores.length > 0 ? [`scores of ${node} before weights: ${scores.join(", ")}`] : []),
  ];
}
