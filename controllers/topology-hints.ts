/**
 * Topology hints: which zone or node each endpoint should serve, so that traffic stays near. Pure.
 *
 * Two ways to ask: the field trafficDistribution (each endpoint serves its own zone), and the annotation topology-mode
 * (zones get endpoints by their share of the ready nodes' CPU, so that none is overloaded by more than a fifth; where
 * that cannot be, nobody gets a hint). Hints that still do are kept.
 * https://kubernetes.io/docs/concepts/services-networking/topology-aware-routing/
 */
import { isTrue } from "../machinery/objects/conditions.ts";
import type { Endpoint, Node, Service } from "../machinery/objects/kinds.ts";
import { parseQuantity } from "../machinery/objects/quantity.ts";

export type HintMode = "none" | "zone" | "node" | "share";
/** Zone ► its share of all CPU. */
export type ZoneShares = ReadonlyMap<string, number>;

export interface Hinted {
  readonly endpoints: readonly Endpoint[];
  /** Why there are no hints although they were asked for. */
  readonly problem?: string;
}

const ANNOTATIONS = ["service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints"] as const;
export const ZONE = "topology.kubernetes.io/zone";
const EXCLUDED = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"] as const;
const OVERLOAD = 0.2;

export function hintMode({ metadata, spec }: Service): HintMode {
  const [asked] = ANNOTATIONS.flatMap((name) => metadata.annotations?.[name] ?? []);
  if (asked === "Auto" || asked === "auto") return "share";
  const { trafficDistribution } = spec ?? {};
  if (trafficDistribution === "PreferSameNode") return "node";
  return trafficDistribution === "PreferClose" || trafficDistribution === "PreferSameZone" ? "zone" : "none";
}

/** Undefined where a ready node does not tell its zone or CPU, or all are in one zone. */
export function zoneShares(nodes: readonly Node[]): ZoneShares | undefined {
  const cpu = new Map<string, number>();
  let total = 0;
  for (const { metadata, status } of nodes) {
    if (EXCLUDED.some((label) => metadata.labels?.[label] !== undefined) || !isTrue(status?.conditions, "Ready"))
      continue;
    const zone = metadata.labels?.[ZONE];
    const amount = Number(parseQuantity(String(status?.allocatable?.["cpu"] ?? "0")).nanos) / 1e9;
    if (!zone || amount === 0) return undefined;
    cpu.set(zone, (cpu.get(zone) ?? 0) + amount);
    total += amount;
  }
  if (cpu.size < 2) return undefined;
  return new Map([...cpu].sort(([a], [b]) => (a < b ? -1 : 1)).map(([zone, amount]) => [zone, amount / total]));
}

/** `before`: uid of a Pod ► the zone that its endpoint serves so far. */
export function withHints(
  mode: HintMode,
  endpoints: readonly Endpoint[],
  before: ReadonlyMap<string, string>,
  shares: ZoneShares | undefined,
): Hinted {
  if (mode === "none") return { endpoints };
  if (mode === "share") return byShare(endpoints, before, shares);
  return {
    endpoints: endpoints.map((endpoint) => {
      const { zone, nodeName } = endpoint;
      const hints = {
        ...(zone ? { forZones: [{ name: zone }] } : {}),
        ...(mode === "node" && nodeName ? { forNodes: [{ name: nodeName }] } : {}),
      };
      return isReady(endpoint) && Object.keys(hints).length > 0 ? { ...endpoint, hints } : endpoint;
    }),
  };
}

function byShare(
  endpoints: readonly Endpoint[],
  before: ReadonlyMap<string, string>,
  shares: ZoneShares | undefined,
): Hinted {
  const ready = endpoints.filter(isReady);
  const allocations = shares && allocate(shares, ready.length);
  if (!allocations)
    return {
      endpoints,
      problem: "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes",
    };
  if (typeof allocations === "string") return { endpoints, problem: allocations };
  if (ready.some(({ zone }) => !zone))
    return { endpoints, problem: "One or more endpoints do not have a zone specified" };

  const served = new Map(
    ready.map((endpoint) => {
      const kept = before.get(endpoint.targetRef?.uid ?? "");
      return [endpoint, kept && allocations.has(kept) ? kept : (endpoint.zone as string)];
    }),
  );
  redistribute(served, allocations);
  return {
    endpoints: endpoints.map((endpoint) => {
      const zone = served.get(endpoint);
      return zone ? { ...endpoint, hints: { forZones: [{ name: zone }] } } : endpoint;
    }),
  };
}

interface Allocation {
  readonly least: number;
  readonly most: number;
  readonly wanted: number;
}

/** How many endpoints each zone needs; text: why that cannot be. */
function allocate(shares: ZoneShares, count: number): ReadonlyMap<string, Allocation> | string {
  const numbers = `(${count} endpoints, ${shares.size} zones)`;
  if (shares.size > count) return `Insufficient number of endpoints ${numbers}`;
  const zones = [...shares].map(([zone, share]) => {
    const exact = share * count;
    const least = Math.ceil(exact / (1 + OVERLOAD));
    return { zone, least, wanted: Math.max(exact, least) };
  });
  const spare = zones.reduce((left, { least }) => left - least, count);
  if (spare < 0)
    return `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold ${numbers}`;
  return new Map(zones.map(({ zone, least, wanted }) => [zone, { least, most: least + spare, wanted }]));
}

/** Changes which zones are served, if the numbers are not good enough as they are. */
function redistribute(served: Map<Endpoint, string>, allocations: ReadonlyMap<string, Allocation>): void {
  const counts = new Map<string, number>();
  for (const zone of served.values()) counts.set(zone, (counts.get(zone) ?? 0) + 1);
  const good = [...allocations].every(([zone, { least, most }]) => {
    const count = counts.get(zone) ?? 0;
    return count >= least && count <= most;
  });
  if (good) return;

  const surplus = new Map([...allocations].map(([zone, { wanted }]) => [zone, (counts.get(zone) ?? 0) - wanted]));
  const moves = new Map<string, string[]>();
  for (;;) {
    const sorted = [...surplus].sort(([, a], [, b]) => b - a);
    const [giver, give] = sorted.at(0) ?? ["", 0];
    const [taker, lack] = sorted.at(-1) ?? ["", 0];
    if (give < 0.5 || -lack < 0.5 || (give < 1 && -lack < 1)) break;
    moves.set(giver, [...(moves.get(giver) ?? []), taker]);
    surplus.set(giver, give - 1);
    surplus.set(taker, lack + 1);
  }
  for (const [endpoint, zone] of served) {
    const taker = moves.get(zone)?.shift();
    if (taker) served.set(endpoint, taker);
  }
}

const isReady = ({ conditions }: Endpoint): boolean => conditions?.ready === true;
