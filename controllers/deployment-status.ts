/**
 * Status of a Deployment: counts, and the conditions Available, Progressing and ReplicaFailure. Pure.
 *
 * `kubectl rollout status` and `kubectl wait` read these; their reasons and messages are Kubernetes' own.
 */
import { findCondition, withoutCondition } from "../machinery/objects/conditions.ts";
import type { Deployment, DeploymentCondition, ReplicaSet } from "../machinery/objects/kinds.ts";
import { wireTime } from "../machinery/process/clock.ts";
import { fences, total, wanted } from "./deployment-scale.ts";

export type DeploymentStatus = NonNullable<Deployment["status"]>;

const NO_DEADLINE = 2 ** 31 - 1;

/** Milliseconds, undefined where there is none. */
export function progressDeadline({ spec }: Deployment): number | undefined {
  const seconds = spec?.progressDeadlineSeconds;
  return seconds === undefined || seconds === NO_DEADLINE ? undefined : seconds * 1000;
}

/** Counts and Available. */
export function countedStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  next: ReplicaSet | undefined,
  now: number,
): DeploymentStatus {
  const sum = (read: (status: NonNullable<ReplicaSet["status"]>) => number | undefined) =>
    all.reduce((result, { status }) => result + (status ? (read(status) ?? 0) : 0), 0);
  const available = sum((status) => status.availableReplicas);
  const counts = {
    replicas: sum((status) => status.replicas),
    updatedReplicas: next?.status?.replicas ?? 0,
    readyReplicas: sum((status) => status.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, total(all) - available),
  };
  const { collisionCount, conditions } = deployment.status ?? {};
  const enough = available >= wanted(deployment) - fences(deployment).unavailable;
  return {
    observedGeneration: deployment.metadata.generation ?? 0,
    ...Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)),
    terminatingReplicas: sum((status) => status.terminatingReplicas),
    ...(collisionCount ? { collisionCount } : {}),
    conditions: setCondition(
      conditions,
      enough
        ? condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        : condition(
            "Available",
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
          ),
      now,
    ),
  };
}

/** The status during and after a rollout: as counted, with Progressing and ReplicaFailure. */
export function rolloutStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  next: ReplicaSet | undefined,
  now: number,
): DeploymentStatus {
  const counted = countedStatus(deployment, all, next, now);
  let conditions = counted.conditions;
  const progressing = findCondition(deployment.status?.conditions, "Progressing");
  if (progressDeadline(deployment) === undefined) {
    conditions = withoutCondition(conditions, "Progressing");
  } else if (!wasComplete(counted, progressing)) {
    const verdict = verdictOf(deployment, counted, now);
    if (verdict) conditions = progress(conditions, verdict, subjectOf(deployment, next), now);
  }
  const failure = failureOf(all, next);
  conditions = failure ? setCondition(conditions, failure, now) : withoutCondition(conditions, "ReplicaFailure");
  return { ...counted, conditions };
}

type Verdict = keyof typeof VERDICTS;

const VERDICTS = {
  complete: { status: "True", reason: "NewReplicaSetAvailable", words: "has successfully progressed." },
  progressing: { status: "True", reason: "ReplicaSetUpdated", words: "is progressing." },
  timedOut: { status: "False", reason: "ProgressDeadlineExceeded", words: "has timed out progressing." },
} as const;

function verdictOf(deployment: Deployment, counted: DeploymentStatus, now: number): Verdict | undefined {
  if (isComplete(deployment, counted)) return "complete";
  if (hasProgressed(deployment.status ?? {}, counted)) return "progressing";
  return isTimedOut(deployment, now) ? "timedOut" : undefined;
}

/** A rollout that was complete stays so: Pods that come and go later are no progress. */
function wasComplete(
  { replicas = 0, updatedReplicas = 0 }: DeploymentStatus,
  progressing: DeploymentCondition | undefined,
) {
  return replicas === updatedReplicas && progressing?.reason === "NewReplicaSetAvailable";
}

export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const replicas = wanted(deployment);
  return (
    (status.updatedReplicas ?? 0) === replicas &&
    (status.replicas ?? 0) === replicas &&
    (status.availableReplicas ?? 0) === replicas &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

function hasProgressed(before: DeploymentStatus, after: DeploymentStatus): boolean {
  const old = ({ replicas = 0, updatedReplicas = 0 }: DeploymentStatus) => replicas - updatedReplicas;
  return (
    (after.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(after) < old(before) ||
    (after.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

function isTimedOut(deployment: Deployment, now: number): boolean {
  const progressing = findCondition(deployment.status?.conditions, "Progressing");
  const deadline = progressDeadline(deployment);
  if (!progressing || deadline === undefined || progressing.reason === VERDICTS.complete.reason) return false;
  if (progressing.reason === VERDICTS.timedOut.reason) return true;
  return Date.parse(progressing.lastUpdateTime ?? "") + deadline < now;
}

/** Milliseconds until a rollout that stands still has timed out; undefined when none is under way. */
export function timeToDeadline(deployment: Deployment, status: DeploymentStatus, now: number): number | undefined {
  const progressing = findCondition(status.conditions, "Progressing");
  const deadline = progressDeadline(deployment);
  if (!progressing || deadline === undefined || isComplete(deployment, status)) return undefined;
  if (progressing.reason === VERDICTS.timedOut.reason || deployment.spec?.paused) return undefined;
  // times are kept in whole seconds: one more makes sure that it has passed
  return Math.max(0, Date.parse(progressing.lastUpdateTime ?? "") + deadline - now) + 1000;
}

/** Each step of progress renews lastUpdateTime, from which the deadline counts; lastTransitionTime stays. */
function progress(conditions: DeploymentCondition[] | undefined, verdict: Verdict, subject: string, now: number) {
  const { status, reason, words } = VERDICTS[verdict];
  const next = condition("Progressing", status, reason, `${subject} ${words}`);
  const before = findCondition(conditions, "Progressing");
  if (verdict !== "progressing" || before?.status !== "True") return setCondition(conditions, next, now);
  const kept = { ...stamped(next, now), lastTransitionTime: before.lastTransitionTime ?? wireTime(now) };
  return [...withoutCondition(conditions, "Progressing"), kept];
}

function subjectOf(deployment: Deployment, next: ReplicaSet | undefined): string {
  return next ? `ReplicaSet "${next.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
}

function failureOf(all: readonly ReplicaSet[], next: ReplicaSet | undefined): DeploymentCondition | undefined {
  for (const set of next ? [next, ...all] : all) {
    const failure = findCondition(set.status?.conditions, "ReplicaFailure");
    if (failure) return condition("ReplicaFailure", failure.status, failure.reason ?? "", failure.message ?? "");
  }
  return undefined;
}

export function condition(type: string, status: string, reason: string, message: string): DeploymentCondition {
  return { type, status, reason, message };
}

const stamped = (one: DeploymentCondition, now: number): DeploymentCondition => ({
  ...one,
  lastUpdateTime: wireTime(now),
  lastTransitionTime: wireTime(now),
});

/** The list with the condition in it; nothing changes where status and reason are the same. */
export function setCondition(
  conditions: DeploymentCondition[] | undefined,
  next: DeploymentCondition,
  now: number,
): DeploymentCondition[] {
  const before = findCondition(conditions, next.type);
  if (before && before.status === next.status && before.reason === next.reason) return conditions ?? [];
  const settled = stamped(next, now);
  if (before?.status === next.status && before.lastTransitionTime)
    settled.lastTransitionTime = before.lastTransitionTime;
  return [...withoutCondition(conditions, next.type), settled];
}
