/**
 * Endpoints: which addresses answer for a Service's port, as seen from this node. Pure.
 *
 * Ready ones; where there are none, those that still serve while they terminate. Hints about zones and nodes are
 * followed where every endpoint has one and some are meant for here.
 * https://kubernetes.io/docs/concepts/services-networking/topology-aware-routing/
 */
import type { IpFamily } from "../../machinery/objects/ip.ts";
import type { EndpointSlice, ServicePort } from "../../machinery/objects/kinds.ts";

export interface Target {
  readonly address: string;
  readonly port: number;
  readonly local: boolean;
}

export interface Targets {
  /** For traffic to the whole cluster. */
  readonly cluster: readonly Target[];
  /** On this node alone. */
  readonly local: readonly Target[];
}

export interface Place {
  readonly nodeName: string;
  readonly zone: string | undefined;
}

interface Candidate extends Target {
  readonly ready: boolean;
  readonly draining: boolean;
  readonly nodes: readonly string[];
  readonly zones: readonly string[];
}

export function targetsOf(
  slices: readonly EndpointSlice[],
  port: ServicePort,
  family: IpFamily,
  place: Place,
): Targets {
  const all = candidatesOf(slices, port, family, place);
  return {
    cluster: usable(near(all, place)),
    local: usable(all.filter(({ local }) => local)),
  };
}

/** How many endpoints of this node a load balancer may send to. */
export function readyHere(slices: readonly EndpointSlice[], { nodeName }: Place): number {
  const counts = Map.groupBy(slices, ({ addressType }) => addressType)
    .values()
    .map((family) => {
      const endpoints = family.flatMap((slice) => slice.endpoints ?? []);
      const ready = endpoints.filter((one) => one.nodeName === nodeName && one.conditions?.ready !== false);
      return new Set(ready.map(({ addresses }) => addresses[0])).size;
    });
  return Math.max(0, ...counts);
}

function usable(candidates: readonly Candidate[]): readonly Target[] {
  const ready = candidates.filter((one) => one.ready);
  return ready.length > 0 ? ready : candidates.filter((one) => one.draining);
}

/** Those that are meant for this node, or for its zone. What drains is as good as elsewhere. */
function near(all: readonly Candidate[], { nodeName, zone }: Place): readonly Candidate[] {
  const ready = all.filter((one) => one.ready);
  if (ready.length === 0) return all;
  const here = ready.filter(({ nodes }) => nodes.includes(nodeName));
  if (here.length > 0 && ready.every(({ nodes }) => nodes.length > 0)) return here;
  const around = zone === undefined ? [] : ready.filter(({ zones }) => zones.includes(zone));
  return around.length > 0 && ready.every(({ zones }) => zones.length > 0) ? around : all;
}

function candidatesOf(
  slices: readonly EndpointSlice[],
  port: ServicePort,
  family: IpFamily,
  { nodeName }: Place,
): readonly Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType !== family) continue;
    const named = slice.ports?.find(
      ({ name, protocol }) => (name ?? "") === (port.name ?? "") && (protocol ?? "TCP") === (port.protocol ?? "TCP"),
    );
    if (!named?.port) continue;
    for (const { addresses, conditions, hints, nodeName: where } of slice.endpoints ?? []) {
      const [address] = addresses;
      if (address === undefined) continue;
      const ready = conditions?.ready !== false;
      const candidate: Candidate = {
        address,
        port: named.port,
        local: where === nodeName,
        ready,
        draining: !ready && conditions?.serving === true && conditions.terminating === true,
        nodes: (hints?.forNodes ?? []).map(({ name }) => name),
        zones: (hints?.forZones ?? []).map(({ name }) => name),
      };
      // An address may be in two slices for a moment, while it moves from one to the other.
      if (ready || !found.get(address)?.ready) found.set(address, candidate);
    }
  }
  return [...found.values()];
}
