/**
 * Rest: the state that the objects ask for, in which a cluster has to end when the storm is over. Pure.
 *
 * What each kind asks for is in the files beside this one.
 */
import { autoscalers, budgets, endpoints, quotas } from "./around.ts";
import { deleted, nodes, owners, pods } from "./cluster.ts";
import { daemonSets, deployments, replicaSets, statefulSets } from "./replicated.ts";
import type { Check, Scene } from "./scene.ts";
import { cronJobs, jobs } from "./tasks.ts";
import { claims, volumes } from "./volumes.ts";

const checks: readonly Check[] = [
  owners,
  deleted,
  nodes,
  pods,
  replicaSets,
  deployments,
  statefulSets,
  daemonSets,
  jobs,
  cronJobs,
  endpoints,
  quotas,
  budgets,
  autoscalers,
  claims,
  volumes,
];

/** Why this is no state to rest in, and which check says so; undefined when it is. */
export function unrest(scene: Scene): { readonly of: string; readonly problem: string } | undefined {
  for (const check of checks) {
    const problem = check(scene);
    if (problem) return { of: check.name, problem };
  }
  return undefined;
}
