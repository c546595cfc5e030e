/**
 * Disruption: keeps each PodDisruptionBudget's status true: how many of its Pods may be evicted now.
 *
 * The eviction API takes from status.disruptionsAllowed without asking anybody, so what is written here is
 * written only over the version that it was reckoned from, and where it cannot be reckoned nothing is allowed.
 * The counts: disruption-status.ts. Conditions that evictions left behind: stale-disruption.ts.
 * https://kubernetes.io/docs/tasks/run-application/configure-pdb/
 */
import type { Change, Lister, ObjectKey } from "../machinery/client/informer.ts";
import {
  again,
  type Controller,
  defineController,
  done,
  type Enqueue,
  enqueueSelf,
  type Outcome,
  type Services,
} from "../machinery/loop/controller.ts";
import type {
  Deployment,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from "../machinery/objects/kinds.ts";
import { controllerOf } from "../machinery/objects/owners.ts";
import { formatLabelSelector, fromLabelSelector, matches } from "../machinery/objects/selectors.ts";
import { ApiError, isConflict } from "../machinery/objects/status.ts";
import type { OwnerReference, StoredObject } from "../machinery/objects/wire.ts";
import { sameJson } from "./canonical-json.ts";
import {
  type BudgetStatus,
  countHealthy,
  disrupted,
  failedStatus,
  needsScale,
  statusOf,
  wanted,
} from "./disruption-status.ts";
import { type Scale, scaleOf } from "./scale-subresource.ts";

type Context = {
  readonly poddisruptionbudgets: Lister<PodDisruptionBudget>;
  readonly pods: Lister<Pod>;
  readonly replicasets: Lister<ReplicaSet>;
  readonly deployments: Lister<Deployment>;
  readonly statefulsets: Lister<StatefulSet>;
  readonly replicationcontrollers: Lister<ReplicationController>;
} & Services;

/** What owns Pods and says how many it wants. */
type Scaled = StoredObject & { readonly spec?: { readonly replicas?: number } };

export function disruptionController(): Controller {
  /** Pods of which it was told that several budgets have them. */
  const told = new Map<ObjectKey, ReadonlySet<string>>();
  return defineController({
    name: "disruption-controller",
    workers: 2,
    paced: true,
    watches: {
      poddisruptionbudgets: enqueueSelf,
      pods: budgetsOfPod,
      replicasets: budgetsOfOwner,
      deployments: budgetsOfOwner,
      statefulsets: budgetsOfOwner,
      replicationcontrollers: budgetsOfOwner,
    },

    async reconcile(key, context): Promise<Outcome> {
      const { client, clock } = context;
      const budget = context.poddisruptionbudgets.get(key);
      if (!budget) {
        told.delete(key);
        return done;
      }
      const { status, wait, error } = await reckon(budget, context).catch((failure: unknown) => {
        if (isConflict(failure)) throw failure;
        return { ...failed(budget, failure, clock.now()), wait: undefined };
      });
      tellShared(key, budget, context, told);
      if (!sameJson(status, budget.status)) await client.updateStatus("poddisruptionbudgets", { ...budget, status });
      if (error) throw error;
      return wait === undefined ? done : again(wait);
    },
  });
}

/** The budgets that have the Pod, or had it. */
function budgetsOfPod({ object, old }: Change<Pod>, listers: Parameters<Enqueue<Pod>>[1]): string[] {
  const budgets = listers["poddisruptionbudgets"]?.list(object.metadata.namespace) as readonly PodDisruptionBudget[];
  return budgets
    .filter((budget) => hasPod(budget, object) || (old !== undefined && hasPod(budget, old)))
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

function budgetsOfOwner(change: Change<StoredObject>, listers: Parameters<Enqueue<StoredObject>>[1]): string[] {
  const { object, old } = change as Change<Scaled>;
  if (change.type === "updated" && object.spec?.replicas === old?.spec?.replicas) return [];
  const budgets = listers["poddisruptionbudgets"]?.list(object.metadata.namespace) ?? [];
  return budgets.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

const hasPod = ({ spec }: PodDisruptionBudget, { metadata }: Pod): boolean =>
  matches(fromLabelSelector(spec?.selector), metadata.labels);

interface Reckoned {
  readonly status: BudgetStatus;
  readonly wait: number | undefined;
  /** To be tried again, after nothing was allowed. */
  readonly error?: unknown;
}

async function reckon(budget: PodDisruptionBudget, context: Context): Promise<Reckoned> {
  const { clock, events } = context;
  const now = clock.now();
  const pods = context.pods.list(budget.metadata.namespace).filter((pod) => hasPod(budget, pod));
  if (pods.length === 0) events.normal(budget, "NoPods", "No matching pods found");

  const scale = needsScale(budget) ? await wantedByOwners(budget, pods, context) : 0;
  const { expected, healthy: desired } = wanted(budget, pods.length, scale);
  const gone = disrupted(budget, pods, now);
  for (const pod of gone.stayed) {
    const { namespace } = budget.metadata;
    events.warning(pod, "NotDeleted", `Pod was expected by PDB ${namespace}/${namespace} to be deleted but it wasn't`);
  }
  const counts = { expected, desired, healthy: countHealthy(pods, gone.pods), disrupted: gone.pods };
  return { status: statusOf(budget, counts, now), wait: gone.wait };
}

function failed(budget: PodDisruptionBudget, failure: unknown, now: number) {
  const { message } = failure as Error;
  const status = failedStatus(budget, message, now);
  const passing = failure instanceof ApiError && failure.retryable;
  return { status, ...(passing ? { error: failure } : {}) };
}

/** What the Pods' owners ask for, all together. */
async function wantedByOwners(budget: PodDisruptionBudget, pods: readonly Pod[], context: Context): Promise<number> {
  const { events } = context;
  const { namespace = "" } = budget.metadata;
  const scales = new Map<string, number>();
  const asked = new Set<string>();
  let unmanaged = false;
  try {
    for (const pod of pods) {
      const owner = controllerOf(pod);
      unmanaged ||= !owner;
      if (!owner || asked.has(owner.uid)) continue;
      asked.add(owner.uid);
      const scale = scaleFromCache(owner, namespace, context) ?? (await scaleFromServer(owner, namespace, context));
      if (!scale) throw new Error(`found no controllers for pod "${pod.metadata.name}"`);
      scales.set(scale.uid, scale.replicas);
    }
  } catch (error) {
    const message = `Failed to calculate the number of expected pods: ${(error as Error).message}`;
    events.warning(budget, "CalculateExpectedPodCountFailed", message);
    throw error;
  }
  if (unmanaged) {
    const selector = formatLabelSelector(budget.spec?.selector);
    events.warning(
      budget,
      "UnmanagedPods",
      `Pods selected by this PodDisruptionBudget (selector: ${selector}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`,
    );
  }
  return [...scales.values()].reduce((sum, replicas) => sum + replicas, 0);
}

/** Of the kinds that are watched; a ReplicaSet's Deployment counts in its place. */
function scaleFromCache(owner: OwnerReference, namespace: string, context: Context): Scale | undefined {
  const key = `${namespace}/${owner.name}`;
  const { apiVersion, kind } = owner;
  const group = apiVersion.includes("/") ? apiVersion.split("/")[0] : "";
  const found = listerOf(`${group}/${kind}`, context)?.get(key);
  if (found?.metadata.uid !== owner.uid) return undefined;
  const above = kind === "ReplicaSet" ? controllerOf(found) : undefined;
  const deployment = above?.kind === "Deployment" ? context.deployments.get(`${namespace}/${above.name}`) : undefined;
  return askedBy(deployment && deployment.metadata.uid === above?.uid ? deployment : found);
}

async function scaleFromServer(owner: OwnerReference, namespace: string, { client }: Context) {
  const scale = await scaleOf(client, owner, namespace);
  return scale?.uid === owner.uid ? scale : undefined;
}

const askedBy = ({ metadata, spec }: Scaled): Scale => ({ uid: metadata.uid, replicas: spec?.replicas ?? 1 });

function listerOf(groupKind: string, context: Context): Lister<Scaled> | undefined {
  const watched: Readonly<Record<string, Lister<Scaled>>> = {
    "apps/ReplicaSet": context.replicasets,
    "extensions/ReplicaSet": context.replicasets,
    "apps/StatefulSet": context.statefulsets,
    "/ReplicationController": context.replicationcontrollers,
  };
  return watched[groupKind];
}

/** Evictions of a Pod that several budgets have are refused, so each such Pod says so, once. */
function tellShared(
  key: ObjectKey,
  budget: PodDisruptionBudget,
  { poddisruptionbudgets, pods, events }: Context,
  told: Map<ObjectKey, ReadonlySet<string>>,
): void {
  const { namespace, name } = budget.metadata;
  const others = poddisruptionbudgets.list(namespace).filter(({ metadata }) => metadata.name !== name);
  if (others.length === 0) {
    told.delete(key);
    return;
  }
  const shared = pods
    .list(namespace)
    .filter((pod) => hasPod(budget, pod) && others.some((other) => hasPod(other, pod)));
  for (const pod of shared.filter(({ metadata }) => !told.get(key)?.has(metadata.uid))) {
    const message = `Pod "${namespace}"/"${pod.metadata.name}" matches multiple PodDisruptionBudgets.  Chose "${name}" arbitrarily.`;
    events.warning(pod, "MultiplePodDisruptionBudgets", message);
  }
  told.set(key, new Set(shared.map(({ metadata }) => metadata.uid)));
}
