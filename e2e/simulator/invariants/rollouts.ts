/**
 * Rollouts: a Deployment never has more Pods than its replicas and maxSurge allow, and once it was whole
 * never fewer ready ones than replicas less maxUnavailable, unless users or broken machines took them.
 */
import type { Deployment, Pod, ReplicaSet } from "../../../machinery/objects/kinds.ts";
import { controllerOf } from "../../../machinery/objects/owners.ts";
import type { Objects, Write } from "../ledger.ts";
import { isEnded } from "../pod-report.ts";
import { resolveIntOrPercent } from "./int-or-percent.ts";
import type { Circumstances, Invariant } from "./invariants.ts";
import { createRecent, type Recent } from "./recent.ts";

interface Watched {
  /** Replicas and surge together. */
  readonly ceiling: Recent;
  readonly floor: Recent;
  /** All that it wants were ready, and since then nobody else took any. */
  whole: boolean;
}

const TAKERS = new Set(["replicaset-controller", "deployment-controller"]);

export function rollouts({ clockBehind }: Circumstances): Invariant {
  const watched = new Map<string, Watched>();

  const bounds = ({ metadata, spec }: Deployment, at: number) => {
    const one = watched.get(metadata.uid) ?? { ceiling: createRecent(), floor: createRecent(), whole: false };
    watched.set(metadata.uid, one);
    const wanted = spec?.replicas ?? 1;
    const { maxSurge, maxUnavailable } = limitsOf(spec, wanted);
    one.ceiling.note(wanted + maxSurge, at);
    one.floor.note(wanted - maxUnavailable, at);
    return one;
  };

  return {
    onWrite(write, objects) {
      const { resource, after, before, at } = write;
      if (resource === "deployments" && after) {
        const deployment = after as Deployment;
        const one = bounds(deployment, at);
        const grew = (deployment.spec?.replicas ?? 1) > ((before as Deployment | undefined)?.spec?.replicas ?? 0);
        if (grew && ready(podsOf(deployment, objects)).length < (deployment.spec?.replicas ?? 1)) one.whole = false;
      }
      if (resource !== "pods") return undefined;
      const pod = (after ?? before) as Pod;
      const deployment = deploymentOf(pod, objects);
      if (!deployment) return undefined;
      const one = bounds(deployment, at);
      const pods = podsOf(deployment, objects);
      const { name } = deployment.metadata;
      const most = one.ceiling.most(at);
      if (!before && pods.length > most) return `Deployment ${name} has ${pods.length} Pods, ${most} are allowed`;

      const up = ready(pods).length;
      const least = one.floor.least(at);
      if (up >= (deployment.spec?.replicas ?? 1)) one.whole = true;
      else if (wasTaken(write)) one.whole = false;
      if (deployment.spec?.minReadySeconds && clockBehind()) one.whole = false;
      if (one.whole && up < least) return `Deployment ${name} has ${up} ready Pods, at least ${least} have to be`;
      return undefined;
    },
  };
}

const counts = (pod: Pod) => !isEnded(pod) && !pod.metadata.deletionTimestamp;
const isReady = (pod: Pod) =>
  pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
const ready = (pods: readonly Pod[]) => pods.filter(isReady);

/** Somebody other than the Deployment's controllers made a ready Pod unready, or took it. */
function wasTaken({ before, after, cause }: Write): boolean {
  const former = before as Pod | undefined;
  if (!former || !counts(former) || !isReady(former)) return false;
  const now = after as Pod | undefined;
  if (now && counts(now) && isReady(now)) return false;
  return !TAKERS.has(cause.controller ?? "");
}

function deploymentOf(pod: Pod, objects: Objects): Deployment | undefined {
  const owner = controllerOf(pod);
  const set = owner?.kind === "ReplicaSet" ? (objects.byUid(owner.uid) as ReplicaSet | undefined) : undefined;
  const above = set && controllerOf(set);
  return above && (objects.byUid(above.uid) as Deployment | undefined);
}

/** Those that are neither ended nor on their way out. */
const podsOf = (deployment: Deployment, objects: Objects): Pod[] =>
  objects.of("pods").filter((pod) => counts(pod) && deploymentOf(pod, objects) === deployment);

function limitsOf(spec: Deployment["spec"], wanted: number): { maxSurge: number; maxUnavailable: number } {
  if (spec?.strategy?.type === "Recreate") return { maxSurge: 0, maxUnavailable: wanted };
  const { maxSurge = "25%", maxUnavailable = "25%" } = spec?.strategy?.rollingUpdate ?? {};
  const surge = resolveIntOrPercent(maxSurge, wanted, Math.ceil);
  const unavailable = resolveIntOrPercent(maxUnavailable, wanted, Math.floor);
  return { maxSurge: surge, maxUnavailable: surge === 0 && unavailable === 0 ? 1 : Math.min(unavailable, wanted) };
}
