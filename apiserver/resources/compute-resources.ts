/**
 * Compute resources: what containers and Pods request and are limited to.
 *
 * A limit without a request is also the request. The rules for names and amounts are here; what
 * class of service follows from them is in machinery/objects/qos.ts.
 */
import type * as models from "@kubernetes/client-node";
import { qualifiedName } from "../../machinery/objects/names.ts";
import { canonicalQuantity, compareQuantities, milliValue, parseQuantity } from "../../machinery/objects/quantity.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { NOT_NEGATIVE } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";

export type Requirements = Wire<models.V1ResourceRequirements>;
export type Amounts = Record<string, string>;

/** Nothing finer than a thousandth is kept; decoding has made amounts canonical. */
export function roundAmounts(amounts: Amounts | undefined): void {
  for (const name in amounts) {
    const amount = amounts[name]!;
    if (/[nu]$/.test(amount)) amounts[name] = canonicalQuantity(`${milliValue(amount)}m`);
  }
}

export function defaultRequirements(requirements: Requirements): void {
  roundAmounts(requirements.limits);
  roundAmounts(requirements.requests);
}

/** Only for Pods: in a template the author's silence is kept. */
export function requestsFromLimits(requirements: Requirements | undefined): void {
  if (!requirements?.limits) return;
  requirements.requests ??= {};
  for (const name in requirements.limits) requirements.requests[name] ??= requirements.limits[name]!;
}

const STANDARD: ReadonlySet<string> = new Set(["cpu", "memory", "ephemeral-storage"]);
const isHugePages = (name: string): boolean => name.startsWith("hugepages-");
/** Those of other vendors: whole numbers, never overcommitted. */
const isExtended = (name: string): boolean =>
  name.includes("/") && !name.startsWith("kubernetes.io/") && !name.includes(".kubernetes.io/");

export function validateRequirements(
  { limits, requests, claims }: Requirements,
  path: string,
  errors: FieldErrors,
): void {
  for (const name in limits) validateAmount(name, limits[name]!, `${path}.limits[${name}]`, `${path}.limits`, errors);
  for (const name in requests) {
    validateAmount(name, requests[name]!, `${path}.requests[${name}]`, `${path}.requests`, errors);
    validateOvercommit(name, requests[name]!, limits?.[name], path, errors);
  }
  for (const [index, { name }] of (claims ?? []).entries()) {
    if (!name) errors.required(`${path}.claims[${index}].name`);
  }
}

function validateAmount(name: string, amount: string, path: string, listPath: string, errors: FieldErrors): void {
  validateResourceName(name, listPath, errors);
  const { nanos } = parseQuantity(amount);
  if (nanos < 0n) errors.invalid(path, amount, NOT_NEGATIVE);
  else if ((isExtended(name) || isHugePages(name)) && nanos % 1_000_000_000n !== 0n) {
    errors.invalid(path, amount, "must be an integer");
  }
}

function validateResourceName(name: string, path: string, errors: FieldErrors): void {
  if (STANDARD.has(name)) return;
  each(qualifiedName(name), path, name, errors);
  if (!name.includes("/") && !isHugePages(name)) {
    errors.invalid(path, name, "must be a standard resource type or fully qualified");
    errors.invalid(path, name, "must be a standard resource for containers");
  }
}

function validateOvercommit(
  name: string,
  request: string,
  limit: string | undefined,
  path: string,
  errors: FieldErrors,
): void {
  if (limit === undefined) {
    if (isExtended(name)) errors.required(`${path}.limits`, "Limit must be set for non overcommitable resources");
    return;
  }
  const order = compareQuantities(parseQuantity(request), parseQuantity(limit));
  if (order > 0) {
    errors.invalid(`${path}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`);
  } else if (order !== 0 && isExtended(name)) {
    errors.invalid(`${path}.requests`, request, `must be equal to ${name} limit of ${limit}`);
  }
}
