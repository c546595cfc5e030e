/**
 * Deployment: rolls Pods over from one template to the next by sizing ReplicaSets.
 *
 * There is never a Pod beyond maxSurge nor, by its own doing, one available too few. It makes and
 * sizes ReplicaSets only; Pods are theirs (replicaset.ts). Every step is decided from what is there,
 * so it may stop anywhere and go on later; what it wrote itself must show first (set-writes.ts). The decisions are pure:
 * deployment-revision.ts (which set), -scale.ts (how large), -status.ts (what to report), -rollback.ts.
 * https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
 */
import { keyOf, type Lister } from "../machinery/client/informer.ts";
import {
  again,
  type Controller,
  defineController,
  done,
  type Outcome,
  type Services,
} from "../machinery/loop/controller.ts";
import { findCondition } from "../machinery/objects/conditions.ts";
import type { Deployment, Pod, ReplicaSet } from "../machinery/objects/kinds.ts";
import { controllerOf, isControlledBy } from "../machinery/objects/owners.ts";
import { fromLabelSelector, isEverything } from "../machinery/objects/selectors.ts";
import { isAlreadyExists, isNotFound } from "../machinery/objects/status.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { sameJson } from "./canonical-json.ts";
import { claim, claimable } from "./claim.ts";
import {
  annotationsOf,
  draftSet,
  findNew,
  REVISION,
  replicaAnnotations,
  revisionOf,
  surplusSets,
  templateText,
} from "./deployment-revision.ts";
import { rollbackOf } from "./deployment-rollback.ts";
import {
  isRecreate,
  isScaling,
  maxTotal,
  mayHavePods,
  newSetSize,
  type Resize,
  rescale,
  shrinkOld,
  size,
  wanted,
  withPods,
} from "./deployment-scale.ts";
import {
  condition,
  countedStatus,
  type DeploymentStatus,
  isComplete,
  progressDeadline,
  rolloutStatus,
  setCondition,
  timeToDeadline,
} from "./deployment-status.ts";
import { recreatesWaitingFor } from "./deployment-watches.ts";
import { ownersConcerned, selects } from "./owners-concerned.ts";
import { isTerminal } from "./pod-state.ts";
import { isTerminatingNamespace } from "./replicaset.ts";
import { createSetWrites, type SetWrites } from "./set-writes.ts";

type Context = {
  readonly deployments: Lister<Deployment>;
  readonly replicasets: Lister<ReplicaSet>;
  readonly pods: Lister<Pod>;
  readonly writes: SetWrites;
} & Services;

/** The Deployment as last written, and its sets: `next` runs the present template, `old` the others. */
interface Rollout {
  deployment: Deployment;
  next: ReplicaSet | undefined;
  old: readonly ReplicaSet[];
}

export function deploymentController(): Controller {
  const writes = createSetWrites();
  return defineController({
    name: "deployment-controller",
    workers: 5,
    watches: {
      deployments: ({ key, type }) => {
        if (type === "deleted") writes.forget(key);
        return [key];
      },
      replicasets: (change, listers) => {
        if (change.type === "deleted") writes.gone(change.key, change.object.metadata.uid);
        return ownersConcerned(change, "deployments", listers["deployments"] as unknown as Lister<Deployment>);
      },
      pods: recreatesWaitingFor,
    },

    async reconcile(key, services): Promise<Outcome> {
      const deployment = services.deployments.get(key);
      if (!deployment) return done;
      const wait = await writes.behind(key, services);
      return wait === undefined ? step(deployment, { ...services, writes }) : again(wait);
    },
  });
}

/** Brings the Deployment one step on, and reports where it stands. */
async function step(deployment: Deployment, context: Context): Promise<Outcome> {
  const selector = fromLabelSelector(deployment.spec?.selector);
  if (isEverything(selector)) return selectsAll(deployment, context);

  const rollout: Rollout = { deployment, ...split(deployment, await ownSets(deployment, context)) };
  if (deployment.metadata.deletionTimestamp) return report(rollout, countedStatus, context);

  await notePause(rollout, context);
  await syncNewSet(rollout, context);
  if (await rollBack(rollout, context)) return done;
  if (deployment.spec?.paused || isScaling(deployment, allSets(rollout))) {
    const sizes = rescale(deployment, rollout.next, rollout.old);
    await resize(rollout, isRecreate(deployment) ? sizes.filter(waitsForNobody(rollout, context)) : sizes, context);
    if (deployment.spec?.paused) await cleanUp(rollout, context);
    return report(rollout, countedStatus, context);
  }
  await (isRecreate(deployment) ? recreate(rollout, context) : roll(rollout, context));
  return report(rollout, rolloutStatus, context);
}

/** Every write of a set goes through here. */
function writeSet(
  { deployment }: Rollout,
  set: Draft<ReplicaSet>,
  verb: "create" | "update",
  { client, clock, writes }: Context,
): Promise<ReplicaSet> {
  return writes.send(keyOf(deployment), set, () => client[verb]("replicasets", set), clock.monotonic());
}

const allSets = ({ next, old }: Rollout): readonly ReplicaSet[] => (next ? [...old, next] : old);

async function selectsAll(deployment: Deployment, { client, events }: Context): Promise<Outcome> {
  events.warning(
    deployment,
    "SelectingAll",
    "This deployment is selecting all pods. A non-empty selector is required.",
  );
  const observedGeneration = deployment.metadata.generation ?? 0;
  if ((deployment.status?.observedGeneration ?? 0) < observedGeneration)
    await client.updateStatus("deployments", { ...deployment, status: { ...deployment.status, observedGeneration } });
  return done;
}

async function ownSets(deployment: Deployment, { client, replicasets }: Context): Promise<ReplicaSet[]> {
  const selector = fromLabelSelector(deployment.spec?.selector);
  return claim({
    client,
    ownerResource: "deployments",
    owner: deployment,
    selector,
    resource: "replicasets",
    candidates: claimable(deployment, replicasets),
  });
}

function split(deployment: Deployment, sets: readonly ReplicaSet[]): Pick<Rollout, "next" | "old"> {
  const next = findNew(deployment, sets);
  return { next, old: sets.filter((set) => set !== next) };
}

/** While paused no time runs against the deadline; the condition says so. */
async function notePause(rollout: Rollout, context: Context): Promise<void> {
  const { deployment } = rollout;
  if (progressDeadline(deployment) === undefined) return;
  const progressing = findCondition(deployment.status?.conditions, "Progressing");
  if (progressing?.reason === "ProgressDeadlineExceeded") return;
  const wasPaused = progressing?.reason === "DeploymentPaused";
  const paused = deployment.spec?.paused === true;
  if (paused && !wasPaused)
    await setProgressing(rollout, "Unknown", "DeploymentPaused", "Deployment is paused", context);
  if (!paused && wasPaused)
    await setProgressing(rollout, "Unknown", "DeploymentResumed", "Deployment is resumed", context);
}

async function setProgressing(
  rollout: Rollout,
  status: string,
  reason: string,
  message: string,
  { client, clock }: Context,
): Promise<void> {
  const { deployment } = rollout;
  const next = condition("Progressing", status, reason, message);
  const conditions = setCondition(deployment.status?.conditions, next, clock.now());
  rollout.deployment = await client.updateStatus("deployments", {
    ...deployment,
    status: { ...deployment.status, conditions },
  });
}

/** The new set that is there gets its revision and annotations. One that is missing is not made here. */
async function syncNewSet(rollout: Rollout, context: Context): Promise<void> {
  const { deployment, next, old } = rollout;
  if (!next) return;
  const revision = Math.max(0, ...old.map(revisionOf)) + 1;
  const annotations = annotationsOf(deployment, next, revision);
  const minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
  const { minReadySeconds: before = 0, ...others } = next.spec!;
  if (!sameJson(annotations, next.metadata.annotations) || minReadySeconds !== before) {
    const spec = minReadySeconds ? { ...others, minReadySeconds } : others;
    const changed = { ...next, metadata: { ...next.metadata, annotations }, spec };
    rollout.next = await writeSet(rollout, changed, "update", context);
  }
  await setRevision(rollout, annotations[REVISION] ?? String(revision), context);
  if (progressDeadline(deployment) === undefined || findCondition(deployment.status?.conditions, "Progressing")) return;
  await setProgressing(rollout, "True", "FoundNewReplicaSet", `Found new replica set "${next.metadata.name}"`, context);
}

async function setRevision(rollout: Rollout, revision: string, { client }: Context): Promise<void> {
  const { metadata } = rollout.deployment;
  if (metadata.annotations?.[REVISION] === revision) return;
  const { namespace, name, resourceVersion } = metadata;
  const patch = { metadata: { resourceVersion, annotations: { [REVISION]: revision } } };
  rollout.deployment = await client.patch("deployments", { namespace, name }, patch);
}

/** True where a rollback was asked for; the change of the Deployment brings it again. */
async function rollBack(rollout: Rollout, { client, events }: Context): Promise<boolean> {
  if (rollout.deployment.spec?.paused) return false;
  const rollback = rollbackOf(rollout.deployment, allSets(rollout));
  if (!rollback) return false;
  await client.update("deployments", rollback.deployment);
  events[rollback.level](rollout.deployment, rollback.reason, rollback.message);
  return true;
}

async function roll(rollout: Rollout, context: Context): Promise<void> {
  if (!(await ensureNewSet(rollout, context))) return;
  const { deployment, next, old } = rollout as Rollout & { next: ReplicaSet };
  const replicas = newSetSize(deployment, old, next);
  if (replicas !== size(next)) return resize(rollout, [{ set: next, replicas }], context);
  const smaller = shrinkOld(deployment, old, next);
  if (smaller.length > 0) return resize(rollout, smaller, context);
  await cleanUpWhenComplete(rollout, context);
}

async function recreate(rollout: Rollout, context: Context): Promise<void> {
  const active = withPods(rollout.old);
  if (active.length > 0)
    return resize(
      rollout,
      active.map((set) => ({ set, replicas: 0 })),
      context,
    );
  if (havePods(rollout.old, context)) return;
  if (!(await ensureNewSet(rollout, context))) return;
  const { deployment, next } = rollout as Rollout & { next: ReplicaSet };
  await resize(rollout, [{ set: next, replicas: wanted(deployment) }], context);
  await cleanUpWhenComplete(rollout, context);
}

/** One that recreates was perhaps paused while Pods of another set end: no set grows beside them then, either. */
function waitsForNobody(rollout: Rollout, context: Context): (resize: Resize) => boolean {
  const others = (set: ReplicaSet) => allSets(rollout).filter((other) => other !== set);
  return ({ set, replicas }) => replicas <= size(set) || !havePods(others(set), context);
}

function havePods(sets: readonly ReplicaSet[], { pods }: Context): boolean {
  return sets.some((set) => mayHavePods(set) || pods.ownedBy(set.metadata.uid).some((pod) => !isTerminal(pod)));
}

/** Makes the new set where there is none. False where it could not be made in this namespace any more. */
async function ensureNewSet(rollout: Rollout, context: Context): Promise<boolean> {
  if (rollout.next) return true;
  const { deployment, old } = rollout;
  const { events } = context;
  const revision = Math.max(0, ...old.map(revisionOf)) + 1;
  const replicas = newSetSize(deployment, old, undefined);
  const annotations = {
    ...annotationsOf(deployment, undefined, revision),
    ...replicaAnnotations(wanted(deployment), maxTotal(deployment)),
  };
  const draft = draftSet(deployment, replicas, annotations);
  try {
    rollout.next = await writeSet(rollout, draft, "create", context);
  } catch (error) {
    if (isTerminatingNamespace(error)) return false;
    if (isAlreadyExists(error)) return takeExisting(rollout, draft.metadata.name!, context);
    await reportFailure(rollout, draft.metadata.name!, error, context);
    throw error;
  }
  const { name } = rollout.next.metadata;
  if (replicas > 0)
    events.normal(deployment, "ScalingReplicaSet", `Scaled up replica set ${name} from 0 to ${replicas}`);
  await setRevision(rollout, String(revision), context);
  if (progressDeadline(deployment) !== undefined)
    await setProgressing(rollout, "True", "NewReplicaSetCreated", `Created new replica set "${name}"`, context);
  return true;
}

/**
 * The name is taken: by our own set, which the cache does not show yet, by one that a former Deployment left behind and
 * that is ours as soon as the cache shows that, or by another, then the next name is tried.
 */
async function takeExisting(rollout: Rollout, name: string, { client }: Context): Promise<boolean> {
  const { deployment } = rollout;
  const set = await client.get("replicasets", { namespace: deployment.metadata.namespace, name });
  const same = templateText(set.spec?.template) === templateText(deployment.spec?.template);
  if (same && isControlledBy(set, deployment)) {
    rollout.next = set;
    return true;
  }
  if (same && !controllerOf(set) && !set.metadata.deletionTimestamp && selects(deployment, set)) return false;
  const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
  rollout.deployment = await client.updateStatus("deployments", {
    ...deployment,
    status: { ...deployment.status, collisionCount },
  });
  return false;
}

async function reportFailure(rollout: Rollout, name: string, error: unknown, context: Context): Promise<void> {
  const message = `Failed to create new replica set "${name}": ${(error as Error).message}`;
  context.events.warning(rollout.deployment, "ReplicaSetCreateError", message);
  if (progressDeadline(rollout.deployment) !== undefined)
    await setProgressing(rollout, "False", "ReplicaSetCreateError", message, context);
}

/** Writes the sizes, with what they were computed for. */
async function resize(rollout: Rollout, resizes: readonly Resize[], context: Context): Promise<void> {
  const { deployment } = rollout;
  const noted = replicaAnnotations(wanted(deployment), maxTotal(deployment));
  for (const { set, replicas } of resizes) {
    const annotations = { ...set.metadata.annotations, ...noted };
    const before = size(set);
    if (replicas === before && sameJson(annotations, set.metadata.annotations)) continue;
    const { name } = set.metadata;
    const changed = { ...set, metadata: { ...set.metadata, annotations }, spec: { ...set.spec!, replicas } };
    const written = await writeSet(rollout, changed, "update", context);
    if (replicas !== before) {
      const direction = replicas > before ? "up" : "down";
      context.events.normal(
        deployment,
        "ScalingReplicaSet",
        `Scaled ${direction} replica set ${name} from ${before} to ${replicas}`,
      );
    }
    if (set === rollout.next) rollout.next = written;
    else rollout.old = rollout.old.map((one) => (one === set ? written : one));
  }
}

async function cleanUpWhenComplete(rollout: Rollout, context: Context): Promise<void> {
  const { deployment, next } = rollout;
  const status = countedStatus(deployment, allSets(rollout), next, context.clock.now());
  if (isComplete(deployment, status)) await cleanUp(rollout, context);
}

/** Old sets beyond the history limit go. */
async function cleanUp({ deployment, old }: Rollout, { client }: Context): Promise<void> {
  for (const { metadata } of surplusSets(deployment, old)) {
    const { namespace, name, uid, resourceVersion } = metadata;
    try {
      await client.delete("replicasets", { namespace, name }, { preconditions: { uid, resourceVersion } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

/** Writes the status where it differs, and says when to look again if nothing happens. */
async function report(
  rollout: Rollout,
  compute: (
    deployment: Deployment,
    all: readonly ReplicaSet[],
    next: ReplicaSet | undefined,
    now: number,
  ) => DeploymentStatus,
  { client, clock }: Context,
): Promise<Outcome> {
  const { deployment, next } = rollout;
  const status = compute(deployment, allSets(rollout), next, clock.now());
  if (!sameJson(status, deployment.status)) await client.updateStatus("deployments", { ...deployment, status });
  const wait = timeToDeadline(deployment, status, clock.now());
  return wait === undefined ? done : again(wait);
}
