/** kubectl taint: adds taints to nodes and takes them away. What a line means is in ../taints.ts. */
import type { Node } from "../../machinery/objects/kinds.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { resolveType, resourcePath } from "../discovery.ts";
import { CommandError, PlainError, usageError } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { type FoundObject, objectsOf } from "../selection.ts";
import { contradictions, existing, parseTaintChanges, retaint, type TaintChanges } from "../taints.ts";
import { createReporter, dryRunOf, validateFlag, writeFlags, writeQuery } from "../writing.ts";

const flags = {
  ...writeFlags,
  ...validateFlag,
  "field-manager": {
    type: "string",
    default: "kubectl-taint",
    help: "Name of the manager used to track field ownership.",
  },
  all: { type: "boolean", help: "Select all nodes in the cluster" },
  overwrite: {
    type: "boolean",
    help: "If true, allow taints to be overwritten, otherwise reject taint updates that overwrite existing taints.",
  },
  selector: { type: "string", short: "l", default: "", help: "Selector (label query) to filter on" },
} as const satisfies FlagTable;

type TaintRun = Run<typeof flags>;

export const taint = defineCommand({
  usage: "taint NODE NAME KEY_1=VAL_1:TAINT_EFFECT_1 ... KEY_N=VAL_N:TAINT_EFFECT_N [options]",
  summary: "Update the taints on one or more nodes.",
  examples: ["kubectl taint nodes foo dedicated=special-user:NoSchedule", "kubectl taint nodes foo dedicated-"],
  flags,
  async run(run) {
    const { names, changes } = lineOf(run);
    const cluster = await run.cluster();
    const stop = (error: unknown) => {
      throw error;
    };
    const type = resolveType(await cluster.discovery(), "nodes");
    const report = await createReporter({ ...run, flags: { ...run.flags, "dry-run": "none" } });
    const all = run.flags.all || run.flags.selector !== "";
    // one after the other: a name that is not there stops the line where it stands
    for (const one of all ? [undefined] : names) {
      const selection = { type, names: one === undefined ? undefined : [one] };
      for (const found of await objectsOf(cluster, [selection], { selector: run.flags.selector }, stop)) {
        const { object, done } = await change(run, cluster, found, changes);
        report(type, object, done);
      }
    }
  },
});

function lineOf({ args, flags: given }: TaintRun): { names: readonly string[]; changes: TaintChanges } {
  const isChange = (word: string) => word.includes("=") || word.includes(":") || word.endsWith("-");
  const first = args.findIndex(isChange);
  const [resource, ...names] = first < 0 ? args : args.slice(0, first);
  const words = first < 0 ? [] : args.slice(first);
  const late = words.find((word) => !isChange(word));
  if (late !== undefined) throw new CommandError(`all resources must be specified before taint changes: ${late}`);
  if (resource === undefined) throw new CommandError("one or more resources must be specified as <resource> <name>");
  if (words.length === 0) throw new CommandError("at least one taint update is required");
  const changes = parsed(words);
  if (!["node", "nodes", "no"].includes(resource.toLowerCase()))
    throw new CommandError(`invalid resource type ${resource}, only node types are supported`);
  const both = contradictions(changes);
  if (both.length > 0)
    throw new CommandError(
      `can not both modify and remove the following taint(s) in the same command: ${both.join(", ")}`,
    );
  if (given.all && given.selector !== "")
    throw new CommandError("setting 'all' parameter with a non empty selector is prohibited");
  if (!given.all && given.selector === "" && names.length === 0)
    throw new CommandError("at least one resource name must be specified since 'all' parameter is not set");
  return { names, changes };
}

function parsed(words: readonly string[]): TaintChanges {
  try {
    return parseTaintChanges(words);
  } catch (error) {
    throw error instanceof CommandError ? usageError("taint", error.message) : error;
  }
}

async function change(run: TaintRun, cluster: Cluster, { type, name, object }: FoundObject, changes: TaintChanges) {
  const before = (object as unknown as Node).spec?.taints ?? [];
  const there = existing(before, changes);
  if (!run.flags.overwrite && there.length > 0)
    throw new CommandError(
      `node ${name} already has ${there.join(",")} taint(s) with same effect(s) and --overwrite is false`,
    );
  const { taints, done, missing } = retaint(before, changes, run.flags.overwrite);
  if (missing.length > 0) {
    const said = missing.map((one) => `taint ${JSON.stringify(one)} not found`);
    throw missing.length === 1 ? new CommandError(said[0]!) : new PlainError(said.join("\n"));
  }
  const spec = object["spec"] as Record<string, unknown>;
  if (dryRunOf(run.flags["dry-run"]) === "client") return { object: { ...object, spec: { ...spec, taints } }, done };
  const changed = await cluster.request<KubeObject>({
    method: "PATCH",
    path: resourcePath(type, undefined, name),
    query: writeQuery(run.flags),
    headers: { "content-type": "application/merge-patch+json" },
    body: { metadata: { resourceVersion: object.metadata.resourceVersion }, spec: { taints } },
  });
  return { object: changed, done };
}
