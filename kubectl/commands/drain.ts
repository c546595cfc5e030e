/**
 * kubectl drain: closes nodes to new Pods and takes away those that run there.
 *
 * A node that cannot be drained does not stop the others. Which Pods go and how is in ../drain/.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { controllerOf } from "../../machinery/objects/owners.ts";
import { isNotFound } from "../../machinery/objects/status.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { resolveType, resourcePath } from "../discovery.ts";
import { type DaemonSetTrouble, type Doomed, doomedPods } from "../drain/doomed.ts";
import { deletePods, evictPods } from "../drain/evict.ts";
import { CommandError, PlainError } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { goDuration } from "../go-duration.ts";
import { DRY_RUN_SUFFIX, nodeFlags, nodesOf, setSchedulable } from "../nodes.ts";
import { listAll } from "../selection.ts";
import { dryRunOf } from "../writing.ts";

const flags = {
  ...nodeFlags,
  "chunk-size": { type: "number", default: 500, help: "Return large lists in chunks rather than all at once." },
  "delete-emptydir-data": { type: "boolean", help: "Continue even if there are pods using emptyDir" },
  "disable-eviction": { type: "boolean", help: "Force drain to use delete, even if eviction is supported." },
  force: { type: "boolean", help: "Continue even if there are pods that do not declare a controller." },
  "grace-period": {
    type: "number",
    default: -1,
    help: "Period of time in seconds given to each pod to terminate gracefully.",
  },
  "ignore-daemonsets": { type: "boolean", help: "Ignore DaemonSet-managed pods." },
  "pod-selector": { type: "string", default: "", help: "Label selector to filter pods on the node" },
  "skip-wait-for-delete-timeout": {
    type: "number",
    default: 0,
    help: "If pod DeletionTimestamp older than N seconds, skip waiting for the pod.",
  },
  timeout: { type: "string", default: "0s", help: "The length of time to wait before giving up, zero means infinite" },
} as const satisfies FlagTable;

type DrainRun = Run<typeof flags>;

export const drain = defineCommand({
  usage: "drain NODE [options]",
  summary: "Drain node in preparation for maintenance.",
  examples: ["kubectl drain foo --force", "kubectl drain foo --grace-period=900"],
  flags,
  async run(run) {
    const selector = run.flags["pod-selector"];
    if (selector !== "") await checkSelector(selector);
    const cluster = await run.cluster();
    const nodes = await nodesOf(run, cluster);
    await setSchedulable(run, cluster, nodes, false);
    const failures: string[] = [];
    const pending: string[] = [];
    for (const { name } of nodes) {
      const errors = await drainOne(run, cluster, name);
      if (errors.length === 0) {
        run.out(`node/${name} drained${DRY_RUN_SUFFIX[dryRunOf(run.flags["dry-run"])]}\n`);
        continue;
      }
      failures.push(...errors);
      pending.push(name);
      run.err(
        `error: unable to drain node ${JSON.stringify(name)} due to error: ${aggregate(errors)}, continuing command...\n`,
      );
      run.err(`There are pending nodes to be drained:\n${pending.map((one) => ` ${one}\n`).join("")}`);
    }
    if (failures.length > 0) throw new PlainError(failures.join("\n"));
  },
});

async function checkSelector(selector: string): Promise<void> {
  const { parseLabelSelector } = await import("../../machinery/objects/selectors.ts");
  try {
    parseLabelSelector(selector);
  } catch {
    throw new CommandError("--pod-selector=<pod_selector> must be a valid label selector");
  }
}

const aggregate = (errors: readonly string[]) => (errors.length === 1 ? errors[0]! : `[${errors.join(", ")}]`);

/** What went wrong; empty when the node is drained. */
async function drainOne(run: DrainRun, cluster: Cluster, node: string): Promise<readonly string[]> {
  const { pods, warning, errors } = await doomedOn(run, cluster, node);
  if (errors.length > 0) return errors;
  if (warning !== "") run.err(`Warning: ${warning}\n`);
  const dryRun = dryRunOf(run.flags["dry-run"]);
  if (dryRun === "client") {
    for (const { metadata } of pods) run.out(`evicting pod ${metadata.namespace}/${metadata.name} (dry run)\n`);
    return [];
  }
  const timeout = goDuration(run.flags.timeout);
  const take = run.flags["disable-eviction"] ? deletePods : evictPods;
  const failed = await take(pods, {
    cluster,
    clock: run.clock,
    signal: run.io.signal,
    podType: resolveType(await cluster.discovery(), "pods"),
    dryRun,
    gracePeriod: run.flags["grace-period"],
    timeout: timeout > 0 ? timeout : Number.POSITIVE_INFINITY,
    skipGoingMs: run.flags["skip-wait-for-delete-timeout"] * 1000,
    out: run.out,
    err: run.err,
  });
  if (failed.length > 0) await tellPending(run, cluster, node, failed);
  return failed;
}

async function tellPending(run: DrainRun, cluster: Cluster, node: string, failed: readonly string[]): Promise<void> {
  const left = await doomedOn(run, cluster, node);
  if (left.pods.length > 0) {
    run.err(`There are pending pods in node ${JSON.stringify(node)} when an error occurred: ${aggregate(failed)}\n`);
    for (const { metadata } of left.pods) run.err(`pod/${metadata.name}\n`);
  }
  if (left.errors.length > 0)
    run.err(`Following errors occurred while getting the list of pods to delete:\n${aggregate(left.errors)}`);
}

async function doomedOn(run: DrainRun, cluster: Cluster, node: string): Promise<Doomed> {
  const type = resolveType(await cluster.discovery(), "pods");
  const narrowing = { selector: run.flags["pod-selector"], fieldSelector: `spec.nodeName=${node}` };
  const found = await listAll(cluster, type, undefined, narrowing);
  const pods = found.map(({ object }) => object as unknown as Pod);
  const troubles = await daemonSetTroubles(cluster, pods);
  return doomedPods(pods, {
    force: run.flags.force,
    ignoreDaemonSets: run.flags["ignore-daemonsets"],
    deleteEmptyDirData: run.flags["delete-emptydir-data"],
    skipGoingMs: run.flags["skip-wait-for-delete-timeout"] * 1000,
    now: run.clock.now(),
    daemonSetTrouble: (pod) => troubles.get(daemonSetOf(pod)),
  });
}

const daemonSetOf = (pod: Pod) => `${pod.metadata.namespace}/${controllerOf(pod)?.name}`;

/** Looks up the DaemonSets that the Pods name, each once. */
async function daemonSetTroubles(cluster: Cluster, pods: readonly Pod[]): Promise<Map<string, DaemonSetTrouble>> {
  const troubles = new Map<string, DaemonSetTrouble>();
  const owned = pods.filter((pod) => controllerOf(pod)?.kind === "DaemonSet");
  if (owned.length === 0) return troubles;
  const type = resolveType(await cluster.discovery(), "daemonsets.apps");
  for (const key of new Set(owned.map(daemonSetOf))) {
    const [namespace, name] = key.split("/");
    try {
      await cluster.request({ method: "GET", path: resourcePath(type, namespace, name) });
    } catch (error) {
      troubles.set(key, { message: (error as Error).message, missing: isNotFound(error) });
    }
  }
  return troubles;
}
