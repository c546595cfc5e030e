/**
 * Node zones: how many nodes of each failure domain are ready, kept up to date change by change. Pure.
 *
 * Where most nodes of a zone fall silent, the fault may be the network's or ours: then Pods are driven away more slowly
 * or not at all. A node with the label that excludes it counts for nothing here, and is treated like any other.
 * https://kubernetes.io/docs/concepts/architecture/nodes/#rate-limits-on-eviction
 */
import type { Change } from "../machinery/client/informer.ts";
import { findCondition } from "../machinery/objects/conditions.ts";
import type { Node } from "../machinery/objects/kinds.ts";

/** none: nodes fall out one by one. partial: most of the zone. full: all of it. */
export type Disruption = "none" | "partial" | "full";

export interface NodeZones {
  /** Notes a change. Names the nodes that are not ready where a zone's state is another now. */
  note(change: Change<Node>): readonly string[];
  /** Of a node's zone. */
  stateOf(node: Node): { readonly zone: string; readonly disruption: Disruption; readonly nodes: number };
  /** True where no zone has a ready node. */
  allFull(): boolean;
}

const REGION = "topology.kubernetes.io/region";
const ZONE = "topology.kubernetes.io/zone";
const EXCLUDED = "node.kubernetes.io/exclude-disruption";

/** How fast nodes of a zone may lose their Pods. */
export interface EvictionRates {
  /** Nodes a second. */
  readonly usual: number;
  /** In a large zone most of whose nodes are lost; in a small one none. */
  readonly reduced: number;
  /** A zone of more nodes is large. */
  readonly largeZone: number;
  /** From which share of lost nodes on a zone counts as disrupted. */
  readonly disruptedShare: number;
}

export const evictionRates: EvictionRates = { usual: 0.1, reduced: 0.01, largeZone: 50, disruptedShare: 0.55 };

interface Zone {
  nodes: number;
  lost: number;
}

export function createNodeZones(rates: EvictionRates): NodeZones {
  const zones = new Map<string, Zone>();
  const counted = new Map<string, { readonly zone: string; readonly lost: boolean }>();
  const notReady = new Set<string>();

  const states = (names: readonly string[]) =>
    [allFull(), ...names.map((name) => disruptionOf(at(name), rates))].join();
  const at = (name: string): Zone => zones.get(name) ?? { nodes: 0, lost: 0 };
  const count = (name: string, lost: boolean, by: 1 | -1) => {
    const { nodes, lost: before } = at(name);
    if (nodes + by === 0) zones.delete(name);
    else zones.set(name, { nodes: nodes + by, lost: before + (lost ? by : 0) });
  };
  const allFull = () => zones.size > 0 && [...zones.values()].every((zone) => disruptionOf(zone, rates) === "full");

  return {
    note({ key, type, object }) {
      const gone = type === "deleted";
      const lost = !isReady(object);
      if (gone || !lost) notReady.delete(key);
      else notReady.add(key);

      const before = counted.get(key);
      const now = gone || object.metadata.labels?.[EXCLUDED] !== undefined ? undefined : { zone: zoneOf(object), lost };
      if (before?.zone === now?.zone && before?.lost === now?.lost) return [];
      const touched = [before, now].flatMap((one) => one?.zone ?? []);
      const were = states(touched);
      if (before) count(before.zone, before.lost, -1);
      if (now) count(now.zone, now.lost, 1);
      if (now) counted.set(key, now);
      else counted.delete(key);
      return states(touched) === were ? [] : [...notReady];
    },
    stateOf(node) {
      const zone = zoneOf(node);
      return { zone, disruption: disruptionOf(at(zone), rates), nodes: at(zone).nodes };
    },
    allFull,
  };
}

const isReady = ({ status }: Node): boolean => findCondition(status?.conditions, "Ready")?.status === "True";

const zoneOf = ({ metadata: { labels } }: Node): string => `${labels?.[REGION] ?? ""}:${labels?.[ZONE] ?? ""}`;

export function disruptionOf({ nodes, lost }: Readonly<Zone>, { disruptedShare }: EvictionRates): Disruption {
  if (nodes > 0 && lost === nodes) return "full";
  return lost > 2 && lost / nodes >= disruptedShare ? "partial" : "none";
}

/** Milliseconds between two nodes of a zone that get the taint which drives Pods away. */
export function taintEvery(disruption: Disruption, nodes: number, rates: EvictionRates): number {
  const perSecond = disruption !== "partial" ? rates.usual : nodes > rates.largeZone ? rates.reduced : 0;
  return perSecond > 0 ? 1000 / perSecond : Number.POSITIVE_INFINITY;
}

/** Takes turns in each zone: 0 for who may go now, otherwise the milliseconds to wait. */
export function createPace(): (zone: string, everyMs: number, now: number) => number {
  const last = new Map<string, number>();
  return (zone, everyMs, now) => {
    if (everyMs === Number.POSITIVE_INFINITY) return everyMs;
    const wait = Math.max(0, (last.get(zone) ?? Number.NEGATIVE_INFINITY) + everyMs - now);
    if (wait === 0) last.set(zone, now);
    return wait;
  };
}
