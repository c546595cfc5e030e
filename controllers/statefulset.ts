/**
 * StatefulSet: Pods with lasting names, each with volumes of its own, made and replaced in order.
 *
 * There are never two Pods of one ordinal: a Pod is made under the name of its ordinal, and deleted only as the one
 * that was seen (by uid), after all of them were looked at on the server; so a lagging cache does nothing twice. Claims come before their Pod, and before a Pod is
 * scaled away they belong to whom they should go with. The decisions are pure: statefulset-plan.ts (what is done next),
 * -pods.ts (how Pods look), -claims.ts (who owns claims), -status.ts; former templates: controller-revision.ts.
 * https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/
 */
import { type Change, keyOf, type Lister } from "../machinery/client/informer.ts";
import {
  again,
  type Controller,
  defineController,
  done,
  enqueueSelf,
  type Outcome,
  type Services,
} from "../machinery/loop/controller.ts";
import type { ControllerRevision, PersistentVolumeClaim, Pod, StatefulSet } from "../machinery/objects/kinds.ts";
import { isControlledBy } from "../machinery/objects/owners.ts";
import { formatLabelSelector, fromLabelSelector } from "../machinery/objects/selectors.ts";
import { isAlreadyExists, isConflict, isNotFound } from "../machinery/objects/status.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { sameJson } from "./canonical-json.ts";
import { claim, claimable } from "./claim.ts";
import {
  ownersOfRevision,
  ownRevisions,
  presentRevision,
  type RevisedKind,
  truncateHistory,
} from "./controller-revision.ts";
import { ownersConcerned, selects } from "./owners-concerned.ts";
import { isTerminatingNamespace } from "./replicaset.ts";
import { inGrowingBatches } from "./slow-start.ts";
import { firstOwners, isOfFormer, isStale, ownershipOf } from "./statefulset-claims.ts";
import { isParallel, planOf, type Step, type View } from "./statefulset-plan.ts";
import { claimNames, draftClaims, draftPod, ordinalOf, podName, repaired, revisionOfPod } from "./statefulset-pods.ts";
import {
  leavingStatus,
  nextAvailable,
  type Revisions,
  type StatefulSetStatus,
  statusOf,
} from "./statefulset-status.ts";

type Context = {
  readonly statefulsets: Lister<StatefulSet>;
  readonly pods: Lister<Pod>;
  readonly controllerrevisions: Lister<ControllerRevision>;
  readonly persistentvolumeclaims: Lister<PersistentVolumeClaim>;
} & Services;

type Listers = Readonly<Record<string, unknown>>;

const REVISED: RevisedKind = { resource: "statefulsets", hashLabel: "controller.kubernetes.io/hash" };

export const statefulSetController: Controller = defineController({
  name: "statefulset-controller",
  workers: 5,
  paced: true,
  watches: {
    statefulsets: enqueueSelf,
    pods: (change, listers) => ownersConcerned(change, "statefulsets", setsIn(listers), isNamedLike),
    controllerrevisions: (change, listers) => ownersOfRevision(change, REVISED, setsIn(listers)),
    persistentvolumeclaims: (change, listers) => setsOfClaim(change, setsIn(listers)),
  },

  async reconcile(key, context): Promise<Outcome> {
    const set = context.statefulsets.get(key);
    if (!set) return done;

    const pods = await ownPods(set, context);
    const now = context.clock.now();
    if (set.metadata.deletionTimestamp) {
      await report(set, leavingStatus(set, pods, now), context);
      return done;
    }

    const history = await ownRevisions(REVISED, set, context);
    const present = await presentRevision(REVISED, set, history, context);
    if (!present) return done;
    const { revision: update, collisionCount } = present;
    const current = history.find(({ metadata }) => metadata.name === set.status?.currentRevision) ?? update;
    const revisions: Revisions = { current, update, collisionCount };

    for (const pod of pods) await keepOwnership(set, pod, context);
    const view: View = { set, pods, current, update, now };
    const steps = await confirmed(planOf(view), view, context);
    const { deleted, error } = await carryOut(set, steps, context);

    await report(set, statusOf(set, pods, revisions, deleted, now), context);
    await truncate(set, pods, history, revisions, context);
    if (error !== undefined) throw error;
    const wait = nextAvailable(set, pods, now);
    return wait === undefined ? done : again(wait);
  },
});

const setsIn = (listers: Listers) => listers["statefulsets"] as Lister<StatefulSet>;

/** An orphan may be adopted by the set whose name it bears. */
const isNamedLike = (set: StatefulSet, pod: Pod): boolean => ordinalOf(set, pod) !== undefined && selects(set, pod);

/** A claim that goes may be what a Pod waits for. */
function setsOfClaim({ object, type }: Change<PersistentVolumeClaim>, sets: Lister<StatefulSet>): string[] {
  const { namespace, name, deletionTimestamp } = object.metadata;
  if (type !== "deleted" && !deletionTimestamp) return [];
  return sets
    .list(namespace)
    .filter(({ metadata, spec }) =>
      spec?.volumeClaimTemplates?.some((one) => name.startsWith(`${one.metadata?.name}-${metadata.name}-`)),
    )
    .map(keyOf);
}

/** The set's Pods, those on their way out included. */
async function ownPods(set: StatefulSet, { client, pods }: Context): Promise<Pod[]> {
  const candidates = claimable(set, pods).filter((pod) => ordinalOf(set, pod) !== undefined);
  const selector = fromLabelSelector(set.spec?.selector);
  return claim({ client, ownerResource: "statefulsets", owner: set, selector, resource: "pods", candidates });
}

/** Gives the claims of a Pod the owners that they should go with. */
async function keepOwnership(set: StatefulSet, pod: Pod, context: Context): Promise<void> {
  const ordinal = ordinalOf(set, pod)!;
  for (const { claimName } of claimNames(set, ordinal)) {
    const found = context.persistentvolumeclaims.get(`${set.metadata.namespace}/${claimName}`);
    if (!found || found.metadata.deletionTimestamp) continue;
    const { owners, conflicting } = ownershipOf(found, set, pod, ordinal);
    if (conflicting)
      context.events.warning(
        set,
        "ConflictingController",
        `PersistentVolumeClaim ${claimName} has a conflicting OwnerReference that acts as a managing controller, the retention policy is ignored for this claim`,
      );
    if (!owners) continue;
    const { namespace, name, uid, resourceVersion } = found.metadata;
    const metadata = { uid, resourceVersion, ownerReferences: owners };
    await context.client.patch("persistentvolumeclaims", { namespace, name }, { metadata });
  }
}

/**
 * What is left of a plan that deletes Pods when they are looked at on the server. The cache may show neither Pods that
 * were deleted a moment ago, nor those that a predecessor of this controller deleted.
 */
async function confirmed(steps: readonly Step[], view: View, { client }: Context): Promise<readonly Step[]> {
  if (!steps.some((step) => step.do === "delete")) return steps;
  const { set } = view;
  const { namespace } = set.metadata;
  const labelSelector = formatLabelSelector(set.spec?.selector);
  const { items } = await client.list("pods", { namespace, labelSelector });
  return planOf({
    ...view,
    pods: items.filter((pod) => isControlledBy(pod, set) && ordinalOf(set, pod) !== undefined),
  });
}

interface CarriedOut {
  readonly deleted: ReadonlySet<string>;
  readonly error?: unknown;
}

/** In order the first failure ends it; in parallel a batch with a failure is the last one. */
async function carryOut(set: StatefulSet, steps: readonly Step[], context: Context): Promise<CarriedOut> {
  const deleted = new Set<string>();
  const one = async (step: Step) => {
    await carryOutOne(set, step, context);
    if (step.do === "delete") deleted.add(step.pod.metadata.uid);
  };
  if (isParallel(set)) {
    const { error } = await inGrowingBatches(steps.length, (i) => one(steps[i]!));
    return { deleted, ...(error === undefined ? {} : { error }) };
  }
  try {
    for (const step of steps) await one(step);
    return { deleted };
  } catch (error) {
    return { deleted, error };
  }
}

async function carryOutOne(set: StatefulSet, step: Step, context: Context): Promise<void> {
  if (step.do === "claims") {
    if (neverStarts(set, step, context)) return carryOutOne(set, { do: "delete", pod: step.pod }, context);
    return makeClaims(set, step.ordinal, context);
  }
  const verb = VERBS[step.do];
  const name = step.do === "create" ? podName(set, step.ordinal) : step.pod.metadata.name;
  const pod = `${verb.toLowerCase()} Pod ${name} in StatefulSet ${set.metadata.name}`;
  try {
    const happened = await ACTIONS[step.do](set, step as never, context);
    if (happened) context.events.normal(set, `Successful${verb}`, `${pod} successful`);
  } catch (error) {
    if (step.do === "create" && isTerminatingNamespace(error)) return;
    if (!isConflict(error))
      context.events.warning(set, `Failed${verb}`, `${pod} failed error: ${(error as Error).message}`);
    throw error;
  }
}

const VERBS = { create: "Create", repair: "Update", delete: "Delete" } as const;

/** Each returns whether there is something to tell. */
const ACTIONS = {
  async create(set: StatefulSet, { ordinal, revision }: Of<"create">, context: Context): Promise<boolean> {
    const { namespace } = set.metadata;
    const name = podName(set, ordinal);
    const claims = claimNames(set, ordinal).map(({ claimName }) =>
      context.persistentvolumeclaims.get(`${namespace}/${claimName}`),
    );
    if (claims.some((one) => one && isStale(one, set, name))) return false; // its deletion brings the set again
    await makeClaims(set, ordinal, context);
    try {
      await context.client.create("pods", draftPod(set, ordinal, revision));
      return true;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const there = await context.client.find("pods", { namespace, name });
      if (!there || isControlledBy(there, set)) return false; // the cache will show what became of it
      throw error;
    }
  },

  async repair(set: StatefulSet, { ordinal, pod }: Of<"repair">, context: Context): Promise<boolean> {
    await makeClaims(set, ordinal, context);
    await context.client.update("pods", repaired(set, pod, ordinal)!);
    return true;
  },

  async delete(_set: StatefulSet, { pod, broken }: Of<"delete">, { client }: Context): Promise<boolean> {
    const { namespace, name, uid, resourceVersion } = pod.metadata;
    const preconditions = broken ? { uid, resourceVersion } : { uid };
    try {
      await client.delete("pods", { namespace, name }, { preconditions });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  },
};

type Of<What extends Step["do"]> = Extract<Step, { readonly do: What }>;

/**
 * A Pod that was made before the cache showed that a claim of it is being deleted: no kubelet starts it, and it
 * holds the claim. (Kubernetes leaves both until somebody deletes the Pod.)
 */
function neverStarts(
  set: StatefulSet,
  { ordinal, pod }: Of<"claims">,
  { persistentvolumeclaims }: Pick<Context, "persistentvolumeclaims">,
): boolean {
  const since = Date.parse(pod.metadata.creationTimestamp);
  return claimNames(set, ordinal).some(({ claimName }) => {
    const claim = persistentvolumeclaims.get(`${set.metadata.namespace}/${claimName}`);
    const { deletionTimestamp } = claim?.metadata ?? {};
    return deletionTimestamp !== undefined && Date.parse(deletionTimestamp) <= since;
  });
}

/** The claims of an ordinal that are not there. One that is about to go must not get a Pod. */
async function makeClaims(set: StatefulSet, ordinal: number, context: Context): Promise<void> {
  for (const draft of draftClaims(set, ordinal)) {
    const { namespace, name } = draft.metadata;
    const cached = context.persistentvolumeclaims.get(`${namespace}/${name}`);
    const found = cached ?? (await makeClaim(set, podName(set, ordinal), draft, context));
    if (found?.metadata.deletionTimestamp) throw new Error(`pvc ${name} is being deleted`);
    if (found && isOfFormer(found, set))
      throw new Error(`pvc ${name} belongs to a former StatefulSet ${set.metadata.name}`);
  }
}

/** Returns the claim that has been there before the cache showed it; undefined where there was none. */
async function makeClaim(
  set: StatefulSet,
  pod: string,
  draft: Draft<PersistentVolumeClaim>,
  { client, events }: Context,
): Promise<PersistentVolumeClaim | undefined> {
  const { namespace, name = "" } = draft.metadata;
  const ownerReferences = firstOwners(set);
  const what = `create Claim ${name}`;
  try {
    await client.create("persistentvolumeclaims", {
      ...draft,
      metadata: { ...draft.metadata, ...(ownerReferences.length > 0 ? { ownerReferences } : {}) },
    });
    events.normal(set, "SuccessfulCreate", `${what} Pod ${pod} in StatefulSet ${set.metadata.name} success`);
    return undefined;
  } catch (error) {
    if (isAlreadyExists(error)) return client.find("persistentvolumeclaims", { namespace, name });
    const failure = `${what} for Pod ${pod} in StatefulSet ${set.metadata.name} failed error: ${(error as Error).message}`;
    if (!isTerminatingNamespace(error)) events.warning(set, "FailedCreate", failure);
    throw error;
  }
}

async function report(set: StatefulSet, status: StatefulSetStatus, { client }: Context): Promise<void> {
  if (!sameJson(status, set.status)) await client.updateStatus("statefulsets", { ...set, status });
}

/** Revisions that neither the set nor a Pod needs go, beyond the history limit. */
async function truncate(
  set: StatefulSet,
  pods: readonly Pod[],
  history: readonly ControllerRevision[],
  { current, update }: Revisions,
  { client }: Context,
): Promise<void> {
  const live = new Set([current.metadata.name, update.metadata.name, ...pods.map(revisionOfPod)]);
  const old = history.filter(({ metadata }) => !live.has(metadata.name));
  await truncateHistory(set, old, () => false, client);
}
