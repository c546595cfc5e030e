/**
 * Checks: the small rules that many kinds keep, with the path where they were broken.
 *
 * Absent values pass: whether a field must be there is said by `required`, apart from what it must be.
 * Wording: k8s.io/apimachinery/pkg/api/validation.
 */

import { type IntOrString, percentOf } from "../../machinery/objects/int-or-string.ts";
import { equalJson } from "../../machinery/objects/json-value.ts";
import { percent, portName, portNumber, type Rule, rangeError } from "../../machinery/objects/names.ts";
import { compareQuantities, parseQuantity, zeroQuantity } from "../../machinery/objects/quantity.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import type { At } from "./path.ts";

export const NOT_NEGATIVE = "must be greater than or equal to 0";
export const IMMUTABLE = "field is immutable";

export function notNegative(value: number | undefined, path: At, errors: FieldErrors): void {
  if (value !== undefined && value < 0) errors.invalid(path, value, NOT_NEGATIVE);
}

/** Collisions of names are counted, never forgotten. */
export function notFewerCollisions(next: number | undefined, old: number | undefined, errors: FieldErrors): void {
  if (old !== undefined && (next ?? -1) < old)
    errors.invalid("status.collisionCount", next ?? 0, "cannot be decremented");
}

export function between(value: number | undefined, low: number, high: number, path: At, errors: FieldErrors): void {
  if (value !== undefined && (value < low || value > high)) errors.invalid(path, value, rangeError(low, high));
}

export function oneOf(value: string | undefined, allowed: readonly string[], path: At, errors: FieldErrors): void {
  if (value !== undefined && !allowed.includes(value)) errors.notSupported(path, value, allowed);
}

/** An enum that must be set. */
export function requireOneOf(
  value: string | undefined,
  allowed: readonly string[],
  path: At,
  errors: FieldErrors,
): void {
  if (!value) errors.required(path);
  else oneOf(value, allowed, path, errors);
}

/** A name that must be set and keep a rule. */
export function requireNamed(value: string | undefined, rule: Rule, path: At, errors: FieldErrors): void {
  if (!value) errors.required(path);
  else each(rule(value), path, value, errors);
}

/** A name that keeps a rule where it is set. */
export function named(value: string | undefined, rule: Rule, path: At, errors: FieldErrors): void {
  if (value) each(rule(value), path, value, errors);
}

export function required(value: unknown, path: At, errors: FieldErrors, detail = ""): boolean {
  if (value !== undefined && value !== null && value !== "") return true;
  errors.required(path, detail);
  return false;
}

export function unchanged(value: unknown, old: unknown, path: At, errors: FieldErrors): void {
  if (!equalJson(value, old)) errors.invalid(path, value, IMMUTABLE);
}

export function numberOrPercent(value: IntOrString | undefined, path: At, errors: FieldErrors): void {
  if (typeof value === "number") notNegative(value, path, errors);
  else if (value !== undefined) each(percent(value), path, value, errors);
}

export function atMostWhole(value: IntOrString | undefined, path: At, errors: FieldErrors): void {
  if ((percentOf(value) ?? 0) > 100) errors.invalid(path, value, "must not be greater than 100%");
}

export function portOrName(value: IntOrString | undefined, path: At, errors: FieldErrors): void {
  if (typeof value === "number") each(portNumber(value), path, value, errors);
  else each(portName(value ?? ""), path, value ?? "", errors);
}

export function quantityNotNegative(value: string | undefined, path: At, errors: FieldErrors): void {
  if (value !== undefined && compareQuantities(parseQuantity(value), zeroQuantity) < 0) {
    errors.invalid(path, value, NOT_NEGATIVE);
  }
}

/** A path inside a volume: relative, and never upwards. */
export function localPath(value: string, path: At, errors: FieldErrors): void {
  if (value.startsWith("/")) errors.invalid(path, value, "must be a relative path");
  noBacksteps(value, path, errors);
}

/** As `localPath`, and not a name that volumes keep for themselves ("..data"). */
export function ownLocalPath(value: string, path: At, errors: FieldErrors): void {
  localPath(value, path, errors);
  if (value.startsWith("..") && value !== ".." && !value.startsWith("../")) {
    errors.invalid(path, value, "must not start with '..'");
  }
}

export function noBacksteps(value: string, path: At, errors: FieldErrors): void {
  if (hasBacksteps(value)) errors.invalid(path, value, "must not contain '..'");
}

export const hasBacksteps = (value: string): boolean => value.includes("..") && value.split("/").includes("..");
