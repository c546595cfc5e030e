/**
 * ResourceQuota: nothing is created that would take a namespace beyond its quotas.
 *
 * What a write takes is added to the quotas' status.used by compare and swap before it is stored, so that writes at
 * the same time, on several servers, never exceed together. Writes to one namespace that wait are charged at once.
 * A write that fails after it was charged, and everything that goes, is set right by the controller
 * (controllers/resource-quota.ts). What an object takes: machinery/objects/quota-usage.ts.
 * https://kubernetes.io/docs/concepts/policy/resource-quotas/
 */

import { cloneJson } from "../../machinery/objects/json-value.ts";
import type { ResourceQuota } from "../../machinery/objects/kinds.ts";
import { ownValue } from "../../machinery/objects/own-value.ts";
import { type Amounts, add, amounts } from "../../machinery/objects/pod-resources.ts";
import { compareQuantities, formatQuantity, subtractQuantities } from "../../machinery/objects/quantity.ts";
import { countedNames, inScopes, quotaUsage } from "../../machinery/objects/quota-usage.ts";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import { qualified } from "../request/contract.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices } from "./contract.ts";
import { missingRequests } from "./quota-constraints.ts";
import { refused } from "./refused.ts";

const QUOTAS = "resourcequotas";
/** Counted by nobody: they come and go too often. */
const UNCOUNTED: ReadonlySet<string> = new Set(["events", "events.events.k8s.io"]);
/** What an update may take more of; of everything else only creates are charged. */
const UPDATED: ReadonlySet<string> = new Set(["services/", "persistentvolumeclaims/", "pods/resize"]);

/** A write that waits for its charge. */
interface Charge {
  readonly request: AdmissionRequest;
  readonly resource: string;
  readonly done: PromiseWithResolvers<void>;
  error?: unknown;
}

export function resourceQuota(): AdmissionPlugin {
  const waiting = new Map<string, Charge[]>();

  /** Charges the writes of a namespace, batch by batch, until none waits. */
  const work = async (namespace: string, services: AdmissionServices): Promise<void> => {
    for (let batch = waiting.get(namespace) ?? []; batch.length > 0; batch = waiting.get(namespace) ?? []) {
      waiting.set(namespace, []);
      await chargeAll(namespace, batch, services);
    }
    waiting.delete(namespace);
  };

  return {
    name: "ResourceQuota",

    validate(request, services) {
      const resource = chargedAs(request);
      if (resource === undefined) return;
      const { namespace } = request;
      if (services.objects.list(QUOTAS, namespace)[Symbol.iterator]().next().done) return;
      const charge: Charge = { request, resource, done: Promise.withResolvers() };
      const queue = waiting.get(namespace);
      if (queue) queue.push(charge);
      else {
        waiting.set(namespace, [charge]);
        void work(namespace, services);
      }
      return charge.done.promise;
    },
  };
}

function chargedAs({ operation, row, subresource, namespace }: AdmissionRequest): string | undefined {
  if (namespace === "" || !row.namespaced || row.virtual) return undefined;
  if (operation !== "CREATE" && operation !== "UPDATE") return undefined;
  if (operation === "CREATE" ? subresource !== "" : !UPDATED.has(`${row.plural}/${subresource}`)) return undefined;
  const resource = qualified(row);
  return UNCOUNTED.has(resource) ? undefined : resource;
}

/** Every charge is settled when this ends, whatever happens. */
async function chargeAll(namespace: string, batch: readonly Charge[], services: AdmissionServices): Promise<void> {
  try {
    const names = [...services.objects.list(QUOTAS, namespace)].map(({ metadata }) => metadata.name);
    // First whether it fits everywhere, so that nothing is charged here that is refused there.
    if (names.length > 1) for (const name of names) await visit(services, namespace, name, batch, () => "same");
    for (const name of names) await visit(services, namespace, name, batch, withUsed);
  } catch (error) {
    for (const charge of batch) charge.error ??= error;
  }
  for (const { done, error } of batch) {
    if (error === undefined) done.resolve();
    else done.reject(error);
  }
}

/** Tries the batch on one quota and writes what `next` makes of it. Nobody is refused by a version that may be old. */
async function visit(
  { change, clock }: AdmissionServices,
  namespace: string,
  name: string,
  batch: readonly Charge[],
  next: (quota: StoredObject, used: Readonly<Amounts>) => KubeObject | "same",
): Promise<void> {
  const before = batch.map(({ error }) => error);
  await change(QUOTAS, namespace, name, (current, fresh) => {
    for (const [index, charge] of batch.entries()) charge.error = before[index];
    const used = tryAll(current as unknown as ResourceQuota, batch, clock.now());
    if (!fresh && batch.some(({ error }, index) => error !== before[index])) return "reread";
    return used ? next(current, used) : "same";
  });
}

/** Adds what fits, in order; sets the error of what does not. Answers the new use, undefined when it is the old one. */
function tryAll(quota: ResourceQuota, batch: readonly Charge[], now: number): Amounts | undefined {
  const used = amounts(quota.status?.used);
  let charged = false;
  for (const charge of batch) {
    if (charge.error !== undefined) continue;
    try {
      const taken = taking(quota, used, charge, now);
      if (!taken || charge.request.dryRun) continue;
      add(used, taken);
      charged = true;
    } catch (error) {
      charge.error = error;
    }
  }
  return charged ? used : undefined;
}

/** What the write takes of this quota; undefined for nothing. Throws 403 when there is not enough. */
function taking(quota: ResourceQuota, used: Readonly<Amounts>, charge: Charge, now: number): Amounts | undefined {
  const { request, resource } = charge;
  const object = request.object as KubeObject;
  const hard = amounts(quota.status?.hard);
  const names = countedNames(resource, Object.keys(hard));
  if (names.length === 0 || !inScopes(quota, resource, object)) return undefined;
  const { name } = quota.metadata;
  if (resource === "pods") {
    const missing = missingRequests(object, names);
    if (missing) throw refused(request, `failed quota: ${name}: ${missing}`);
  }
  if (names.some((one) => !used[one]))
    throw refused(request, `status unknown for quota: ${name}, resources: ${names.sort().join(",")}`);

  const wanted = difference(quota, charge, now);
  const taken: Amounts = {};
  for (const one of names) if (wanted[one] && wanted[one].nanos > 0n) taken[one] = wanted[one];
  const after: Amounts = { ...used };
  add(after, taken);
  const exceeded = Object.keys(taken).filter((one) => compareQuantities(after[one]!, hard[one]!) > 0);
  if (exceeded.length > 0)
    throw refused(
      request,
      `exceeded quota: ${name}, requested: ${shown(taken, exceeded)}, used: ${shown(used, exceeded)}, limited: ${shown(hard, exceeded)}`,
    );
  return Object.keys(taken).length > 0 ? taken : undefined;
}

/** What the new object takes beyond the old one, where that was under the same quota. */
function difference(quota: ResourceQuota, { request, resource }: Charge, now: number): Amounts {
  const wanted = quotaUsage(resource, request.object as KubeObject, now);
  if (!request.old || !inScopes(quota, resource, request.old)) return wanted;
  const before = quotaUsage(resource, request.old, now);
  for (const name in wanted) {
    const had = ownValue(before, name);
    if (had) wanted[name] = subtractQuantities(wanted[name]!, had);
  }
  return wanted;
}

const shown = (list: Readonly<Amounts>, names: readonly string[]): string =>
  [...names]
    .sort()
    .map((name) => `${name}=${formatQuantity(list[name]!)}`)
    .join(",");

function withUsed(quota: StoredObject, used: Readonly<Amounts>): KubeObject {
  const copy = cloneJson(quota) as KubeObject as KubeObject & { status?: Record<string, unknown> };
  const shownUse = Object.fromEntries(Object.entries(used).map(([name, amount]) => [name, formatQuantity(amount)]));
  copy.status = { ...copy.status, used: shownUse };
  return copy;
}
