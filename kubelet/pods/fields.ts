/**
 * Fields of a Pod as text: fieldRef and resourceFieldRef, for environment variables and downward API volumes. Pure.
 *
 * https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
 */

import type { V1ResourceFieldSelector } from "@kubernetes/client-node";
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import { milliValue, unitValue } from "../../machinery/objects/quantity.ts";
import type { Wire } from "../../machinery/objects/wire.ts";

/** What the node adds to a Pod's own fields. */
export interface NodeFacts {
  readonly nodeName: string;
  readonly hostIPs: readonly string[];
  /** Stands in for limits that a container does not set. */
  readonly allocatable: Readonly<Record<string, string>>;
}

type Reader = (pod: Pod, podIPs: readonly string[], node: NodeFacts) => string;

const FIELDS: Readonly<Record<string, Reader>> = {
  "metadata.name": (pod) => pod.metadata.name,
  "metadata.namespace": (pod) => pod.metadata.namespace ?? "",
  "metadata.uid": (pod) => pod.metadata.uid,
  "metadata.labels": (pod) => formatMap(pod.metadata.labels),
  "metadata.annotations": (pod) => formatMap(pod.metadata.annotations),
  "spec.nodeName": (_pod, _ips, node) => node.nodeName,
  "spec.serviceAccountName": (pod) => pod.spec?.serviceAccountName ?? "",
  "status.hostIP": (_pod, _ips, node) => node.hostIPs[0] ?? "",
  "status.hostIPs": (_pod, _ips, node) => node.hostIPs.join(","),
  "status.podIP": (_pod, ips) => ips[0] ?? "",
  "status.podIPs": (_pod, ips) => ips.join(","),
};

const KEYED = /^metadata\.(labels|annotations)\['(.+)'\]$/;

export function podField(pod: Pod, path: string, podIPs: readonly string[], node: NodeFacts): string {
  const keyed = KEYED.exec(path);
  if (keyed) return pod.metadata[keyed[1] as "labels" | "annotations"]?.[keyed[2] as string] ?? "";
  const reader = FIELDS[path];
  if (!reader) throw new Error(`unsupported fieldPath: ${path}`);
  return reader(pod, podIPs, node);
}

/** Lines of key="value", sorted, values quoted as Go does. */
function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join("\n");
}

export function resourceField(
  pod: Pod,
  container: Container | undefined,
  { resource, divisor, containerName }: Wire<V1ResourceFieldSelector>,
  node: NodeFacts,
): string {
  const owner =
    container ??
    [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].find(({ name }) => name === containerName);
  if (!owner) throw new Error(`container ${containerName ?? ""} not found`);
  const match = /^(limits|requests)\.(.+)$/.exec(resource);
  if (!match) throw new Error(`unsupported container resource : ${resource}`);
  const [, list, name] = match as unknown as [string, "limits" | "requests", string];
  const own = owner.resources?.[list]?.[name];
  const value = own ?? (list === "limits" ? node.allocatable[name] : undefined);
  const by = divisor === undefined || divisor === "0" ? "1" : divisor;
  const ratio = name === "cpu" ? milliValue(value) / milliValue(by) : unitValue(value) / unitValue(by);
  return String(Math.ceil(ratio));
}
