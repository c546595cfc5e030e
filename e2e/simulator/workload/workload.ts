/**
 * Workload: what users ask of a simulated cluster: objects made, changed and deleted at certain times.
 *
 * Steps are data, chosen by the seed. At the end of the storm users ask for nothing that cannot be: images that
 * never get ready are mended, quotas raised, paused rollouts go on; so there is one state to come to rest in.
 */

import { type Random, random } from "../random.ts";
import type { Shape } from "../shape.ts";
import { STORM_MS } from "../shape.ts";
import { daemonSet, deployment, replicaSet } from "./rolling.ts";
import { statefulSet } from "./sets.ts";
import { PRIORITIES, type Step } from "./steps.ts";
import { cronJob, job } from "./tasks.ts";

export const TEAM = "team";
const DEFAULT = "default";

export function stepsOf(seed: number, shape: Shape): Step[] {
  const from = random(seed, "workload");
  const makers = [deployment, job, statefulSet, daemonSet, replicaSet];
  const chosen = makers.filter((_, index) => from.chance([0.7, 0.4, 0.4, 0.2, 0.15][index] as number));
  const apps = (chosen.length > 0 ? chosen : [deployment]).flatMap((make, index) => {
    const namespace = shape.quota && from.chance(0.5) ? TEAM : DEFAULT;
    const name = `${make.name.toLowerCase()}-${index}`;
    return make({ from, more: random(seed, "more", name), shape, namespace, name });
  });
  const team = shape.quota ? teamSteps(from) : [];
  return [...team, ...apps, ...laterSteps(seed, shape)].sort((one, other) => one.at - other.at);
}

/** What has streams of its own. */
function laterSteps(seed: number, shape: Shape): Step[] {
  const from = random(seed, "later workload");
  const cron = from.chance(0.1)
    ? cronJob({ from, more: random(seed, "more", "cron"), shape, namespace: DEFAULT, name: "cron" })
    : [];
  const drain = from.chance(0.12) ? drainSteps(from, shape) : [];
  return [...(shape.priorities ? priorities() : []), ...cron, ...drain];
}

const priorities = (): Step[] =>
  PRIORITIES.map((name, index) => ({
    at: 20,
    verb: "create",
    resource: "priorityclasses",
    namespace: "",
    name,
    body: { value: index === 0 ? 1_000 : -10 },
  }));

/** Somebody takes a node out of service for a while, and its Pods away. */
function drainSteps(from: Random, shape: Shape): Step[] {
  const node = { resource: "nodes", namespace: "", name: `node-${from.between(0, shape.nodes - 1)}` } as const;
  const at = from.between(10_000, STORM_MS - 20_000);
  const cordon = (unschedulable: boolean) => ({ verb: "patch", ...node, body: { spec: { unschedulable } } }) as const;
  return [
    { at, ...cordon(true) },
    ...[1, 2, 3].map((round): Step => ({ at: at + round * 2_500, verb: "evict", ...node, pick: 0 })),
    { at: at + from.between(8_000, 20_000), ...cordon(false) },
    { at: STORM_MS + 700, ...cordon(false) },
  ];
}

/** A namespace with a quota, which may be deleted and made again. */
function teamSteps(from: Random): Step[] {
  const target = { namespace: "", resource: "namespaces", name: TEAM };
  const quota = { resource: "resourcequotas", namespace: TEAM, name: "few" };
  const steps: Step[] = [
    { at: 10, verb: "create", ...target, body: {} },
    {
      at: 50,
      verb: "create",
      ...quota,
      body: { spec: { hard: { pods: String(from.between(2, 8)), "requests.cpu": "3" } } },
    },
  ];
  if (from.chance(0.2)) {
    const at = from.between(STORM_MS / 3, STORM_MS);
    steps.push({ at, verb: "delete", ...target, propagation: "Background" });
  } else
    steps.push({
      at: STORM_MS + 500,
      verb: "patch",
      ...quota,
      // room for DaemonSets on as many nodes as a plan may have
      body: { spec: { hard: { pods: "2000", "requests.cpu": "2000" } } },
    });
  return steps;
}
