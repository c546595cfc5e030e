/**
 * Nodes: which ones a line of cordon, uncordon or drain means, and how they are closed and opened to new Pods.
 */
import type { Node } from "../machinery/objects/kinds.ts";
import type { KubeObject } from "../machinery/objects/wire.ts";
import type { Cluster } from "./cluster.ts";
import type { Run } from "./command.ts";
import { type ResourceType, resolveType, resourcePath } from "./discovery.ts";
import { CommandError, usageError } from "./errors.ts";
import type { FlagTable } from "./flags.ts";
import { type FoundObject, objectsOf } from "./selection.ts";
import { type DryRun, dryRunOf } from "./writing.ts";

export const nodeFlags = {
  selector: { type: "string", short: "l", default: "", help: "Selector (label query) to filter on" },
  "dry-run": { type: "string", default: "none", alone: "unchanged", help: 'Must be "none", "server", or "client".' },
} as const satisfies FlagTable;

export type NodeRun = Run<typeof nodeFlags>;

export const DRY_RUN_SUFFIX: Readonly<Record<DryRun, string>> = {
  none: "",
  client: " (dry run)",
  server: " (server dry run)",
};

export async function nodesOf(run: NodeRun, cluster: Cluster): Promise<FoundObject[]> {
  const { args, flags, name } = run;
  if (args.length === 0 && !run.given.has("selector")) throw usageError(name, `USAGE: ${name} NODE [flags]`);
  if (args.length > 0 && flags.selector !== "")
    throw usageError(name, "error: cannot specify both a node name and a --selector option");
  const discovery = await cluster.discovery();
  const nodes = resolveType(discovery, "nodes");
  const stop = (error: unknown) => {
    throw error;
  };
  if (args.length === 0) {
    return objectsOf(cluster, [{ type: nodes, names: undefined }], { selector: flags.selector }, stop);
  }
  const selection = args.map((arg) => {
    const [type, ...rest] = arg.split("/");
    return rest.length === 0
      ? { type: nodes, names: [arg] }
      : { type: resolveType(discovery, type ?? ""), names: [rest.join("/")] };
  });
  const found = await objectsOf(cluster, selection, {}, stop);
  for (const { type } of found) if (!isNode(type)) throw notANode(type);
  return found;
}

const isNode = ({ plural, group }: ResourceType) => plural === "nodes" && group === "";

const notANode = ({ plural, group }: ResourceType) =>
  new CommandError(
    `error: expected resource of type node, got ${JSON.stringify(group ? `${plural}.${group}` : plural)}`,
  );

/** Closes the nodes to new Pods, or opens them; says what became of each. */
export async function setSchedulable(
  run: NodeRun,
  cluster: Cluster,
  nodes: readonly FoundObject[],
  open: boolean,
): Promise<void> {
  const done = open ? "uncordoned" : "cordoned";
  const dryRun = dryRunOf(run.flags["dry-run"]);
  for (const { type, name, object } of nodes) {
    const closed = (object as unknown as Node).spec?.unschedulable === true;
    if (closed !== open) {
      run.out(`node/${name} already ${done}${DRY_RUN_SUFFIX[dryRun]}\n`);
      continue;
    }
    try {
      if (dryRun !== "client") await patch(cluster, type, name, open, dryRun);
      run.out(`node/${name} ${done}${DRY_RUN_SUFFIX[dryRun]}\n`);
    } catch (error) {
      run.err(
        `error: unable to ${open ? "uncordon" : "cordon"} node ${JSON.stringify(name)}: ${(error as Error).message}\n`,
      );
    }
  }
}

const patch = (cluster: Cluster, type: ResourceType, name: string, open: boolean, dryRun: DryRun) =>
  cluster.request<KubeObject>({
    method: "PATCH",
    path: resourcePath(type, undefined, name),
    query: dryRun === "server" ? { dryRun: "All" } : {},
    headers: { "content-type": "application/strategic-merge-patch+json" },
    body: { spec: { unschedulable: open ? null : true } },
  });
