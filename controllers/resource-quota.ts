/**
 * Resource quotas: counts what is in a namespace, and tells each quota in its status.
 *
 * The API server adds to status.used before it stores what takes from a quota (apiserver/admission/resource-quota.ts).
 * So the count may lower it only when nothing has been charged for a moment: what was charged just now may not be
 * stored yet, and would be counted as free. A quota that is full is not charged, so it never waits for long. The
 * copies here may be older than a charge of late: what they would lower is counted on the server then.
 * https://kubernetes.io/docs/concepts/policy/resource-quotas/
 */
import type { Client } from "../machinery/client/client.ts";
import { type Change, keyOf, type Lister } from "../machinery/client/informer.ts";
import {
  again,
  type Controller,
  defineController,
  done,
  type Enqueue,
  type Outcome,
  type Services,
} from "../machinery/loop/controller.ts";
import { equalJson } from "../machinery/objects/json-value.ts";
import type { Pod, ResourceQuota } from "../machinery/objects/kinds.ts";
import { type Amounts, add } from "../machinery/objects/pod-resources.ts";
import { formatQuantity, parseQuantity, zeroQuantity } from "../machinery/objects/quantity.ts";
import { countedNames, inScopes, isOver, quotaUsage } from "../machinery/objects/quota-usage.ts";
import type { StoredObject } from "../machinery/objects/wire.ts";
import type { Clock } from "../machinery/process/clock.ts";
import { type DiscoveredResource, discover, resourcePath } from "./discovery.ts";

/** Without a charge for this long, everything that was charged is stored or has failed. */
const QUIET_MS = 500;
/** A charge that is older is of something that the copies here show, however much they lag. */
const SHOWN_AFTER_MS = 5 * 60_000;
/** Pods that nobody can reach stop counting when their time is over, without anything changing. */
const RECOUNT_MS = 5 * 60_000;
/** How often resources are counted that no controller watches. */
const ASK_MS = 10_000;

/** Qualified name ► plural, of what is watched. */
const watched = {
  pods: "pods",
  services: "services",
  persistentvolumeclaims: "persistentvolumeclaims",
  configmaps: "configmaps",
  secrets: "secrets",
  serviceaccounts: "serviceaccounts",
  replicationcontrollers: "replicationcontrollers",
  resourcequotas: "resourcequotas",
  "deployments.apps": "deployments",
  "replicasets.apps": "replicasets",
  "statefulsets.apps": "statefulsets",
  "daemonsets.apps": "daemonsets",
  "jobs.batch": "jobs",
  "cronjobs.batch": "cronjobs",
} as const;
type Listers = Readonly<Record<(typeof watched)[keyof typeof watched], Lister<StoredObject>>>;
type ResourceList = Record<string, string>;

const quotasBeside: Enqueue<StoredObject> = ({ object }, { resourcequotas }) =>
  (resourcequotas?.list(object.metadata.namespace) ?? []).map(keyOf);
const whenCounted: Enqueue<StoredObject> = (change, listers) =>
  change.type === "updated" ? [] : quotasBeside(change, listers);

export function resourceQuotaController(clock: Clock): Controller {
  /** Quota ► when its use was last seen to change, by the clock that never jumps; at first, when it was seen itself. */
  const charged = new Map<string, number>();

  const noteCharge = ({ type, key, object, old }: Change<ResourceQuota>): readonly string[] => {
    if (type === "deleted") charged.delete(key);
    else if (!equalJson(old?.status?.used, object.status?.used)) charged.set(key, clock.monotonic());
    return type === "deleted" ? [] : [key];
  };

  return defineController({
    name: "resourcequota-controller",
    watches: {
      resourcequotas: (change, listers) => [...noteCharge(change), ...whenCounted(change, listers)],
      pods: (change, listers) =>
        change.type === "updated" && !takesOther(change, clock.now()) ? [] : quotasBeside(change, listers),
      services: quotasBeside,
      persistentvolumeclaims: quotasBeside,
      configmaps: whenCounted,
      secrets: whenCounted,
      serviceaccounts: whenCounted,
      replicationcontrollers: whenCounted,
      deployments: whenCounted,
      replicasets: whenCounted,
      statefulsets: whenCounted,
      daemonsets: whenCounted,
      jobs: whenCounted,
      cronjobs: whenCounted,
    },

    async reconcile(key, context): Promise<Outcome> {
      const { resourcequotas, client } = context;
      const quota = resourcequotas.get(key);
      if (!quota || quota.metadata.deletionTimestamp) return done;
      const asked = unwatched(quota);
      const used = { ...countHere(quota, context, clock.now()), ...(await countThere(quota, asked, context)) };
      const since = clock.monotonic() - (charged.get(key) ?? Number.NEGATIVE_INFINITY);
      const quietIn = QUIET_MS - since;
      const lower = quietIn <= 0 && since < SHOWN_AFTER_MS ? loweredBy(used, quota) : [];
      if (lower.length > 0) Object.assign(used, await countAnew(quota, lower, context));
      const status = statusOf(quota, used, quietIn > 0);
      if (!equalJson(status, { hard: quota.status?.hard, used: quota.status?.used }))
        await client.updateStatus("resourcequotas", { ...quota, status });
      return again(quietIn > 0 ? quietIn : asked.length > 0 ? ASK_MS : RECOUNT_MS);
    },
  });
}

/** An update matters when the Pod stops to take anything, or what it asks for is another. */
const takesOther = ({ object, old }: Change<Pod>, now: number): boolean =>
  !old || isOver(object, now) !== isOver(old, now) || object.metadata.generation !== old.metadata.generation;

/** What the quota should say. While charges may be on their way to the store, no use that it tells is lowered. */
export function statusOf(
  { spec, status }: Pick<ResourceQuota, "spec" | "status">,
  used: Readonly<Amounts>,
  charging: boolean,
): { hard: ResourceList; used: ResourceList } {
  const hard = { ...spec?.hard };
  const shown: ResourceList = {};
  for (const name of Object.keys(hard)) {
    const counted = used[name] ?? zeroQuantity;
    const told = status?.used?.[name];
    const keep = charging && told !== undefined && parseQuantity(told).nanos > counted.nanos;
    shown[name] = keep ? told : formatQuantity(counted);
  }
  return { hard, used: shown };
}

/** Names of which the quota tells more than was counted. */
const loweredBy = (used: Readonly<Amounts>, { status }: ResourceQuota): string[] =>
  Object.entries(status?.used ?? {})
    .filter(([name, told]) => parseQuantity(told).nanos > (used[name] ?? zeroQuantity).nanos)
    .map(([name]) => name);

/** The use by everything that is watched. */
function countHere(quota: ResourceQuota, listers: Listers, now: number): Amounts {
  const names = Object.keys(quota.spec?.hard ?? {});
  const total: Amounts = {};
  for (const [resource, plural] of Object.entries(watched)) {
    const counted = countedNames(resource, names);
    if (counted.length > 0)
      add(total, useOf(listers[plural].list(quota.metadata.namespace), resource, counted, quota, now));
  }
  return total;
}

/** The same for some names, by the server's own word. */
async function countAnew(
  quota: ResourceQuota,
  names: readonly string[],
  { client, clock }: Pick<Services, "client" | "clock">,
): Promise<Amounts> {
  const { namespace } = quota.metadata;
  const total: Amounts = {};
  for (const [resource, plural] of Object.entries(watched)) {
    const counted = countedNames(resource, names);
    if (counted.length === 0) continue;
    const { items } = await client.list(plural, namespace === undefined ? {} : { namespace });
    add(total, useOf(items, resource, counted, quota, clock.now()));
  }
  return total;
}

function useOf(
  objects: readonly StoredObject[],
  resource: string,
  counted: readonly string[],
  quota: ResourceQuota,
  now: number,
): Amounts {
  const total: Amounts = {};
  for (const object of objects) {
    if (!inScopes(quota, resource, object)) continue;
    const usage = quotaUsage(resource, object, now);
    for (const name of counted) if (usage[name]) add(total, { [name]: usage[name] });
  }
  return total;
}

const COUNT = "count/";
const CLAIMS = "resourceclaims.resource.k8s.io";

/** Resources that the quota counts and nobody watches, by qualified name. */
function unwatched({ spec }: ResourceQuota): string[] {
  const names = Object.keys(spec?.hard ?? {});
  const counted = names.flatMap((name) => (name.startsWith(COUNT) ? [name.slice(COUNT.length)] : []));
  if (countedNames(CLAIMS, names).length > 0) counted.push(CLAIMS);
  return [...new Set(counted)].filter((resource) => !(resource in watched));
}

async function countThere(
  quota: ResourceQuota,
  asked: readonly string[],
  { client, clock }: Pick<Services, "client" | "clock">,
): Promise<Amounts> {
  const total: Amounts = {};
  if (asked.length === 0 || quota.spec?.scopes?.length || quota.spec?.scopeSelector) return total;
  const { resources } = await discover(client, clock);
  for (const resource of asked) {
    const found = resources.find(({ group, plural }) => (group ? `${plural}.${group}` : plural) === resource);
    if (!found?.verbs.includes("list")) continue;
    if (resource === CLAIMS) add(total, await usageOfAll(client, found, resource, quota, clock.now()));
    else total[COUNT + resource] = parseQuantity(String(await countOf(client, found, quota.metadata.namespace ?? "")));
  }
  return total;
}

interface Page {
  readonly metadata: { readonly remainingItemCount?: number };
  readonly items: readonly StoredObject[];
}

/** One item and the number of the others. */
async function countOf(client: Client, resource: DiscoveredResource, namespace: string): Promise<number> {
  const query = { limit: "1" };
  const page = (await client.raw({ method: "GET", path: resourcePath(resource, namespace), query })) as Page;
  return page.items.length + (page.metadata.remainingItemCount ?? 0);
}

async function usageOfAll(
  client: Client,
  found: DiscoveredResource,
  resource: string,
  { metadata, spec }: ResourceQuota,
  now: number,
): Promise<Amounts> {
  const page = (await client.raw({ method: "GET", path: resourcePath(found, metadata.namespace) })) as Page;
  const names = countedNames(resource, Object.keys(spec?.hard ?? {}));
  const total: Amounts = {};
  for (const item of page.items) {
    const usage = quotaUsage(resource, item, now);
    for (const name of names) if (usage[name]) add(total, { [name]: usage[name] });
  }
  return total;
}
