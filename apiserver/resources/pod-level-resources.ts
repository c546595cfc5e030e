/**
 * Resources of a whole Pod: what its containers share, and the claims to devices that they may use.
 *
 * Set by the author at the Pod, or filled in from the containers where the author set only half of it.
 */
import type * as models from "@kubernetes/client-node";
import type { PodSpec } from "../../machinery/objects/kinds.ts";
import { dns1123Label, dns1123Subdomain } from "../../machinery/objects/names.ts";
import { podAmounts } from "../../machinery/objects/pod-resources.ts";
import { compareQuantities, formatQuantity, parseQuantity } from "../../machinery/objects/quantity.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { validateRequirements } from "./compute-resources.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import { type At, child, entry, item } from "./path.ts";
import { isHugePages, mayOvercommit, validatePodResourceName } from "./resource-names.ts";

type PodClaim = Wire<models.V1PodResourceClaim>;

const isShared = (name: string): boolean => name === "cpu" || name === "memory" || isHugePages(name);
const isEmpty = (amounts: object | undefined): boolean => !amounts || Object.keys(amounts).length === 0;

/** What the containers ask for together, without what the Pod says for itself. */
const ofContainers = ({ resources: _own, ...spec }: PodSpec, asked: "requests" | "limits") =>
  podAmounts(spec, asked, { overhead: false });

export function defaultPodResources(spec: PodSpec): void {
  const { resources } = spec;
  if (!resources) return;
  if (!isEmpty(resources.limits) || !isEmpty(resources.requests)) {
    const limits = { ...resources.limits };
    for (const [name, amount] of Object.entries(ofContainers(spec, "limits"))) {
      if (isHugePages(name) && resources.requests?.[name] === undefined) limits[name] ??= formatQuantity(amount);
    }
    if (!isEmpty(limits)) resources.limits = limits;
  }
  if (!isEmpty(resources.limits)) defaultRequests(spec, resources);
  else if (!isEmpty(resources.requests)) defaultLimits(spec, resources);
}

type Own = NonNullable<PodSpec["resources"]>;

function defaultRequests(spec: PodSpec, resources: Own): void {
  const requests = { ...resources.requests };
  for (const [name, amount] of Object.entries(ofContainers(spec, "requests"))) {
    if (isShared(name) && mayOvercommit(name)) requests[name] ??= formatQuantity(amount);
  }
  for (const name in resources.limits) if (isShared(name)) requests[name] ??= resources.limits[name]!;
  if (!isEmpty(requests)) resources.requests = requests;
}

/** Only where every container has a limit, so that together they have one. */
function defaultLimits(spec: PodSpec, resources: Own): void {
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  const limits: Record<string, string> = {};
  for (const [name, amount] of Object.entries(ofContainers(spec, "limits"))) {
    if (!isShared(name) || !mayOvercommit(name)) continue;
    if (containers.every((one) => one.resources?.limits?.[name] !== undefined)) limits[name] = formatQuantity(amount);
  }
  if (!isEmpty(limits)) resources.limits = limits;
}

export function validatePodResources(
  spec: PodSpec,
  claims: ReadonlySet<string> | undefined,
  path: At,
  errors: FieldErrors,
): void {
  const { resources } = spec;
  if (!resources) return;
  if (resources.claims) errors.forbidden(child(path, "claims"), "claims cannot be set for Resources at pod-level");
  validateRequirements(resources, claims, path, errors, validatePodResourceName);
  if (isEmpty(resources.limits) && isEmpty(resources.requests)) return;
  for (const [name, amount] of Object.entries(ofContainers(spec, "requests"))) {
    const own = resources.requests?.[name];
    if (!isShared(name) || compareQuantities(amount, parseQuantity(own ?? "0")) <= 0) continue;
    const detail = `must be greater than or equal to aggregate container requests of ${formatQuantity(amount)}`;
    errors.invalid(entry(child(path, "requests"), name), own ?? "0", detail);
  }
  for (const [index, container] of (spec.containers ?? []).entries()) {
    for (const [name, limit] of Object.entries(container.resources?.limits ?? {})) {
      const own = resources.limits?.[name];
      if (own === undefined || compareQuantities(parseQuantity(limit), parseQuantity(own)) <= 0) continue;
      const at = child(entry(item(child(path, "containers"), index), name), "limits");
      errors.invalid(at, limit, `must be less than or equal to pod limits of ${own}`);
    }
  }
}

/** Answers the claims' names, for containers to use. */
export function validatePodClaims(
  claims: readonly PodClaim[] | undefined,
  path: At,
  errors: FieldErrors,
): ReadonlySet<string> | undefined {
  if (!claims?.length) return undefined;
  const names = new Set<string>();
  for (const [index, claim] of claims.entries()) validatePodClaim(claim, names, item(path, index), errors);
  return names;
}

function validatePodClaim(claim: PodClaim, names: Set<string>, path: At, errors: FieldErrors): void {
  const { name, resourceClaimName: claimName, resourceClaimTemplateName: templateName } = claim;
  if (!name) errors.required(child(path, "name"));
  else if (names.has(name)) errors.duplicate(child(path, "name"), name);
  else {
    each(dns1123Label(name), child(path, "name"), name, errors);
    names.add(name);
  }
  if (claimName !== undefined && templateName !== undefined) {
    errors.invalid(path, claim, "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified");
  }
  if (claimName === undefined && templateName === undefined) {
    errors.invalid(path, claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
  }
  for (const [field, value] of [
    ["resourceClaimName", claimName],
    ["resourceClaimTemplateName", templateName],
  ] as const) {
    if (value !== undefined) each(dns1123Subdomain(value), child(path, field), value, errors);
  }
}
