/**
 * LimitRange: the least, the most and the usual that one container, Pod or claim may ask for.
 *
 * Admission acts on it.
 */

import type * as models from "@kubernetes/client-node";
import { qualifiedName } from "../../machinery/objects/names.ts";
import { ownValue } from "../../machinery/objects/own-value.ts";
import { compareQuantities, parseQuantity, type Quantity } from "../../machinery/objects/quantity.ts";
import type { Stored, Wire } from "../../machinery/objects/wire.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import { type At, child, entry, item } from "./path.ts";
import { mayOvercommit, validateContainerResourceName, validateResourceName } from "./resource-names.ts";

type LimitRange = Stored<models.V1LimitRange>;
type LimitItem = Wire<models.V1LimitRangeItem>;

export const limitRangeStrategy: Strategy<LimitRange> = {
  defaults({ spec }) {
    for (const one of spec?.limits ?? []) if (one.type === "Container") defaultLimits(one);
  },

  validate({ spec }, errors) {
    const types = new Set<string>();
    for (const [index, one] of (spec?.limits ?? []).entries()) {
      const at = item("spec.limits", index);
      validateType(one.type, child(at, "type"), errors);
      if (types.has(one.type)) errors.duplicate(child(at, "type"), one.type);
      types.add(one.type);
      validateItem(one, at, errors);
    }
  },

  allowUnconditionalUpdate: true,
};

/** The largest allowed is the default limit; the default limit is the default request, and so is the smallest allowed. */
function defaultLimits(one: LimitItem): void {
  one.default = { ...one.max, ...one.default };
  one.defaultRequest = { ...one.min, ...one.default, ...one.defaultRequest };
}

function validateType(type: string, path: At, errors: FieldErrors): void {
  const wrong = qualifiedName(type);
  each(wrong, path, type, errors);
  if (wrong.length > 0 || type.includes("/") || ["Pod", "Container", "PersistentVolumeClaim"].includes(type)) return;
  errors.invalid(path, type, "must be a standard limit type or fully qualified");
}

const LISTS = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] as const;
const DEFAULTS: ReadonlySet<string> = new Set(["default", "defaultRequest"]);

function validateItem(one: LimitItem, path: At, errors: FieldErrors): void {
  const ofPods = one.type === "Pod" || one.type === "Container";
  const names = new Set<string>();
  for (const list of LISTS) {
    const amounts = one[list];
    if (one.type === "Pod" && DEFAULTS.has(list)) {
      if (Object.keys(amounts ?? {}).length > 0) {
        errors.forbidden(child(path, list), "may not be specified when `type` is 'Pod'");
      }
      continue;
    }
    for (const name in amounts) {
      (ofPods ? validateContainerResourceName : validateResourceName)(name, entry(child(path, list), name), errors);
      names.add(name);
    }
  }
  if (one.type === "PersistentVolumeClaim" && !one.min?.["storage"] && !one.max?.["storage"]) {
    const detail = "either minimum or maximum storage value is required, but neither was provided";
    errors.required(child(path, "limits"), detail);
  }
  for (const name of names) validateAmounts(one, name, path, errors);
}

/** Lower list, how it is called, upper list, how it is called, the one whose path and the one whose value is shown. */
const ORDER = [
  ["min", "min", "max", "max", "min", "min"],
  ["min", "min", "defaultRequest", "default request", "defaultRequest", "defaultRequest"],
  ["defaultRequest", "default request", "max", "max", "defaultRequest", "defaultRequest"],
  ["defaultRequest", "default request", "default", "default limit", "defaultRequest", "defaultRequest"],
  ["min", "min", "default", "default", "default", "min"],
  ["default", "default", "max", "max", "default", "max"],
] as const;

function validateAmounts(one: LimitItem, name: string, path: At, errors: FieldErrors): void {
  const amount = (list: (typeof LISTS)[number]): Quantity | undefined => {
    const text = one.type === "Pod" && DEFAULTS.has(list) ? undefined : ownValue(one[list], name);
    return text === undefined ? undefined : parseQuantity(text);
  };
  for (const [low, lowName, high, highName, where, shown] of ORDER) {
    const [least, most] = [amount(low), amount(high)];
    if (!least || !most || compareQuantities(least, most) <= 0) continue;
    const detail = `${lowName} value ${one[low]![name]} is greater than ${highName} value ${one[high]![name]}`;
    errors.invalid(entry(child(path, where), name), one[shown]![name], detail);
  }
  validateRatio(one, name, path, errors);
  const [limit, request] = [amount("default"), amount("defaultRequest")];
  if (mayOvercommit(name) || !limit || !request || compareQuantities(limit, request) === 0) return;
  const [a, b] = [one.default![name], one.defaultRequest![name]];
  const detail = `default value ${a} must equal to defaultRequest value ${b} in ${name}`;
  errors.invalid(entry(child(path, "defaultRequest"), name), b, detail);
}

function validateRatio(one: LimitItem, name: string, path: At, errors: FieldErrors): void {
  const ratio = ownValue(one.maxLimitRequestRatio, name);
  if (ratio === undefined) return;
  const at = entry(child(path, "maxLimitRequestRatio"), name);
  const { nanos } = parseQuantity(ratio);
  if (nanos < 1_000_000_000n) errors.invalid(at, ratio, `ratio ${ratio} is less than 1`);
  const [min, max] = [ownValue(one.min, name), ownValue(one.max, name)];
  if (min === undefined || max === undefined) return;
  const most = Number(parseQuantity(max).nanos) / Number(parseQuantity(min).nanos);
  if (Number(nanos) / 1e9 > most)
    errors.invalid(at, ratio, `ratio ${ratio} is greater than max/min = ${most.toFixed(6)}`);
}
