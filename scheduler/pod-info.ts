/**
 * Pod info: what a Pod asks of a node, worked out once. Pure.
 *
 * Requests follow the scheduler's rule: the larger of all containers together and each init
 * container alone, sidecars counted with what comes after them, plus overhead.
 * https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers
 */
import type { Container, Pod } from "../machinery/objects/kinds.ts";
import { milliValue, unitValue } from "../machinery/objects/quantity.ts";
import { heldRequests, holdsTheSame } from "./held.ts";
import { type PodTerms, podTerms } from "./pod-terms.ts";
import { sameStrings } from "./same.ts";

/** Resource name ► amount: CPU in millicores, everything else in units. */
export type Resources = ReadonlyMap<string, number>;

export interface HostPort {
  readonly address: string;
  readonly protocol: string;
  readonly port: number;
}

export interface PodInfo {
  readonly pod: Pod;
  readonly key: string;
  readonly requests: Resources;
  /** With a floor for containers that ask for nothing, so that scoring spreads them too. */
  readonly scoredCpu: number;
  readonly scoredMemory: number;
  readonly hostPorts: readonly HostPort[];
  /** "namespace/name" of the claims that its volumes name. */
  readonly claims: readonly string[];
  readonly priority: number;
  /** Undefined: it says nothing about other Pods. */
  readonly terms: PodTerms | undefined;
}

/** As Kubernetes' scheduler: 100 millicores and 200 MB. */
const FLOOR: Resources = new Map([
  ["cpu", 100],
  ["memory", 200 * 1024 * 1024],
]);
const NO_FLOOR: Resources = new Map();

export function podInfo(pod: Pod): PodInfo {
  const { spec } = pod;
  const scored = podRequests(pod, FLOOR);
  return {
    pod,
    key: `${pod.metadata.namespace}/${pod.metadata.name}`,
    requests: podRequests(pod),
    scoredCpu: scored.get("cpu") ?? 0,
    scoredMemory: scored.get("memory") ?? 0,
    hostPorts: hostPortsOf(pod),
    claims: claimsOf(pod),
    priority: spec?.priority ?? 0,
    terms: podTerms(pod),
  };
}

/** Of containers and sidecars: init containers are over before they could be in the way. */
export function hostPortsOf({ spec }: Pod): readonly HostPort[] {
  const ports: HostPort[] = [];
  const note = ({ ports: own }: Container) => {
    for (const { hostPort, hostIP, protocol } of own ?? [])
      if (hostPort) ports.push({ address: hostIP || "0.0.0.0", protocol: protocol ?? "TCP", port: hostPort });
  };
  for (const container of spec?.containers ?? []) note(container);
  for (const container of spec?.initContainers ?? []) if (isSidecar(container)) note(container);
  return ports;
}

function claimsOf({ metadata, spec }: Pod): readonly string[] {
  const claims: string[] = [];
  for (const { name, persistentVolumeClaim, ephemeral } of spec?.volumes ?? []) {
    if (persistentVolumeClaim) claims.push(`${metadata.namespace}/${persistentVolumeClaim.claimName}`);
    else if (ephemeral) claims.push(`${metadata.namespace}/${metadata.name}-${name}`);
  }
  return claims;
}

/** Whether two versions of a Pod are the same to the scheduler: their status may differ, and what nobody selects by. */
export function asksTheSame(before: Pod, after: Pod): boolean {
  return (
    before.metadata.generation === after.metadata.generation &&
    before.metadata.deletionTimestamp === after.metadata.deletionTimestamp &&
    sameStrings(before.metadata.labels, after.metadata.labels) &&
    holdsTheSame(before, after)
  );
}

/** `floor`: what a container counts for that does not ask. */
export function podRequests(pod: Pod, floor: Resources = NO_FLOOR): ReadonlyMap<string, number> {
  const { spec } = pod;
  const requestsOf = (container: Container) => {
    const [first, ...others] = heldRequests(pod, container).map(resourceList);
    const requests = new Map([...floor, ...(first ?? [])]);
    for (const other of others) atLeast(requests, other);
    return requests;
  };
  const total = new Map<string, number>();
  for (const container of spec?.containers ?? []) add(total, requestsOf(container));
  const sidecars = new Map<string, number>();
  const peak = new Map<string, number>();
  for (const container of spec?.initContainers ?? []) {
    const own = requestsOf(container);
    if (isSidecar(container)) {
      add(sidecars, own);
      add(total, own);
    } else add(own, sidecars);
    atLeast(peak, isSidecar(container) ? sidecars : own);
  }
  atLeast(total, peak);
  for (const [name, value] of resourceList(spec?.resources?.requests)) total.set(name, value);
  add(total, resourceList(spec?.overhead));
  return total;
}

/** A node's allocatable or a container's requests as numbers. */
export function resourceList(list: Readonly<Record<string, string>> | undefined): Map<string, number> {
  return new Map(Object.entries(list ?? {}).map(([name, value]) => [name, amount(name, value)]));
}

export function add(to: Map<string, number>, more: Resources, sign: 1 | -1 = 1): void {
  for (const [name, value] of more) to.set(name, (to.get(name) ?? 0) + sign * value);
}

const isSidecar = ({ restartPolicy }: Container) => restartPolicy === "Always";

const amount = (name: string, value: string) => (name === "cpu" ? milliValue(value) : unitValue(value));

function atLeast(to: Map<string, number>, floor: Resources): void {
  for (const [name, value] of floor) to.set(name, Math.max(to.get(name) ?? 0, value));
}
