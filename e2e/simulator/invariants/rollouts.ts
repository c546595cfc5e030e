/**
 * Rollouts: a Deployment never has more Pods than its replicas and maxSurge allow, and once it was whole
 * never fewer available ones than replicas less maxUnavailable, unless users or broken machines took them.
 * One that recreates never has Pods of two templates at once.
 */
import type { Deployment, Pod, ReplicaSet } from "../../../machinery/objects/kinds.ts";
import { controllerOf } from "../../../machinery/objects/owners.ts";
import type { Write } from "../ledger.ts";
import type { Objects } from "../objects.ts";
import { isEnded } from "../pod-report.ts";
import { resolveIntOrPercent } from "./int-or-percent.ts";
import type { Circumstances, Invariant } from "./invariants.ts";
import { createRecent, RECENT_MS, type Recent } from "./recent.ts";
import { counts, isAvailable, isReady, wasTaken } from "./well.ts";

interface Watched {
  /** Replicas and surge together. */
  readonly ceiling: Recent;
  readonly floor: Recent;
  /** All that it wants were available, by its sets' own word too, and since then nobody else took any. */
  whole: boolean;
  /** It took on a set that it had not heard of when it made its own: together they have too many Pods for a while. */
  crowded: boolean;
  /** It took on a set that it had not heard of when it made its own, and both still have Pods. */
  joined: boolean;
  /** It was scaled down in the middle of a rollout, or took on a set, and its sets do not all know yet. */
  shrinking: boolean;
  /** Sets that gave up an available Pod and kept one that is ready, but not yet for long enough. */
  readonly choosers: Set<string>;
  /** When which Pod got unready: others may be given up by who has not heard of it yet, also if it is ready again. */
  readonly lost: Map<string, number>;
  /** When somebody else last deleted one: whoever decided just before knew nothing of it. */
  takenAt: number;
}

const TAKERS = new Set(["replicaset-controller", "deployment-controller"]);

export function rollouts({ clockOff }: Circumstances): Invariant {
  const watched = new Map<string, Watched>();

  const bounds = ({ metadata, spec }: Deployment, at: number) => {
    const one = watched.get(metadata.uid) ?? {
      ceiling: createRecent(),
      floor: createRecent(),
      whole: false,
      crowded: false,
      joined: false,
      shrinking: false,
      choosers: new Set<string>(),
      lost: new Map<string, number>(),
      takenAt: Number.NEGATIVE_INFINITY,
    };
    watched.set(metadata.uid, one);
    const wanted = spec?.replicas ?? 1;
    const { maxSurge, maxUnavailable } = limitsOf(spec, wanted);
    one.ceiling.note(wanted + maxSurge, at);
    one.floor.note(wanted - maxUnavailable, at);
    return one;
  };

  const noteAdoption = ({ before, after, at }: Write, objects: Objects) => {
    const owner = before && after && !controllerOf(before) ? controllerOf(after) : undefined;
    const deployment = owner && (objects.byUid(owner.uid) as Deployment | undefined);
    if (!deployment) return;
    const one = bounds(deployment, at);
    one.joined = true;
    if (isShrunk(deployment, objects)) return;
    one.crowded = true;
    // a set that was sized for another number is scaled together with all others, available or not
    one.shrinking = true;
  };

  return {
    onWrite(write, objects) {
      const { resource, at } = write;
      if (resource === "deployments" && write.after) {
        const deployment = write.after as Deployment;
        const one = bounds(deployment, at);
        const before = write.before as Deployment | undefined;
        const grew = (deployment.spec?.replicas ?? 1) > (before?.spec?.replicas ?? 0);
        // who scales down in the middle of a rollout takes from all its sets alike
        const shrank = (deployment.spec?.replicas ?? 1) < (before?.spec?.replicas ?? 0);
        if (shrank && setsOf(deployment, objects).filter(hasPods).length > 1) {
          one.whole = false;
          one.shrinking = true;
        }
        if (grew && available(deployment, objects, at) < (deployment.spec?.replicas ?? 1)) one.whole = false;
      }
      if (resource === "replicasets") noteAdoption(write, objects);
      if (resource !== "pods") return undefined;
      const { before } = write;
      const pod = (write.after ?? before) as Pod;
      const deployment = deploymentOf(pod, objects);
      // one on its way out that leaves its sets behind has let go of some of them already
      if (!deployment || deployment.metadata.deletionTimestamp) return undefined;
      const one = bounds(deployment, at);
      const pods = podsOf(deployment, objects);
      const { name } = deployment.metadata;
      const most = one.ceiling.most(at);
      one.crowded &&= !isShrunk(deployment, objects);
      if (!before && !one.crowded && pods.length > most)
        return `Deployment ${name} has ${pods.length} Pods, ${most} are allowed`;
      if (!before && !one.joined && deployment.spec?.strategy?.type === "Recreate") {
        const old = strangers(pod, deployment, objects)[0];
        if (old) return `Deployment ${name} recreates ${pod.metadata.name} while ${old.metadata.name} is still there`;
      }
      one.joined &&= setsOf(deployment, objects).filter((set) => hasUnended(set, objects)).length > 1;

      const { minReadySeconds = 0 } = deployment.spec ?? {};
      const up = pods.filter((one) => isAvailable(one, minReadySeconds, at)).length;
      const least = one.floor.least(at);
      const gaveUp = gaveUpSpared(one, write, minReadySeconds);
      const taken = wasTaken(write, TAKERS);
      if (taken && !(write.after && counts(write.after as Pod))) one.takenAt = at;
      else if (taken) one.lost.set(pod.metadata.uid, at);
      for (const [uid, since] of one.lost)
        if (
          at - since >= RECENT_MS ||
          !pods.some((pod) => pod.metadata.uid === uid && !isAvailable(pod, minReadySeconds, at))
        )
          one.lost.delete(uid);
      if (at - one.takenAt < RECENT_MS) one.whole = false;
      else if (Math.min(up, told(deployment, objects)) >= (deployment.spec?.replicas ?? 1)) one.whole = true;
      else if (taken) one.whole = false;
      one.shrinking &&= !isShrunk(deployment, objects);
      if (one.shrinking) one.whole = false;
      if (minReadySeconds > 0 && clockOff()) one.whole = false;
      if (gaveUp) one.whole = false;
      const spared = kept(one, write, objects, minReadySeconds) + one.lost.size;
      if (one.whole && up + spared < least)
        return `Deployment ${name} has ${up} available Pods, at least ${least} have to be`;
      return undefined;
    },
  };
}

function deploymentOf(pod: Pod, objects: Objects): Deployment | undefined {
  const owner = controllerOf(pod);
  const set = owner?.kind === "ReplicaSet" ? (objects.byUid(owner.uid) as ReplicaSet | undefined) : undefined;
  const above = set && controllerOf(set);
  return above && (objects.byUid(above.uid) as Deployment | undefined);
}

const hasPods = ({ spec }: ReplicaSet): boolean => (spec?.replicas ?? 0) > 0;

const setsOf = ({ metadata }: Deployment, objects: Objects): readonly ReplicaSet[] =>
  objects.of("replicasets").filter((set) => controllerOf(set)?.uid === metadata.uid);

/** All its sets together ask for no more than it may have, and none has more than it asks for. */
function isShrunk(deployment: Deployment, objects: Objects): boolean {
  const { spec } = deployment;
  const wanted = spec?.replicas ?? 1;
  const sets = setsOf(deployment, objects);
  const asked = sets.reduce((sum, { spec }) => sum + (spec?.replicas ?? 0), 0);
  if (asked > wanted + limitsOf(spec, wanted).maxSurge) return false;
  return sets.every((set) => objects.podsOf(set.metadata.uid).filter(counts).length <= (set.spec?.replicas ?? 0));
}

/**
 * A ReplicaSet that is to give up Pods, those among them that are not available yet, looks whether they are ready and
 * not for how long (as Kubernetes does): how many it kept in place of those that it should have.
 */
function kept(
  { choosers, lost }: Watched,
  { before, after, at }: Write,
  objects: Objects,
  minReadySeconds: number,
): number {
  const isYoung = (pod: Pod) => isReady(pod) && !isAvailable(pod, minReadySeconds, at);
  const young = (set: string) =>
    objects.podsOf(set).filter((pod) => counts(pod) && !lost.has(pod.metadata.uid) && isYoung(pod)).length;
  const former = before as Pod | undefined;
  const isGone = !after || !counts(after as Pod);
  if (former && isGone && isAvailable(former, minReadySeconds, at)) choosers.add(controllerOf(former)?.uid ?? "");
  let sum = 0;
  for (const set of choosers) {
    const count = young(set);
    if (count === 0) choosers.delete(set);
    sum += count;
  }
  return sum;
}

/**
 * One that others made unready, or that was kept so, goes as unhealthy in its turn (as in Kubernetes): those in whose
 * place it was left are gone already.
 */
function gaveUpSpared({ choosers, lost }: Watched, { before, after, at }: Write, minReadySeconds: number): boolean {
  const former = before as Pod | undefined;
  if (!former || (after && counts(after as Pod)) || isAvailable(former, minReadySeconds, at)) return false;
  return lost.has(former.metadata.uid) || (choosers.has(controllerOf(former)?.uid ?? "") && isReady(former));
}

/** Those that are neither ended nor on their way out. */
const podsOf = (deployment: Deployment, objects: Objects): Pod[] =>
  setsOf(deployment, objects).flatMap(({ metadata }) => objects.podsOf(metadata.uid).filter(counts));

const available = (deployment: Deployment, objects: Objects, at: number): number =>
  podsOf(deployment, objects).filter((pod) => isAvailable(pod, deployment.spec?.minReadySeconds ?? 0, at)).length;

/** Available Pods of which its sets have told: what they have not told of may be given up as unhealthy (as in Kubernetes). */
const told = (deployment: Deployment, objects: Objects): number =>
  setsOf(deployment, objects).reduce((sum, { status }) => sum + (status?.availableReplicas ?? 0), 0);

const hasUnended = ({ metadata }: ReplicaSet, objects: Objects): boolean =>
  objects.podsOf(metadata.uid).some((pod) => !isEnded(pod));

/** Pods of its other ReplicaSets that have not ended, those on their way out among them. */
function strangers(pod: Pod, deployment: Deployment, objects: Objects): Pod[] {
  const own = controllerOf(pod)?.uid;
  return setsOf(deployment, objects).flatMap(({ metadata }) =>
    metadata.uid === own ? [] : objects.podsOf(metadata.uid).filter((one) => !isEnded(one)),
  );
}

function limitsOf(spec: Deployment["spec"], wanted: number): { maxSurge: number; maxUnavailable: number } {
  if (spec?.strategy?.type === "Recreate") return { maxSurge: 0, maxUnavailable: wanted };
  const { maxSurge = "25%", maxUnavailable = "25%" } = spec?.strategy?.rollingUpdate ?? {};
  const surge = resolveIntOrPercent(maxSurge, wanted, Math.ceil);
  const unavailable = resolveIntOrPercent(maxUnavailable, wanted, Math.floor);
  return { maxSurge: surge, maxUnavailable: surge === 0 && unavailable === 0 ? 1 : Math.min(unavailable, wanted) };
}
