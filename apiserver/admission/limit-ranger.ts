/**
 * LimitRanger: what Pods and claims of a namespace get, may ask and must ask, as its LimitRanges say.
 *
 * Defaults are set when a Pod is created, and told in an annotation; the bounds are checked once everything that
 * changes Pods has had its say. A namespace without a LimitRange costs one look into the cache.
 * https://kubernetes.io/docs/concepts/policy/limit-range/
 */

import type { Container, PersistentVolumeClaim, Pod } from "../../machinery/objects/kinds.ts";
import { ownValue } from "../../machinery/objects/own-value.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices } from "./contract.ts";
import { type LimitRange, violationsOfClaim, violationsOfPod } from "./limit-range-bounds.ts";
import { refused } from "./refused.ts";

const ANNOTATION = "kubernetes.io/limit-ranger";

type Kind = "pod" | "claim";

export const limitRanger: AdmissionPlugin = {
  name: "LimitRanger",

  mutate(request, services) {
    if (limitedKind(request) !== "pod") return;
    for (const range of rangesOf(request, services)) setDefaults(request.object as unknown as Pod, range);
  },

  validate(request, services) {
    const kind = limitedKind(request);
    if (!kind || request.old?.metadata.deletionTimestamp) return;
    for (const range of rangesOf(request, services)) {
      const violations =
        kind === "pod"
          ? violationsOfPod(request.object as unknown as Pod, range)
          : violationsOfClaim(request.object as unknown as PersistentVolumeClaim, range);
      if (violations.length === 1) throw refused(request, violations[0]!);
      if (violations.length > 1) throw refused(request, `[${violations.join(", ")}]`);
    }
  },
};

/** A Pod's containers never change what they ask for, but by resize. */
function limitedKind({ operation, row, subresource }: AdmissionRequest): Kind | undefined {
  if (row.group !== "") return undefined;
  if (row.plural === "pods") {
    const asks = operation === "CREATE" ? subresource === "" : operation === "UPDATE" && subresource === "resize";
    return asks ? "pod" : undefined;
  }
  const claim = row.plural === "persistentvolumeclaims" && subresource === "";
  return claim && (operation === "CREATE" || operation === "UPDATE") ? "claim" : undefined;
}

const rangesOf = ({ namespace }: AdmissionRequest, { objects }: AdmissionServices): Iterable<LimitRange> =>
  objects.list("limitranges", namespace) as unknown as Iterable<LimitRange>;

function setDefaults({ metadata, spec }: Pod, { spec: range }: LimitRange): void {
  const limits: Record<string, string> = {};
  const requests: Record<string, string> = {};
  for (const item of range?.limits ?? []) {
    if (item.type !== "Container") continue;
    Object.assign(limits, item.default);
    Object.assign(requests, item.defaultRequest);
  }
  if (Object.keys(limits).length + Object.keys(requests).length === 0) return;
  const told: string[] = [];
  const set = (container: Container, what: string) => {
    container.resources ??= {};
    for (const [field, word, defaults] of [
      ["requests", "request", requests],
      ["limits", "limit", limits],
    ] as const) {
      const missing = Object.keys(defaults).filter(
        (name) => ownValue(container.resources?.[field], name) === undefined,
      );
      if (missing.length === 0) continue;
      const given = Object.fromEntries(missing.map((name) => [name, defaults[name]!]));
      container.resources[field] = { ...container.resources[field], ...given };
      told.push(`${missing.sort().join(", ")} ${word} for ${what} ${container.name}`);
    }
  };
  for (const container of spec?.containers ?? []) set(container, "container");
  for (const container of spec?.initContainers ?? []) set(container, "init container");
  if (told.length > 0)
    metadata.annotations = { ...metadata.annotations, [ANNOTATION]: `LimitRanger plugin set: ${told.join("; ")}` };
}
