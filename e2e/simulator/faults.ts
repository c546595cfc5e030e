/**
 * Faults: what may go wrong in a simulated cluster, as data, and how a seed chooses.
 *
 * Nothing here breaks a promise that the parts of a real cluster give each other: a refused write never
 * happened, a list is never older than the client allows, a fence is not jumped by the network itself.
 * How requests and watches suffer them is in trouble.ts, how processes and nodes do in storm.ts.
 */

import { type Random, random } from "./random.ts";
import type { Shape } from "./shape.ts";
import { STORM_MS } from "./shape.ts";
import type { Step } from "./workload/steps.ts";

/** "refused": it never happened. "answer lost": it happened, and nobody says so. */
export type Loss = "refused" | "answer lost";

export type Mishap =
  /** The process dies at one of its next writes: 1 is the very next. */
  | {
      readonly kind: "crash";
      readonly process: string;
      readonly writes: number;
      readonly how: Loss;
      readonly downMs: number;
      /** Its next life begins with an old view: what it lists by then arrives late, and then its events do. */
      readonly late?: { readonly resource: string; readonly ms: number };
      /** Lists of any age are so old when it starts again. */
      readonly behindMs?: number;
    }
  /** It does not run for a while, and does not know. */
  | { readonly kind: "pause"; readonly process: string; readonly ms: number }
  | { readonly kind: "jump"; readonly process: string; readonly ms: number }
  /** Some of its writes are lost. */
  | { readonly kind: "loss"; readonly process: string; readonly how: Loss; readonly share: number; readonly ms: number }
  /** Somebody else changes the object just before one of its next writes. */
  | { readonly kind: "conflict"; readonly process: string; readonly writes: number }
  /** Watch events come late, all at once. */
  | { readonly kind: "hold"; readonly process: string; readonly resource: string; readonly ms: number }
  /** Lists that are asked for meanwhile come at its end, as they were when they were asked for. */
  | { readonly kind: "late"; readonly process: string; readonly resource: string; readonly ms: number }
  /** Watch events come twice. */
  | { readonly kind: "repeat"; readonly process: string; readonly resource: string; readonly ms: number }
  | { readonly kind: "cut"; readonly process: string; readonly resource: string; readonly expired: boolean }
  /** A list that may be of any age is as old as allowed. */
  | { readonly kind: "stale"; readonly behindMs: number; readonly ms: number }
  /** The store forgets its history: watches have to begin anew. */
  | { readonly kind: "compact" }
  /** The API server dies and comes back over what it stored. */
  | { readonly kind: "server"; readonly ms: number }
  /** The node runs on, but neither hears nor is heard. */
  | { readonly kind: "silent"; readonly node: number; readonly ms: number }
  /** The machine goes down, with all that runs on it. */
  | { readonly kind: "dead"; readonly node: number; readonly ms: number }
  /** The machine goes down, somebody deletes its Node, and it comes back as a new one. */
  | { readonly kind: "removed"; readonly node: number; readonly ms: number };

export type Fault = { readonly at: number } & Mishap;

const WATCHED = ["pods", "replicasets", "deployments", "jobs", "nodes", "statefulsets", "daemonsets", "leases"];

const WATCHED_MORE = [
  ...WATCHED,
  "persistentvolumeclaims",
  "persistentvolumes",
  "poddisruptionbudgets",
  "cronjobs",
  "horizontalpodautoscalers",
  "controllerrevisions",
  "namespaces",
];

const makers: readonly (readonly [weight: number, make: (from: Random, process: string, nodes: number) => Mishap])[] = [
  [
    6,
    (from, process) => ({
      kind: "crash",
      process,
      writes: from.between(1, 12),
      how: loss(from),
      downMs: from.between(0, 6_000),
    }),
  ],
  [2, (from, process) => ({ kind: "pause", process, ms: from.between(1_000, 40_000) })],
  [1, (from, process) => ({ kind: "jump", process, ms: from.pick([-1, 1]) * from.between(1_000, 7_200_000) })],
  [
    3,
    (from, process) => ({
      kind: "loss",
      process,
      how: loss(from),
      share: from.between(1, 8) / 10,
      ms: from.between(500, 8_000),
    }),
  ],
  [4, (from, process) => ({ kind: "conflict", process, writes: from.between(1, 8) })],
  [5, (from, process) => ({ kind: "hold", process, resource: from.pick(WATCHED), ms: from.between(200, 15_000) })],
  [2, (from, process) => ({ kind: "repeat", process, resource: from.pick(WATCHED), ms: from.between(1_000, 20_000) })],
  [3, (from, process) => ({ kind: "cut", process, resource: from.pick(WATCHED), expired: from.chance(0.3) })],
  [2, (from) => ({ kind: "stale", behindMs: from.between(500, 10_000), ms: from.between(5_000, 30_000) })],
  [1, () => ({ kind: "compact" })],
  [1, (from) => ({ kind: "server", ms: from.between(10, 8_000) })],
  [2, (from, _, nodes) => ({ kind: "silent", node: from.between(0, nodes - 1), ms: from.between(5_000, 80_000) })],
  [2, (from, _, nodes) => ({ kind: "dead", node: from.between(0, nodes - 1), ms: from.between(3_000, 80_000) })],
];

const loss = (from: Random): Loss => (from.chance(0.5) ? "refused" : "answer lost");

/** Most faults happen soon after a user did something: then there is most to disturb. */
export function faultsOf(seed: number, { nodes, candidates }: Shape, steps: readonly Step[]): Fault[] {
  return [...firstFaults(seed, nodes, candidates, steps), ...laterFaults(seed, nodes, candidates, steps)];
}

/** What was added later has numbers of its own: the faults of before stay what they were. */
function laterFaults(seed: number, nodes: number, candidates: number, steps: readonly Step[]): Fault[] {
  const from = random(seed, "later faults");
  const faults: Fault[] = [];
  for (let count = from.pick([0, 0, 1, 1, 2]); count > 0; count--)
    faults.push({
      at: Math.min(from.pick(steps).at + from.between(0, 5_000), STORM_MS),
      kind: "crash",
      process: `controllers-${from.between(0, candidates - 1)}`,
      writes: from.between(1, 8),
      how: loss(from),
      downMs: from.between(0, 2_000),
      ...(from.chance(0.5) ? { late: { resource: from.pick(WATCHED_MORE), ms: from.between(300, 8_000) } } : {}),
      ...(from.chance(0.6) ? { behindMs: from.between(200, 5_000) } : {}),
    });
  if (from.chance(0.12)) {
    const node = from.between(0, nodes - 1);
    faults.push({ at: from.between(5_000, STORM_MS), kind: "removed", node, ms: from.between(1_000, 80_000) });
  }
  if (from.chance(0.3)) {
    const resource = from.pick(WATCHED_MORE.slice(WATCHED.length));
    const process = `controllers-${from.between(0, candidates - 1)}`;
    faults.push({ at: from.pick(steps).at, kind: "hold", process, resource, ms: from.between(200, 10_000) });
  }
  return faults;
}

function firstFaults(seed: number, nodes: number, candidates: number, steps: readonly Step[]): Fault[] {
  const from = random(seed, "faults");
  const total = makers.reduce((sum, [weight]) => sum + weight, 0);
  return Array.from({ length: from.between(0, 14) }, () => {
    const soon = from.chance(0.65) ? from.pick(steps).at + from.between(0, 4_000) : from.between(1_000, STORM_MS);
    const at = Math.min(soon, STORM_MS);
    const role = from.chance(0.75) ? "controllers" : "scheduler";
    const process = `${role}-${from.between(0, candidates - 1)}`;
    const drawn = from.next() * total;
    let sum = 0;
    const [, make] =
      makers.find(([weight]) => {
        sum += weight;
        return drawn < sum;
      }) ?? (makers[0] as (typeof makers)[number]);
    return { at, ...make(from, process, nodes) };
  });
}
