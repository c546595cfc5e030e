/**
 * Eviction: a delete that PodDisruptionBudgets may refuse (429).
 *
 * A budget's status.disruptionsAllowed is what its controller found; each eviction takes one from it in
 * the way of all writes, so that several cannot share the last one, and leaves the Pod's name there until the
 * controller sees it go. A Pod that is not well takes none, and goes only as it was when that was decided.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
 */

import { findCondition, isTrue, withCondition } from "../../machinery/objects/conditions.ts";
import { cloneJson } from "../../machinery/objects/json-value.ts";
import type { Pod, PodDisruptionBudget } from "../../machinery/objects/kinds.ts";
import { fromLabelSelector, matches } from "../../machinery/objects/selectors.ts";
import { ApiError, badRequest, isConflict, notFound } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import type { CachedObject } from "../cache/contract.ts";
import { admitted } from "./admission-request.ts";
import { decodeObject, type ReadValue, readObject } from "./body.ts";
import { changeObject, checkPreconditions, type Next } from "./commit.ts";
import { qualified, type ResourceExchange, type Step } from "./contract.ts";
import { type DeleteOptions, deleteObject, deleteOptions } from "./delete.ts";
import { writeOptions } from "./options.ts";
import { respondSuccess } from "./respond.ts";

const EVICTION = { group: "policy", version: "v1", kind: "Eviction" } as const;

type Status = NonNullable<PodDisruptionBudget["status"]>;

/** So many evictions that no controller confirmed, and the next is refused. */
const UNCONFIRMED = 2_000;
const ATTEMPTS = 20;

export const evict: Step = async (exchange) => {
  const { record, info, server, warnings } = exchange;
  const asked = writeOptions(record.query, "CreateOptions");
  const body = asCurrent(readObject(server, record, EVICTION));
  const eviction = decodeObject(server, body, EVICTION, asked.fieldValidation, warnings);
  const given = eviction.metadata.name;
  if (given && given !== info.name) throw badRequest("name in URL does not match name in Eviction object");
  const options = optionsOf(exchange, eviction["deleteOptions"], asked.dryRun);
  await admitted(exchange, { operation: "CREATE", kind: EVICTION, object: eviction, dryRun: options.dryRun });

  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) if (await evictOnce(exchange, options, attempt)) break;
  return respondSuccess(undefined, 201);
};

/** Clients up to 1.21 send the older version, which says the same. */
function asCurrent(body: ReadValue): ReadValue {
  const value = body.value as { readonly apiVersion?: unknown } | null | undefined;
  return value?.apiVersion === "policy/v1beta1" ? { ...body, value: { ...value, apiVersion: "policy/v1" } } : body;
}

function optionsOf(exchange: ResourceExchange, value: unknown, dryRun: boolean): DeleteOptions {
  const { server, record } = exchange;
  const body = { kind: "object", value: value ?? {} } as const;
  const options = deleteOptions({ server, record: { ...record, query: new URLSearchParams(), body } });
  return { ...options, dryRun: dryRun || options.dryRun, alreadyAdmitted: true };
}

/** False where the Pod changed since it was looked at, and should be looked at again. */
async function evictOnce(exchange: ResourceExchange, options: DeleteOptions, attempt: number): Promise<boolean> {
  const { info, cache, row, record } = exchange;
  const item = await cache.get({ namespace: info.namespace, name: info.name }, undefined, record.signal);
  if (!item) throw notFound(qualified(row), info.name);
  const pod = item.object as unknown as Pod;
  const free = isPastBudgets(pod);
  const unwell = free ? undefined : await askBudgets(exchange, pod, options.dryRun);
  const asSeen = unwell !== undefined || isPending(pod);
  const { resourceVersion = asSeen ? item.resourceVersion : undefined } = options.preconditions;
  const preconditions = { uid: pod.metadata.uid, ...options.preconditions, resourceVersion };
  try {
    await markAndDelete(exchange, { ...options, preconditions });
    return true;
  } catch (error) {
    if (!isConflict(error) || options.preconditions.resourceVersion) throw error;
    if (unwell) throw refused(inProgress(unwell), 10);
    if (!free || attempt === ATTEMPTS) throw error;
    return false;
  }
}

const isPending = ({ status, metadata }: Pod): boolean =>
  (status?.phase ?? "Pending") === "Pending" && !metadata.deletionTimestamp;

/** It disturbs nothing any more, or does not serve yet. */
const isPastBudgets = (pod: Pod): boolean =>
  pod.status?.phase === "Succeeded" ||
  pod.status?.phase === "Failed" ||
  pod.metadata.deletionTimestamp !== undefined ||
  isPending(pod);

/** Says in the Pod's status why it goes, then deletes it. */
async function markAndDelete(exchange: ResourceExchange, options: DeleteOptions): Promise<void> {
  const { info, server } = exchange;
  const name = { namespace: info.namespace, name: info.name };
  if (options.dryRun) {
    await deleteObject(exchange, name, options);
    return;
  }
  const marked = await changeObject(exchange, name, false, (current) => {
    checkPreconditions(exchange, current, options.preconditions);
    return marking(current, wireTime(server.clock.now()));
  });
  const { resourceVersion } = options.preconditions;
  const preconditions = {
    ...options.preconditions,
    resourceVersion: resourceVersion ? marked.item?.resourceVersion : undefined,
  };
  await deleteObject(exchange, name, { ...options, preconditions });
}

function marking({ object }: CachedObject, now: string): Next {
  const pod = cloneJson(object) as unknown as Pod;
  const mark = {
    type: "DisruptionTarget",
    status: "True",
    reason: "EvictionByEvictionAPI",
    message: "Eviction API: evicting",
  };
  const known = findCondition(pod.status?.conditions, mark.type);
  if (known?.status === mark.status && known.reason === mark.reason) return { kind: "same" };
  pod.status = { ...pod.status, conditions: withCondition(pod.status?.conditions, mark, now) };
  delete (pod.metadata as { resourceVersion?: string }).resourceVersion;
  return { kind: "put", object: pod as unknown as KubeObject };
}

/**
 * Takes one from the Pod's budget, where it has one. A Pod that is not well may take none: then it must stay so, and
 * the budget's name is returned.
 */
async function askBudgets(exchange: ResourceExchange, pod: Pod, dryRun: boolean): Promise<string | undefined> {
  const { server } = exchange;
  const row = server.resources.find("policy", "v1", "poddisruptionbudgets");
  if (!row) return undefined;
  const budgets = [...server.objects.list("poddisruptionbudgets.policy", pod.metadata.namespace)] as unknown[];
  const concerned = (budgets as PodDisruptionBudget[]).filter(({ spec }) =>
    matches(fromLabelSelector(spec?.selector), pod.metadata.labels),
  );
  if (concerned.length > 1)
    throw new ApiError(
      "InternalError",
      "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    );
  const [budget] = concerned;
  if (!budget) return undefined;
  if (!isTrue(pod.status?.conditions, "Ready") && mayGoUnwell(budget)) return budget.metadata.name;

  const { namespace, name } = budget.metadata;
  const ofBudget = { ...exchange, row, cache: server.resources.cache(row) };
  const now = wireTime(server.clock.now());
  await changeObject(ofBudget, { namespace, name }, dryRun, ({ object }) => {
    const taken = cloneJson(object) as unknown as PodDisruptionBudget;
    taken.status = takeOne(taken, pod.metadata.name, now);
    delete (taken.metadata as { resourceVersion?: string }).resourceVersion;
    return { kind: "put", object: taken as unknown as KubeObject };
  });
  return undefined;
}

function mayGoUnwell({ spec, status }: PodDisruptionBudget): boolean {
  if (spec?.unhealthyPodEvictionPolicy === "AlwaysAllow") return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return desiredHealthy > 0 && currentHealthy >= desiredHealthy;
}

/** The budget's status with one less to take. Throws where there is none. */
function takeOne({ metadata, status }: PodDisruptionBudget, pod: string, now: string): Status {
  const { name, generation = 0 } = metadata;
  const { disruptionsAllowed: allowed = 0, disruptedPods = {}, observedGeneration = 0 } = status ?? {};
  if (observedGeneration < generation) throw refused(inProgress(name), 10);
  if (allowed < 0) throw forbidden(name, "pdb disruptions allowed is negative");
  if (Object.keys(disruptedPods).length > UNCONFIRMED)
    throw forbidden(name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller");
  if (allowed === 0) throw refused(whyNone(name, status));
  const taken = { ...status, disruptionsAllowed: allowed - 1, disruptedPods: { ...disruptedPods, [pod]: now } };
  if (allowed > 1) return taken as unknown as Status;
  const condition = { type: "DisruptionAllowed", status: "False", reason: "InsufficientPods", message: "" };
  const seen = { ...condition, observedGeneration, lastTransitionTime: now };
  return { ...taken, conditions: withCondition(status?.conditions, seen, now) } as unknown as Status;
}

const inProgress = (name: string): string => `The disruption budget ${name} is still being processed by the server.`;

function whyNone(name: string, status: PodDisruptionBudget["status"]): string {
  const { currentHealthy = 0, desiredHealthy = 0, conditions } = status ?? {};
  const condition = findCondition(conditions, "DisruptionAllowed");
  if (condition?.status === "False" && condition.reason === "SyncFailed")
    return `The disruption budget ${name} does not allow evicting pods currently because it failed sync: ${condition.message}`;
  return `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
}

const forbidden = (name: string, why: string): ApiError =>
  new ApiError("Forbidden", `poddisruptionbudget.policy "${name}" is forbidden: ${why}`, {
    name,
    group: "policy",
    kind: "poddisruptionbudget",
  });

/** Without a time after which to come again, clients decide themselves when they do. */
function refused(message: string, retryAfterSeconds?: number): ApiError {
  return new ApiError("TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", {
    causes: [{ reason: "DisruptionBudget", message }],
    ...(retryAfterSeconds ? { retryAfterSeconds } : {}),
  });
}
