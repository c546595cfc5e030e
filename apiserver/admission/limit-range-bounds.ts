/**
 * Limit range bounds: where Pods and claims are outside of what a LimitRange allows, in Kubernetes' words. Pure.
 */

import type * as models from "@kubernetes/client-node";
import type { Container, PersistentVolumeClaim, Pod } from "../../machinery/objects/kinds.ts";
import { ownValue } from "../../machinery/objects/own-value.ts";
import { type Amounts, amounts, podAmounts } from "../../machinery/objects/pod-resources.ts";
import { compareQuantities, formatQuantity, parseQuantity, type Quantity } from "../../machinery/objects/quantity.ts";
import type { Stored, Wire } from "../../machinery/objects/wire.ts";

export type LimitRange = Stored<models.V1LimitRange>;
type Item = Wire<models.V1LimitRangeItem>;

interface Asked {
  readonly requests: Readonly<Amounts>;
  readonly limits: Readonly<Amounts>;
}

export function violationsOfPod({ spec }: Pod, { spec: range }: LimitRange): string[] {
  if (!spec) return [];
  return (range?.limits ?? []).flatMap((item) => {
    if (item.type === "Container") {
      const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
      return containers.flatMap((container) => violations(item, ofContainer(container)));
    }
    if (item.type !== "Pod") return [];
    const [requests, limits] = (["requests", "limits"] as const).map((asked) =>
      podAmounts(spec, asked, { overhead: false }),
    );
    return violations(item, { requests: requests!, limits: limits! });
  });
}

const ofContainer = ({ resources }: Container): Asked => ({
  requests: amounts(resources?.requests),
  limits: amounts(resources?.limits),
});

function violations(item: Item, asked: Asked): string[] {
  return [
    ...byName(item.min).map(([name, bound]) => belowMinimum(item.type, name, bound, asked)),
    ...byName(item.max).map(([name, bound]) => aboveMaximum(item.type, name, bound, asked)),
    ...byName(item.maxLimitRequestRatio).map(([name, bound]) => aboveRatio(item.type, name, bound, asked)),
  ].filter((message) => message !== undefined);
}

function belowMinimum(type: string, name: string, bound: Quantity, { requests, limits }: Asked): string | undefined {
  const rule = `minimum ${name} usage per ${type} is ${formatQuantity(bound)}`;
  const [request, limit] = [ownValue(requests, name), ownValue(limits, name)];
  if (!request) return `${rule}.  No request is specified`;
  if (compareQuantities(request, bound) < 0) return `${rule}, but request is ${formatQuantity(request)}`;
  if (limit && compareQuantities(limit, bound) < 0) return `${rule}, but limit is ${formatQuantity(limit)}`;
  return undefined;
}

function aboveMaximum(type: string, name: string, bound: Quantity, { requests, limits }: Asked): string | undefined {
  const rule = `maximum ${name} usage per ${type} is ${formatQuantity(bound)}`;
  const [request, limit] = [ownValue(requests, name), ownValue(limits, name)];
  if (!limit) return `${rule}.  No limit is specified`;
  if (compareQuantities(limit, bound) > 0) return `${rule}, but limit is ${formatQuantity(limit)}`;
  if (request && compareQuantities(request, bound) > 0) return `${rule}, but request is ${formatQuantity(request)}`;
  return undefined;
}

function aboveRatio(type: string, name: string, bound: Quantity, { requests, limits }: Asked): string | undefined {
  const rule = `${name} max limit to request ratio per ${type} is ${formatQuantity(bound)}`;
  const [request, limit] = [ownValue(requests, name), ownValue(limits, name)];
  if (!request || request.nanos === 0n) return `${rule}, but no request is specified or request is 0`;
  if (!limit || limit.nanos === 0n) return `${rule}, but no limit is specified or limit is 0`;
  if (limit.nanos * 1_000_000_000n <= bound.nanos * request.nanos) return undefined;
  return `${rule}, but provided ratio is ${(Number(limit.nanos) / Number(request.nanos)).toFixed(6)}`;
}

export function violationsOfClaim({ spec }: PersistentVolumeClaim, { spec: range }: LimitRange): string[] {
  const requests = amounts(spec?.resources?.requests);
  return (range?.limits ?? [])
    .filter(({ type }) => type === "PersistentVolumeClaim")
    .flatMap(({ type, min, max }) => [
      ...byName(min).map(([name, bound]) => claimBound("minimum", -1, type, name, bound, ownValue(requests, name))),
      ...byName(max).map(([name, bound]) => claimBound("maximum", 1, type, name, bound, ownValue(requests, name))),
    ])
    .filter((message) => message !== undefined);
}

function claimBound(
  word: "minimum" | "maximum",
  outside: 1 | -1,
  type: string,
  name: string,
  bound: Quantity,
  request: Quantity | undefined,
): string | undefined {
  const rule = `${word} ${name} usage per ${type} is ${formatQuantity(bound)}`;
  if (!request) return `${rule}.  No request is specified`;
  return compareQuantities(request, bound) === outside
    ? `${rule}, but request is ${formatQuantity(request)}`
    : undefined;
}

function byName(list: Readonly<Record<string, string>> | undefined): [string, Quantity][] {
  return Object.keys(list ?? {})
    .sort()
    .map((name) => [name, parseQuantity(list![name]!)]);
}
