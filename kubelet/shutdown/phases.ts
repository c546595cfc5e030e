/**
 * Phases: in which order Pods end when their node shuts down, and how much time each group has. Pure.
 *
 * By default everybody first, then the critical ones; settings may name any priorities instead.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { KubeletSettings, PriorityGrace } from "../configuration.ts";
import { isStatic } from "../static-pods/marks.ts";

type Settings = Pick<
  KubeletSettings,
  "shutdownGracePeriod" | "shutdownGracePeriodCriticalPods" | "shutdownGracePeriodByPodPriority"
>;

const CRITICAL = 2_000_000_000;
/** What a class of the system's own gives, where nobody has worked it out yet. */
const CLASSES: Readonly<Record<string, number>> = {
  "system-node-critical": CRITICAL + 1000,
  "system-cluster-critical": CRITICAL,
};

/** Lowest priority first; empty where nodes do not end their Pods. */
export function phasesOf(settings: Settings): readonly PriorityGrace[] {
  const { shutdownGracePeriodByPodPriority: given } = settings;
  if (given.length > 0) return given.toSorted((a, b) => a.priority - b.priority);
  const all = settings.shutdownGracePeriod / 1000;
  const critical = settings.shutdownGracePeriodCriticalPods / 1000;
  if (all <= 0) return [];
  return [
    { priority: 0, shutdownGracePeriodSeconds: all - critical },
    { priority: CRITICAL, shutdownGracePeriodSeconds: critical },
  ];
}

export const shutdownSeconds = (settings: Settings): number =>
  phasesOf(settings).reduce((sum, { shutdownGracePeriodSeconds }) => sum + shutdownGracePeriodSeconds, 0);

/** The group with the highest priority that the Pod reaches; one below all of them is in the first. */
export function phaseOf(pod: Pod, phases: readonly PriorityGrace[]): PriorityGrace | undefined {
  const priority = priorityOf(pod);
  return phases.findLast((phase) => phase.priority <= priority) ?? phases[0];
}

function priorityOf(pod: Pod): number {
  const { priority, priorityClassName } = pod.spec ?? {};
  return priority ?? CLASSES[priorityClassName ?? ""] ?? (isStatic(pod) ? CRITICAL : 0);
}

/** Its own time, as far as the phase has it. */
export function graceIn(pod: Pod, { shutdownGracePeriodSeconds }: PriorityGrace): number {
  return Math.min(pod.spec?.terminationGracePeriodSeconds ?? 30, shutdownGracePeriodSeconds);
}
