/**
 * Compute resources: what containers request and are limited to.
 *
 * A limit without a request is also the request. Names are judged in resource-names.ts, what a whole Pod
 * asks for in pod-level-resources.ts; the class of service that follows is machinery/objects/qos.ts.
 */

import type * as models from "@kubernetes/client-node";
import { dns1123Label } from "../../machinery/objects/names.ts";
import { ownValue } from "../../machinery/objects/own-value.ts";
import { canonicalQuantity, compareQuantities, milliValue, parseQuantity } from "../../machinery/objects/quantity.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { NOT_NEGATIVE } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import { type At, child, entry, item } from "./path.ts";
import {
  hugePagesFault,
  isHugePages,
  isWhole,
  mayOvercommit,
  type NameRule,
  validateContainerResourceName,
} from "./resource-names.ts";

export type Requirements = Wire<models.V1ResourceRequirements>;
export type Amounts = Record<string, string>;
type Claim = NonNullable<Requirements["claims"]>[number];
type ClaimNames = ReadonlySet<string> | undefined;

const NOTHING: Requirements = Object.freeze({});
const UNIT = 1_000_000_000n;

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
  for (const name in requirements.limits)
    if (!Object.hasOwn(requirements.requests, name)) requirements.requests[name] = requirements.limits[name]!;
}

/** `claims` are the names of the Pod's own resource claims. */
export function validateRequirements(
  requirements: Requirements | undefined,
  claims: ClaimNames,
  path: At,
  errors: FieldErrors,
  nameRule: NameRule = validateContainerResourceName,
): void {
  const { limits, requests, claims: used } = requirements ?? NOTHING;
  const counted = { huge: false, plain: false };
  for (const name in limits) {
    validateLimit(name, limits[name]!, entry(child(path, "limits"), name), errors, nameRule);
    count(counted, name);
  }
  for (const name in requests) {
    validateLimit(name, requests[name]!, entry(child(path, "requests"), name), errors, nameRule);
    validateOvercommit(name, requests[name]!, ownValue(limits, name), path, errors);
    count(counted, name);
  }
  if (counted.huge && !counted.plain) errors.forbidden(path, "HugePages require cpu or memory");
  if (used?.length) validateClaims(used, claims, child(path, "claims"), errors);
}

function count(counted: { huge: boolean; plain: boolean }, name: string): void {
  if (name === "cpu" || name === "memory") counted.plain = true;
  else if (isHugePages(name)) counted.huge = true;
}

function validateLimit(name: string, amount: string, path: At, errors: FieldErrors, nameRule: NameRule): void {
  nameRule(name, path, errors);
  validateAmount(name, amount, path, errors);
  if (!isHugePages(name)) return;
  const fault = hugePagesFault(name, amount);
  if (fault) errors.invalid(path, amount, fault);
}

/** Never negative, and whole where it counts things. */
export function validateAmount(name: string, amount: string, path: At, errors: FieldErrors): void {
  if (amount.startsWith("-") && parseQuantity(amount).nanos < 0n) errors.invalid(path, amount, NOT_NEGATIVE);
  if (isWhole(name) && parseQuantity(amount).nanos % UNIT !== 0n) errors.invalid(path, amount, "must be an integer");
}

function validateOvercommit(
  name: string,
  request: string,
  limit: string | undefined,
  path: At,
  errors: FieldErrors,
): void {
  if (request === limit) return;
  const strict = !mayOvercommit(name);
  if (limit === undefined) {
    if (strict) errors.required(child(path, "limits"), "Limit must be set for non overcommitable resources");
    return;
  }
  const order = compareQuantities(parseQuantity(request), parseQuantity(limit));
  if (order !== 0 && strict) {
    errors.invalid(child(path, "requests"), request, `must be equal to ${name} limit of ${limit}`);
  } else if (order > 0) {
    errors.invalid(child(path, "requests"), request, `must be less than or equal to ${name} limit of ${limit}`);
  }
}

/** Each claim at most once: whole, or by its requests. */
function validateClaims(used: readonly Claim[], claims: ClaimNames, path: At, errors: FieldErrors): void {
  const names = new Set<string>();
  for (const [index, { name, request }] of used.entries()) {
    const at = item(path, index);
    if (!name) {
      errors.required(at);
      continue;
    }
    if (names.has(name)) errors.duplicate(at, name);
    else {
      if (request) each(dns1123Label(request), child(at, "request"), request, errors);
      const key = request ? `${name}/${request}` : name;
      if (names.has(key)) errors.duplicate(at, key);
      else if (!request && [...names].some((one) => one.startsWith(`${name}/`))) errors.duplicate(at, name);
      names.add(key);
    }
    if (!claims?.has(name)) errors.notFound(at, name, knownClaims(claims));
  }
}

function knownClaims(claims: ClaimNames): string {
  const known = claims?.size ? `: ${[...claims].sort().join(", ")}` : " which is empty";
  return `must be one of the names in pod.spec.resourceClaims${known}`;
}
