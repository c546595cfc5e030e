/**
 * Names of resources: what containers, Pods, quotas and limit ranges may count.
 *
 * Names without a domain are Kubernetes' own and few; those of other domains are extended: whole numbers
 * that are never overcommitted. Huge pages are counted by page size.
 */
import { qualifiedName } from "../../machinery/objects/names.ts";
import { parseQuantity, QuantityError } from "../../machinery/objects/quantity.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import type { At } from "./path.ts";

const HUGE_PAGES = "hugepages-";
const CONTAINER: ReadonlySet<string> = new Set(["cpu", "memory", "ephemeral-storage"]);
const COUNTS: ReadonlySet<string> = new Set([
  "pods",
  "resourcequotas",
  "services",
  "replicationcontrollers",
  "secrets",
  "configmaps",
  "persistentvolumeclaims",
  "services.nodeports",
  "services.loadbalancers",
]);
const QUOTA: ReadonlySet<string> = new Set([
  ...CONTAINER,
  ...COUNTS,
  "requests.cpu",
  "requests.memory",
  "requests.storage",
  "requests.ephemeral-storage",
  "limits.cpu",
  "limits.memory",
  "limits.ephemeral-storage",
]);
const STANDARD: ReadonlySet<string> = new Set([...QUOTA, "storage"]);

export const isHugePages = (name: string): boolean => name.startsWith(HUGE_PAGES);
const isNative = (name: string): boolean => !name.includes("/") || name.includes("kubernetes.io/");
const isExtended = (name: string): boolean =>
  !isNative(name) && !name.startsWith("requests.") && qualifiedName(`requests.${name}`).length === 0;

/** Counted in whole numbers. */
export const isWhole = (name: string): boolean => COUNTS.has(name) || isExtended(name);
export const mayOvercommit = (name: string): boolean => isNative(name) && !isHugePages(name);
export const isQuotaResource = (name: string): boolean =>
  QUOTA.has(name) || isHugePages(name) || name.startsWith(`requests.${HUGE_PAGES}`);

/** What is wrong with the amount of huge pages, which must fill whole pages. */
export function hugePagesFault(name: string, amount: string): string | undefined {
  const size = pageSize(name);
  const whole = size !== undefined && size > 0n && parseQuantity(amount).nanos % size === 0n;
  return whole ? undefined : `${amount} is not positive integer multiple of ${name}`;
}

function pageSize(name: string): bigint | undefined {
  try {
    return parseQuantity(name.slice(HUGE_PAGES.length)).nanos;
  } catch (error) {
    if (error instanceof QuantityError) return undefined;
    throw error;
  }
}

export type NameRule = (name: string, path: At, errors: FieldErrors) => void;

/** Any resource at all. Answers whether the name was good. */
export function validateResourceName(name: string, path: At, errors: FieldErrors): boolean {
  const wrong = qualifiedName(name);
  each(wrong, path, name, errors);
  if (wrong.length > 0) return false;
  if (name.includes("/") || STANDARD.has(name) || isHugePages(name)) return true;
  errors.invalid(path, name, "must be a standard resource type or fully qualified");
  return false;
}

export function validateContainerResourceName(name: string, path: At, errors: FieldErrors): void {
  if (CONTAINER.has(name)) return;
  validateResourceName(name, path, errors);
  if (!name.includes("/")) {
    if (!isHugePages(name)) errors.invalid(path, name, "must be a standard resource for containers");
  } else if (!isNative(name) && !isExtended(name)) {
    errors.invalid(path, name, "doesn't follow extended resource name standard");
  }
}

export function validatePodResourceName(name: string, path: At, errors: FieldErrors): void {
  if (!validateResourceName(name, path, errors)) return;
  if (name === "cpu" || name === "memory" || isHugePages(name)) return;
  errors.notSupported(path, name, ["cpu", HUGE_PAGES, "memory"]);
}

export function validateQuotaResourceName(name: string, path: At, errors: FieldErrors): void {
  validateResourceName(name, path, errors);
  if (!name.includes("/") && !isQuotaResource(name)) {
    errors.invalid(path, name, "must be a standard resource for quota");
  }
}
