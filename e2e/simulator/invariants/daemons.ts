/**
 * Daemons: a rollout of a DaemonSet takes no more available Pods than maxUnavailable, has no more nodes with two
 * Pods than maxSurge, and never two on a node without a surge. A Pod that has been available for a moment only may be
 * taken for a broken one by an old view, and those are replaced at once.
 */
import type { DaemonSet, Node, Pod } from "../../../machinery/objects/kinds.ts";
import { controllerOf } from "../../../machinery/objects/owners.ts";
import type { Objects } from "../objects.ts";
import { resolveIntOrPercent } from "./int-or-percent.ts";
import type { Circumstances, Invariant } from "./invariants.ts";
import { RECENT_MS } from "./recent.ts";
import { counts, isAvailable, wasTaken } from "./well.ts";

/** No Pod of a DaemonSet tolerates these by itself, as it does others. */
const AWAY = new Set(["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]);
const TAKERS = new Set(["daemonset-controller"]);

export function daemons({ clockOff }: Circumstances): Invariant {
  /** When Nodes last came or went, or got to be places for Pods or ceased to be, and when others last took a set's Pods: a view may be older than that. */
  let changedAt = Number.NEGATIVE_INFINITY;
  const takenAt = new Map<string, number>();
  const isRecent = (at = Number.NEGATIVE_INFINITY, now: number) => now - at < RECENT_MS;
  return {
    onWrite(write, objects) {
      if (write.resource === "nodes" && isPlace(write.before) !== isPlace(write.after)) changedAt = write.at;
      if (write.resource !== "pods") return undefined;
      const before = write.before as Pod | undefined;
      const after = write.after as Pod | undefined;
      const pod = (after ?? before) as Pod;
      const owner = controllerOf(pod);
      const set = owner?.kind === "DaemonSet" ? (objects.byUid(owner.uid) as DaemonSet | undefined) : undefined;
      if (!set) return undefined;
      const limits = limitsOf(set, objects);
      const { minReadySeconds = 0 } = set.spec ?? {};
      if (minReadySeconds > 0 && clockOff()) return undefined;
      const up = (one: Pod) => isAvailable(one, minReadySeconds, write.at);
      const lasting = (one: Pod) => isAvailable(one, minReadySeconds + RECENT_MS / 1000, write.at);
      if (!before) return crowded(set, limits.surge, objects, up, lasting);
      if (wasTaken(write, TAKERS)) takenAt.set(set.metadata.uid, write.at);
      if (isRecent(changedAt, write.at) || isRecent(takenAt.get(set.metadata.uid), write.at)) return undefined;
      if (!TAKERS.has(write.cause.controller ?? "") || !counts(before) || (after && counts(after))) return undefined;
      if (!lasting(before) || renewed(set, before, objects, up)) return undefined;
      const served = new Set(objects.podsOf(set.metadata.uid).filter(up).map(nodeOf));
      const missing = objects.of("nodes").filter((node) => isPlace(node) && !served.has(node.metadata.name)).length;
      if (missing <= limits.unavailable) return undefined;
      return `DaemonSet ${set.metadata.name} takes ${before.metadata.name}: ${missing} nodes have none that is available, ${limits.unavailable} may`;
    },
  };
}

/** As in Kubernetes, a node that is not ready is none that a set should be on, though what runs there stays. */
function isPlace(node: unknown): boolean {
  const { taints = [] } = (node as Node | undefined)?.spec ?? {};
  return node !== undefined && !taints.some(({ key, effect }) => effect === "NoSchedule" && AWAY.has(key));
}

/** Its node has another one that is available: it was the older of two. */
const renewed = (set: DaemonSet, gone: Pod, objects: Objects, up: (pod: Pod) => boolean): boolean =>
  objects.podsOf(set.metadata.uid).some((pod) => nodeOf(pod) === nodeOf(gone) && pod !== gone && up(pod));

/** The node that it is for: written into its affinity before it is bound. */
function nodeOf({ spec }: Pod): string {
  const [term] = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  return spec?.nodeName ?? term?.matchFields?.[0]?.values?.[0] ?? "";
}

/**
 * A node counts as surged while its old Pod has been available, for so long that everybody knows, and its new one is
 * not; a broken old one is replaced at once.
 */
function crowded(
  set: DaemonSet,
  surge: number,
  objects: Objects,
  up: (pod: Pod) => boolean,
  lasting: (pod: Pod) => boolean,
): string | undefined {
  const there = new Map<string, Pod[]>();
  for (const pod of objects.podsOf(set.metadata.uid).filter(counts))
    there.set(nodeOf(pod), [...(there.get(nodeOf(pod)) ?? []), pod]);
  const worst = [...there].find(([, pods]) => pods.length > 2);
  if (worst) return `DaemonSet ${set.metadata.name} has ${worst[1].length} Pods on ${worst[0]}`;
  const surged = [...there.values()].filter((pods) => pods.some(lasting) && !pods.every(up)).length;
  if (surged <= surge) return undefined;
  return `DaemonSet ${set.metadata.name} has two Pods on ${surged} nodes, ${surge} may have`;
}

function limitsOf({ spec }: DaemonSet, objects: Objects): { readonly unavailable: number; readonly surge: number } {
  const nodes = objects.of("nodes").length;
  const { maxUnavailable = 1, maxSurge = 0 } = spec?.updateStrategy?.rollingUpdate ?? {};
  return {
    unavailable: resolveIntOrPercent(maxUnavailable, nodes, Math.ceil),
    surge: resolveIntOrPercent(maxSurge, nodes, Math.ceil),
  };
}
