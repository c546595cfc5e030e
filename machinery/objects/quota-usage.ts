/**
 * Quota usage: how much of a namespace's quotas an object takes, and which quotas it falls under.
 *
 * The API server charges by it (apiserver/admission/resource-quota.ts) and the controller counts anew by it
 * (controllers/resource-quota.ts): both must come to the same numbers. Pure.
 * https://kubernetes.io/docs/concepts/policy/resource-quotas/
 */
import type * as models from "@kubernetes/client-node";
import type { PersistentVolumeClaim, Pod, PodSpec, ResourceQuota, Service } from "./kinds.ts";
import { type Amounts, add, podAmounts } from "./pod-resources.ts";
import { qosClass } from "./qos.ts";
import { compareQuantities, parseQuantity, type Quantity } from "./quantity.ts";
import type { KubeObject, Stored, Wire } from "./wire.ts";

type Scope = Wire<models.V1ScopedResourceSelectorRequirement>;
type AffinityTerm = Wire<models.V1PodAffinityTerm>;
type ResourceClaim = Stored<models.ResourceV1ResourceClaim>;

interface Evaluator {
  /** Names in spec.hard that the resource counts against, besides count/RESOURCE. */
  readonly counts: (name: string) => boolean;
  readonly usage: (object: never, now: number) => Amounts;
  readonly inScope?: (scope: Scope, object: never) => boolean;
}

const one: Quantity = parseQuantity("1");
const whole = (count: number): Quantity => parseQuantity(String(count));

/** Resources with more to count than themselves, by qualified name. */
const evaluators: Readonly<Record<string, Evaluator>> = {
  pods: { counts: countsPods, usage: podUsage, inScope: podInScope },
  services: {
    counts: (name) => name === "services" || name === "services.nodeports" || name === "services.loadbalancers",
    usage: serviceUsage,
  },
  persistentvolumeclaims: { counts: countsClaims, usage: claimUsage, inScope: claimInScope },
  "resourceclaims.resource.k8s.io": {
    counts: (name) => name.endsWith(DEVICES),
    usage: deviceUsage,
  },
  // These had names of their own before count/ came.
  ...Object.fromEntries(
    ["configmaps", "replicationcontrollers", "resourcequotas", "secrets"].map((resource): [string, Evaluator] => [
      resource,
      { counts: (name) => name === resource, usage: () => ({ [resource]: one }) },
    ]),
  ),
};

/** What an object of the resource ("pods", "deployments.apps") takes. */
export function quotaUsage(resource: string, object: KubeObject, now: number): Amounts {
  const usage = evaluators[resource]?.usage(object as never, now) ?? {};
  usage[`count/${resource}`] = one;
  return usage;
}

/** Those of a quota's names that the resource counts against. */
export function countedNames(resource: string, names: readonly string[]): string[] {
  const counts = evaluators[resource]?.counts;
  return names.filter((name) => name === `count/${resource}` || counts?.(name));
}

/** Whether the object is in all of the quota's scopes. */
export function inScopes({ spec }: ResourceQuota, resource: string, object: KubeObject): boolean {
  const inScope = evaluators[resource]?.inScope;
  for (const scopeName of spec?.scopes ?? []) {
    if (!inScope?.({ scopeName, operator: "Exists" }, object as never)) return false;
  }
  for (const scope of spec?.scopeSelector?.matchExpressions ?? []) {
    if (!inScope?.(scope, object as never)) return false;
  }
  return true;
}

// Pods

const POD_NAMES: ReadonlySet<string> = new Set([
  "pods",
  ...["", "requests.", "limits."].flatMap((kind) => ["cpu", "memory", "ephemeral-storage"].map((one) => kind + one)),
]);
const HUGE = "hugepages-";
const REQUESTS = "requests.";

function countsPods(name: string): boolean {
  if (POD_NAMES.has(name) || name.startsWith(HUGE) || name.startsWith(REQUESTS + HUGE)) return true;
  return name.startsWith(REQUESTS) && isExtended(name.slice(REQUESTS.length));
}

const isExtended = (name: string): boolean => name.includes("/") && !name.includes("kubernetes.io/");

/** A Pod that ended, or should have gone by now, counts as an object only. */
function podUsage(pod: Pod, now: number): Amounts {
  if (isOver(pod, now) || !pod.spec) return {};
  return computeUsage(podAmounts(pod.spec, "requests"), podAmounts(pod.spec, "limits"));
}

export function isOver({ metadata, status }: Pod, now: number): boolean {
  if (status?.phase === "Succeeded" || status?.phase === "Failed") return true;
  const { deletionTimestamp, deletionGracePeriodSeconds } = metadata;
  if (!deletionTimestamp || deletionGracePeriodSeconds === undefined) return false;
  return now > Date.parse(String(deletionTimestamp)) + deletionGracePeriodSeconds * 1000;
}

/** The names under which requests and limits count. */
export function computeUsage(requests: Readonly<Amounts>, limits: Readonly<Amounts>): Amounts {
  const usage: Amounts = { pods: one };
  for (const name of ["cpu", "memory", "ephemeral-storage"]) {
    const [request, limit] = [requests[name], limits[name]];
    if (request) usage[name] = usage[`requests.${name}`] = request;
    if (limit) usage[`limits.${name}`] = limit;
  }
  for (const name in requests) {
    if (name.startsWith(HUGE)) usage[name] = usage[REQUESTS + name] = requests[name]!;
    else if (isExtended(name)) usage[REQUESTS + name] = requests[name]!;
  }
  return usage;
}

function podInScope(scope: Scope, { spec }: Pod): boolean {
  if (!spec) return false;
  switch (scope.scopeName) {
    case "Terminating":
      return spec.activeDeadlineSeconds !== undefined;
    case "NotTerminating":
      return spec.activeDeadlineSeconds === undefined;
    case "BestEffort":
      return qosClass(spec) === "BestEffort";
    case "NotBestEffort":
      return qosClass(spec) !== "BestEffort";
    case "PriorityClass":
      return nameSelected(scope, spec.priorityClassName);
    case "CrossNamespacePodAffinity":
      return looksIntoOtherNamespaces(spec);
    default:
      return false;
  }
}

function nameSelected({ operator, values = [] }: Scope, name: string | undefined): boolean {
  switch (operator) {
    case "Exists":
      return Boolean(name);
    case "DoesNotExist":
      return !name;
    case "In":
      return name !== undefined && values.includes(name);
    case "NotIn":
      return !name || !values.includes(name);
    default:
      return false;
  }
}

function looksIntoOtherNamespaces({ affinity }: PodSpec): boolean {
  const across = (term: AffinityTerm) => Boolean(term.namespaces?.length) || term.namespaceSelector !== undefined;
  return [affinity?.podAffinity, affinity?.podAntiAffinity].some(
    (one) =>
      one?.requiredDuringSchedulingIgnoredDuringExecution?.some(across) ||
      one?.preferredDuringSchedulingIgnoredDuringExecution?.some(({ podAffinityTerm }) => across(podAffinityTerm)),
  );
}

// Services

function serviceUsage({ spec }: Service): Amounts {
  const ports = spec?.ports ?? [];
  const usage: Amounts = { services: one };
  if (spec?.type === "NodePort") usage["services.nodeports"] = whole(ports.length);
  if (spec?.type !== "LoadBalancer") return usage;
  usage["services.loadbalancers"] = one;
  const given = spec.allocateLoadBalancerNodePorts === false ? ports.filter(({ nodePort }) => nodePort) : ports;
  usage["services.nodeports"] = whole(given.length);
  return usage;
}

// Claims

const CLASS = ".storageclass.storage.k8s.io/";
const DEVICES = ".deviceclass.resource.k8s.io/devices";
const BETA_CLASS = "volume.beta.kubernetes.io/storage-class";

function countsClaims(name: string): boolean {
  if (name === "persistentvolumeclaims" || name === "requests.storage") return true;
  return name.endsWith(`${CLASS}persistentvolumeclaims`) || name.endsWith(`${CLASS}requests.storage`);
}

function claimUsage({ metadata, spec, status }: PersistentVolumeClaim): Amounts {
  const usage: Amounts = { persistentvolumeclaims: one };
  const storageClass = metadata.annotations?.[BETA_CLASS] ?? spec?.storageClassName;
  if (storageClass) usage[`${storageClass}${CLASS}persistentvolumeclaims`] = one;
  const request = largest(spec?.resources?.requests?.["storage"], status?.allocatedResources?.["storage"]);
  if (!request) return usage;
  usage["requests.storage"] = request;
  if (storageClass) usage[`${storageClass}${CLASS}requests.storage`] = request;
  return usage;
}

/** A claim that shrinks again counts with what was given to it until then. */
function largest(request: string | undefined, allocated: string | undefined): Quantity | undefined {
  const [asked, given] = [request, allocated].map((text) => (text === undefined ? undefined : parseQuantity(text)));
  if (!asked || !given) return asked;
  return compareQuantities(given, asked) > 0 ? given : asked;
}

function claimInScope(scope: Scope, { spec, status }: PersistentVolumeClaim): boolean {
  if (scope.scopeName !== "VolumeAttributesClass") return false;
  const names = [
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ].filter((name) => name !== undefined && name !== "");
  if (names.length === 0) return nameSelected(scope, undefined);
  return names.some((name) => nameSelected(scope, name));
}

function deviceUsage({ spec }: ResourceClaim): Amounts {
  const usage: Amounts = {};
  for (const { exactly, firstAvailable } of spec?.devices?.requests ?? []) {
    for (const { deviceClassName, count = 1 } of exactly ? [exactly] : (firstAvailable ?? [])) {
      add(usage, { [`${deviceClassName}${DEVICES}`]: whole(count) });
    }
  }
  return usage;
}
