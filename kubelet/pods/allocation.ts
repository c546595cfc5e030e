/**
 * Allocation: the cpu and memory that this node has granted to a Pod, whatever its spec asks for since. Pure.
 *
 * Only regular containers, sidecars and the Pod as a whole can be resized; all else in a Pod stays as it
 * was created. What a kubelet before this one granted is read from the status: nothing is kept on disk.
 * Who grants: allocations.ts.
 */
import type { Container, ContainerStatus, Pod } from "../../machinery/objects/kinds.ts";
import { compareQuantities, parseQuantity } from "../../machinery/objects/quantity.ts";
import { initContainers, isSidecar, regularContainers } from "./pod-spec.ts";

export type Requirements = NonNullable<Container["resources"]>;

export interface Allocation {
  /** Undefined for a Pod that asks for nothing as a whole. */
  readonly pod: Requirements | undefined;
  /** By the names of the containers that can be resized. */
  readonly containers: ReadonlyMap<string, Requirements>;
}

export const SIZED = ["cpu", "memory"] as const;
const LISTS = ["limits", "requests"] as const;

export function resizable(pod: Pod): readonly Container[] {
  return [...initContainers(pod).filter(isSidecar), ...regularContainers(pod)];
}

/** All that the spec asks for. */
export function askedFor(pod: Pod): Allocation {
  return {
    pod: pod.spec?.resources,
    containers: new Map(resizable(pod).map(({ name, resources }) => [name, resources ?? {}])),
  };
}

/** What an earlier kubelet granted, as it told in the status; what it said nothing of is as the spec asks. */
export function remembered(pod: Pod): Allocation {
  const asked = askedFor(pod);
  const containers = resizable(pod).map(({ name }) => {
    const wanted = asked.containers.get(name) ?? {};
    return [name, granted(wanted, statusOf(pod, name))] as const;
  });
  const { allocatedResources, resources } = pod.status ?? {};
  const whole = asked.pod && granted(asked.pod, { allocatedResources, resources } as ContainerStatus);
  return { pod: whole, containers: new Map(containers) };
}

function granted(wanted: Requirements, status: ContainerStatus | undefined): Requirements {
  if (!status?.allocatedResources && !status?.resources?.limits) return wanted;
  const requests = { ...wanted.requests, ...sized(status.allocatedResources) };
  const limits = { ...wanted.limits, ...sized(status.resources?.limits) };
  for (const name of SIZED) {
    const [request, limit] = [requests[name], limits[name]];
    // granted were the requests of a resize whose limits had not been carried out
    if (request && limit && compare(request, limit) > 0) limits[name] = request;
  }
  return { ...wanted, ...kept("requests", requests), ...kept("limits", limits) };
}

const kept = (list: (typeof LISTS)[number], amounts: Record<string, string>): Requirements =>
  Object.keys(amounts).length > 0 ? { [list]: amounts } : {};

function sized(amounts: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(amounts).filter(([name]) => (SIZED as readonly string[]).includes(name)));
}

export function statusOf({ status }: Pod, name: string): ContainerStatus | undefined {
  return [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])].find(
    (one) => one.name === name,
  );
}

/** The Pod as it was granted: the same object where that is what it asks for. */
export function withAllocation(pod: Pod, allocation: Allocation): Pod {
  const asked = askedFor(pod);
  if (sameAllocation(asked, allocation) || !pod.spec) return pod;
  const sizedContainer = (container: Container): Container => {
    const resources = allocation.containers.get(container.name);
    return resources ? { ...container, resources } : container;
  };
  const { resources: _asked, ...spec } = pod.spec;
  return {
    ...pod,
    spec: {
      ...spec,
      ...(allocation.pod ? { resources: allocation.pod } : {}),
      containers: spec.containers.map(sizedContainer),
      ...(spec.initContainers
        ? { initContainers: spec.initContainers.map((one) => (isSidecar(one) ? sizedContainer(one) : one)) }
        : {}),
    },
  };
}

export function sameAllocation(a: Allocation, b: Allocation): boolean {
  if (!sameSize(a.pod, b.pod) || a.containers.size !== b.containers.size) return false;
  return [...a.containers].every(([name, resources]) => sameSize(resources, b.containers.get(name)));
}

/** Equal in cpu and memory, however they are written. */
export function sameSize(a: Requirements | undefined, b: Requirements | undefined): boolean {
  return LISTS.every((list) => SIZED.every((name) => compare(a?.[list]?.[name], b?.[list]?.[name]) === 0));
}

/** The resources, of cpu and memory, in which two differ. */
export function differingSizes(a: Requirements | undefined, b: Requirements | undefined): readonly string[] {
  return SIZED.filter((name) => LISTS.some((list) => compare(a?.[list]?.[name], b?.[list]?.[name]) !== 0));
}

/** Absent counts as zero, as everywhere in resources. */
export function compare(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  return compareQuantities(parseQuantity(a ?? "0"), parseQuantity(b ?? "0"));
}
