/**
 * ReplicaSet: keeps a number of Pods alive that match a selector. ReplicationControllers are kept by the same code.
 *
 * It never creates or deletes while its cache does not show what it asked for before (expectations),
 * so a lagging cache never makes a Pod too many, nor does an answer that got lost: pod-creations.ts.
 * Which Pods go first: pod-deletion-order.ts; which belong to it: claim.ts. Rollouts are the Deployment's: deployment.ts.
 * https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/
 */
import type { Change, Lister } from "../machinery/client/informer.ts";
import {
  again,
  type Controller,
  defineController,
  done,
  type Outcome,
  type Services,
  type Watches,
} from "../machinery/loop/controller.ts";
import { createExpectations, type Expectations, OVERDUE_MS } from "../machinery/loop/expectations.ts";
import { findCondition, withCondition, withoutCondition } from "../machinery/objects/conditions.ts";
import { kinds, type Pod, type ReplicaSet, type ReplicationController } from "../machinery/objects/kinds.ts";
import { controllerOf } from "../machinery/objects/owners.ts";
import { fromLabelSelector } from "../machinery/objects/selectors.ts";
import { ApiError, isConflict } from "../machinery/objects/status.ts";
import type { Draft, StoredObject } from "../machinery/objects/wire.ts";
import { wireTime } from "../machinery/process/clock.ts";
import { sameJson } from "./canonical-json.ts";
import { claim, claimable } from "./claim.ts";
import { observe, ownersConcerned } from "./owners-concerned.ts";
import { createPodCreations, isStill, type PodCreations } from "./pod-creations.ts";
import { podsToDelete } from "./pod-deletion-order.ts";
import { createPodDeletions, type PodDeletions } from "./pod-deletions.ts";
import { podFromTemplate } from "./pod-from-template.ts";
import { isActive, isAvailable, isReady, isTerminating, timeToAvailable } from "./pod-state.ts";

type Context = { readonly sets: Lister<ReplicaSet>; readonly pods: Lister<Pod>; readonly kind: ReplicaKind } & Services;
type Status = NonNullable<ReplicaSet["status"]>;

/** What differs between the kinds whose objects keep a number of Pods. */
export interface ReplicaKind {
  readonly resource: "replicasets" | "replicationcontrollers";
  readonly controller: string;
  /** The objects in the form of ReplicaSets. */
  sets(lister: Lister<StoredObject>): Lister<ReplicaSet>;
  /** The part of a status that the kind has fields for. */
  shown(status: Status): Status;
}

const REPLICA_SETS: ReplicaKind = {
  resource: "replicasets",
  controller: "replicaset-controller",
  sets: (lister) => lister as unknown as Lister<ReplicaSet>,
  shown: (status) => status,
};

export const replicaSetController = (): Controller => replicaController(REPLICA_SETS);

/** What was asked of the server and may not be in the cache. */
interface Asked {
  readonly expectations: Expectations;
  readonly creations: PodCreations;
  readonly deletions: PodDeletions;
}

/** Most Pods created or deleted in one go. */
const BURST = 500;

export function replicaController(kind: ReplicaKind): Controller {
  const { resource } = kind;
  const expectations = createExpectations();
  const creations = createPodCreations(expectations);
  const deletions = createPodDeletions(expectations);
  const asked: Asked = { expectations, creations, deletions };
  return defineController({
    name: kind.controller,
    workers: 5,
    paced: true,
    watches: {
      [resource]: ({ key, type }: Change<StoredObject>) => {
        if (type === "deleted") for (const one of [creations, deletions]) one.forget(key);
        return [key];
      },
      pods: (change: Change<Pod>, listers: Readonly<Record<string, Lister<StoredObject>>>) => {
        observe(change, resource, asked);
        return ownersConcerned(change, resource, kind.sets(listers[resource]!));
      },
    } as Watches,

    async reconcile(key, services): Promise<Outcome> {
      const listers = services as unknown as Record<string, Lister<StoredObject>> & { readonly pods: Lister<Pod> };
      const context: Context = { ...services, pods: listers.pods, sets: kind.sets(listers[resource]!), kind };
      const set = context.sets.get(key);
      if (!set) return done;

      await creations.settle(key, set, context);
      await deletions.settle(key, context);
      if (!isStill(set, context.sets.get(key))) return done;
      const settled = expectations.satisfied(key, context.clock.monotonic());
      // of the same moment as the list: while Pods are adopted and made, the cache goes on
      const awaited = creations.unseen(key);
      const pods = await ownPods(set, context);
      const active = pods.filter(isActive);

      const deleting = set.metadata.deletionTimestamp !== undefined;
      const { made, failure } = settled && !deleting ? await scale(key, set, active, context, asked) : NOTHING_DONE;

      const now = context.clock.now();
      const status = kind.shown(statusOf(set, pods, awaited + made, failure, now));
      if (!sameJson(status, set.status)) await writeStatus(set, status, context);
      if (failure) throw failure.error;

      const unseen = expectations.satisfied(key, context.clock.monotonic()) ? undefined : OVERDUE_MS;
      const wait = nextAvailable(active, set.spec?.minReadySeconds ?? 0, now) ?? unseen;
      return wait === undefined ? done : again(wait);
    },
  });
}

async function writeStatus({ metadata }: ReplicaSet, status: Status, { client, kind }: Context): Promise<void> {
  await client.updateStatus(kind.resource, { metadata, status } as Draft<ReplicaSet> & Draft<ReplicationController>);
}

/** The set's Pods, those on their way out included. */
async function ownPods(set: ReplicaSet, { client, pods, kind }: Context): Promise<Pod[]> {
  const selector = fromLabelSelector(set.spec?.selector);
  return claim({
    client,
    ownerResource: kind.resource,
    owner: set,
    selector,
    resource: "pods",
    candidates: claimable(set, pods),
    adoptable: isActive,
  });
}

interface Failure {
  readonly reason: "FailedCreate" | "FailedDelete";
  readonly error: unknown;
}

interface Scaled {
  /** Pods that are there now, or may be, and were not listed. */
  readonly made: number;
  readonly failure?: Failure;
}

const NOTHING_DONE: Scaled = { made: 0 };

async function scale(
  key: string,
  set: ReplicaSet,
  active: readonly Pod[],
  context: Context,
  asked: Asked,
): Promise<Scaled> {
  const missing = (set.spec?.replicas ?? 1) - active.length;
  if (missing > 0) return create(key, set, Math.min(missing, BURST), context, asked.creations);
  if (missing === 0) return NOTHING_DONE;
  const count = Math.min(-missing, BURST);
  const chosen = podsToDelete(active, relatedPods(set, active, context), count, context.clock.now());
  // one that has got ready since must not go for having been the one that was not
  const asSeen = (pod: Pod) => chosen.length < active.length && !isReady(pod);
  const { error } = await asked.deletions.delete(key, set, chosen, context, asSeen);
  if (isConflict(error)) throw error;
  return error === undefined ? NOTHING_DONE : { made: 0, failure: { reason: "FailedDelete", error } };
}

async function create(
  key: string,
  set: ReplicaSet,
  count: number,
  context: Context,
  creations: PodCreations,
): Promise<Scaled> {
  const { events } = context;
  const draft = podFromTemplate(set.spec?.template ?? {}, set, kinds[context.kind.resource]);
  const creation = {
    prefix: draft.metadata.generateName!,
    draft: (name: string) => ({ ...draft, metadata: { ...draft.metadata, name } }),
    made: (name: string) => events.normal(set, "SuccessfulCreate", `Created pod: ${name}`),
  };
  const { succeeded, doubtful, error } = await creations.create(key, set, Array(count).fill(creation), context);
  const made = succeeded + doubtful;
  if (error === undefined || isTerminatingNamespace(error)) return { made };
  events.warning(set, "FailedCreate", `Error creating: ${(error as Error).message}`);
  return { made, failure: { reason: "FailedCreate", error } };
}

/** Active Pods of all sets with the same Deployment: where they crowd, one goes first. */
function relatedPods(set: ReplicaSet, own: readonly Pod[], { sets, pods }: Context): readonly Pod[] {
  const deployment = controllerOf(set);
  if (!deployment) return own;
  return sets.ownedBy(deployment.uid).flatMap(({ metadata }) => pods.ownedBy(metadata.uid).filter(isActive));
}

/** In a namespace that is going away nothing can be made, and nothing needs to be. */
export function isTerminatingNamespace(error: unknown): boolean {
  const causes = error instanceof ApiError ? (error.details?.causes ?? []) : [];
  return causes.some(({ reason }) => reason === "NamespaceTerminating");
}

/**
 * The status that the set should show. Pods that are made already count before the cache shows them:
 * a Deployment that has made the set smaller must know of them.
 */
export function statusOf(
  set: ReplicaSet,
  pods: readonly Pod[],
  unseen: number,
  failure: Failure | undefined,
  now: number,
): Status {
  const labels = Object.entries(set.spec?.template?.metadata?.labels ?? {});
  const conditions = conditionsOf(set, failure, now);
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  const counts = { fullyLabeledReplicas: 0, readyReplicas: 0, availableReplicas: 0 };
  let active = 0;
  let terminating = 0;
  for (const pod of pods) {
    if (isTerminating(pod)) terminating++;
    if (!isActive(pod)) continue;
    active++;
    if (labels.every(([name, value]) => pod.metadata.labels?.[name] === value)) counts.fullyLabeledReplicas++;
    if (!isReady(pod)) continue;
    counts.readyReplicas++;
    if (isAvailable(pod, minReadySeconds, now)) counts.availableReplicas++;
  }
  const next: Status = {
    ...set.status,
    replicas: active + unseen,
    ...counts,
    terminatingReplicas: terminating,
    observedGeneration: set.metadata.generation ?? 0,
    conditions,
  };
  for (const [name, count] of Object.entries(counts)) if (count === 0) delete next[name as keyof Status];
  if (conditions.length === 0) delete next.conditions;
  return next;
}

function conditionsOf(set: ReplicaSet, failure: Failure | undefined, now: number) {
  const conditions = set.status?.conditions;
  if (!failure) return withoutCondition(conditions, "ReplicaFailure");
  if (findCondition(conditions, "ReplicaFailure")?.reason === failure.reason) return conditions ?? [];
  const { reason, error } = failure;
  const condition = { type: "ReplicaFailure", status: "True", reason, message: (error as Error).message };
  return withCondition(conditions, condition, wireTime(now));
}

/** Milliseconds until the next ready Pod becomes available, where one waits. */
function nextAvailable(active: readonly Pod[], minReadySeconds: number, now: number): number | undefined {
  if (minReadySeconds === 0) return undefined;
  const waits = active
    .map((pod) => timeToAvailable(pod, minReadySeconds, now))
    .filter((ms) => ms !== undefined && ms > 0);
  return waits.length > 0 ? (waits as number[]).reduce((a, b) => Math.min(a, b)) : undefined;
}
