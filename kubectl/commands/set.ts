/** kubectl set: image and env of the containers of a workload. */
import type { Container, PodTemplateSpec } from "../../machinery/objects/kinds.ts";
import type { Cluster } from "../cluster.ts";
import { type CommandGroup, defineCommand, type Run } from "../command.ts";
import { resourcePath, typeName } from "../discovery.ts";
import { CommandError, throwAll } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { type FoundObject, objectsOf, parseSelection } from "../selection.ts";
import { dryRunOf } from "../writing.ts";

const flags = {
  all: { type: "boolean", help: "Select all resources, in the namespace of the specified resource types" },
  selector: { type: "string", short: "l", default: "", help: "Selector (label query) to filter on" },
  "dry-run": { type: "string", default: "none", alone: "unchanged", help: 'Must be "none", "server", or "client".' },
} as const satisfies FlagTable;

type SetRun = Run<typeof flags>;

/** Resources before the first NAME=value, changes after it. */
function split(args: readonly string[]): { resources: string[]; changes: string[] } {
  const isChange = (arg: string) => arg.includes("=") || (arg.endsWith("-") && !arg.includes("/"));
  return { resources: args.filter((arg) => !isChange(arg)), changes: args.filter(isChange) };
}

async function targets(run: SetRun, cluster: Cluster, resources: readonly string[]): Promise<FoundObject[]> {
  if (resources.length === 0)
    throw new CommandError("one or more resources must be specified as <resource> <name> or <resource>/<name>");
  const selection = await parseSelection(cluster, resources);
  if (!run.flags.all && run.flags.selector === "" && selection.some(({ names }) => !names)) {
    throw new CommandError("resource(s) were provided, but no name was specified");
  }
  return objectsOf(cluster, selection, { selector: run.flags.selector }, (error) => {
    throw error;
  });
}

/** Where an object keeps its containers, as a path of a patch. */
function templateOf({ object }: FoundObject): { path: readonly string[]; spec: PodTemplateSpec["spec"] } {
  const spec = object["spec"] as Record<string, unknown> | undefined;
  if (object.kind === "Pod") return { path: ["spec"], spec: spec as PodTemplateSpec["spec"] };
  const job = spec?.["jobTemplate"] as { spec?: { template?: PodTemplateSpec } } | undefined;
  if (job) return { path: ["spec", "jobTemplate", "spec", "template", "spec"], spec: job.spec?.template?.spec };
  const template = spec?.["template"] as PodTemplateSpec | undefined;
  if (!template) throw new CommandError(`the object is not a pod or does not have a pod template: ${object.kind}`);
  return { path: ["spec", "template", "spec"], spec: template.spec };
}

/** `changeOf` gives what becomes of a container: the fields that change, undefined for none. */
async function changeContainers(
  run: SetRun,
  found: FoundObject,
  done: string,
  changeOf: (container: Container) => Record<string, unknown> | undefined,
): Promise<void> {
  const cluster = await run.cluster();
  const { path, spec } = templateOf(found);
  const rows: Record<string, unknown> = {};
  for (const list of ["containers", "initContainers"] as const) {
    const changed = ((spec?.[list] ?? []) as Container[]).flatMap((container) => {
      const change = changeOf(container);
      return change ? [{ name: container.name, ...change }] : [];
    });
    if (changed.length > 0) rows[list] = changed;
  }
  if (Object.keys(rows).length === 0) return;
  const body = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), rows);
  const dryRun = dryRunOf(run.flags["dry-run"]);
  if (dryRun !== "client") {
    await cluster.request({
      method: "PATCH",
      path: resourcePath(found.type, found.namespace, found.name),
      query: { fieldManager: "kubectl-set", ...(dryRun === "server" ? { dryRun: "All" } : {}) },
      headers: { "content-type": "application/strategic-merge-patch+json" },
      body,
    });
  }
  const suffix = { none: "", client: " (dry run)", server: " (server dry run)" }[dryRun];
  run.out(`${typeName(found.type)}/${found.name} ${done}${suffix}\n`);
}

const image = defineCommand({
  usage:
    "set image (-f FILENAME | TYPE NAME) CONTAINER_NAME_1=CONTAINER_IMAGE_1 ... CONTAINER_NAME_N=CONTAINER_IMAGE_N [options]",
  summary: "Update existing container image(s) of resources.",
  examples: ["kubectl set image deployment/nginx busybox=busybox nginx=nginx:1.9.1"],
  flags,
  async run(run) {
    const { resources, changes } = split(run.args);
    if (changes.length === 0) throw new CommandError("at least one image update is required");
    const images = new Map(
      changes.map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]),
    );
    const errors: unknown[] = [];
    for (const found of await targets(run, await run.cluster(), resources)) {
      const { spec } = templateOf(found);
      const names = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].map(({ name }) => name);
      for (const name of images.keys()) {
        if (name !== "*" && !names.includes(name))
          errors.push(new CommandError(`unable to find container named ${JSON.stringify(name)}`));
      }
      if (errors.length > 0) continue;
      await changeContainers(run, found, "image updated", (container) => {
        const next = images.get(container.name) ?? images.get("*");
        return next === undefined || next === container.image ? undefined : { image: next };
      });
    }
    throwAll(errors);
  },
});

const env = defineCommand({
  usage: "set env RESOURCE/NAME KEY_1=VAL_1 ... KEY_N=VAL_N [options]",
  summary: "Update environment variables on a pod template.",
  examples: ["kubectl set env deployment/registry STORAGE_DIR=/local"],
  flags: {
    ...flags,
    containers: {
      type: "string",
      short: "c",
      default: "*",
      help: "The names of containers in the selected pod templates to change",
    },
  },
  async run(run) {
    const { resources, changes } = split(run.args);
    if (changes.length === 0) throw new CommandError("at least one environment variable must be provided");
    const entries = changes.map((text) => {
      const equals = text.indexOf("=");
      return equals < 0
        ? { name: text.slice(0, -1), $patch: "delete" }
        : { name: text.slice(0, equals), value: text.slice(equals + 1) };
    });
    const wanted = run.flags.containers;
    for (const found of await targets(run as unknown as SetRun, await run.cluster(), resources)) {
      await changeContainers(run as unknown as SetRun, found, "env updated", ({ name }) =>
        wanted === "*" || wanted === name ? { env: entries } : undefined,
      );
    }
  },
});

export const set: CommandGroup = {
  summary: "Configure application resources.",
  usage: "set SUBCOMMAND [options]",
  commands: { image, env },
};
