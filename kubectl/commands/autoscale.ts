/** kubectl autoscale: a HorizontalPodAutoscaler for an object that has a scale. */
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { apiVersionOf, resolveType, resourcePath } from "../discovery.ts";
import { CommandError, throwAll } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { annotated } from "../last-applied.ts";
import { fileFlags, readManifests } from "../manifests.ts";
import { type FoundObject, NOTHING_NAMED, objectsOf, parseSelection } from "../selection.ts";
import { createReporter, dryRunOf, writeFlags, writeQuery } from "../writing.ts";

const flags = {
  ...fileFlags,
  ...writeFlags,
  "field-manager": {
    type: "string",
    default: "kubectl-autoscale",
    help: "Name of the manager used to track field ownership.",
  },
  "cpu-percent": {
    type: "number",
    default: -1,
    help: "The target average CPU utilization (represented as a percent of requested CPU) over all the pods.",
  },
  cpu: {
    type: "string",
    default: "",
    help: "Target CPU over all the pods: a percentage of what they request, or a quantity such as 500m.",
  },
  memory: {
    type: "string",
    default: "",
    help: "Target memory over all the pods: a percentage of what they request, or a quantity such as 200Mi.",
  },
  max: { type: "number", help: "The upper limit for the number of pods that can be set by the autoscaler. Required." },
  min: { type: "number", default: -1, help: "The lower limit for the number of pods that can be set." },
  name: { type: "string", default: "", help: "The name for the newly created object." },
  "save-config": {
    type: "boolean",
    help: "If true, the configuration of current object will be saved in its annotation.",
  },
} as const satisfies FlagTable;

type AutoscaleRun = Run<typeof flags>;

export const autoscale = defineCommand({
  usage: "autoscale (-f FILENAME | TYPE NAME | TYPE/NAME) [--min=MINPODS] --max=MAXPODS [--cpu-percent=CPU] [options]",
  summary: "Creates an autoscaler that automatically chooses and sets the number of pods that run in a cluster.",
  examples: [
    "kubectl autoscale deployment foo --min=2 --max=10",
    "kubectl autoscale deployment foo --max=5 --cpu-percent=80",
  ],
  flags,
  async run(run) {
    const { max, min } = run.flags;
    if (max === undefined) throw new CommandError('required flag(s) "max" not set');
    if (max < 1) throw new CommandError(`--max=MAXPODS is required and must be at least 1, max: ${max}`);
    if (max < min)
      throw new CommandError(`--max=MAXPODS must be larger or equal to --min=MINPODS, max: ${max}, min: ${min}`);
    const metrics = metricsOf(run);
    const cluster = await run.cluster();
    const type = resolveType(await cluster.discovery(), "horizontalpodautoscalers.autoscaling");
    const report = await createReporter(run);
    const errors: unknown[] = [];
    const targets = await targetsOf(run, cluster, (error) => errors.push(error));
    for (const target of targets) {
      try {
        const made = autoscalerOf(run, target, max, metrics);
        const body = run.flags["save-config"] ? annotated(made) : made;
        if (dryRunOf(run.flags["dry-run"]) === "client") {
          report(type, body, "autoscaled");
          continue;
        }
        const path = resourcePath(type, target.namespace);
        const created = await cluster.request<KubeObject>({ method: "POST", path, query: writeQuery(run.flags), body });
        report(type, created, "autoscaled");
      } catch (error) {
        errors.push(error);
      }
    }
    if (targets.length === 0 && errors.length === 0) throw new CommandError("no objects passed to autoscale");
    throwAll(errors);
  },
});

async function targetsOf(
  run: AutoscaleRun,
  cluster: Cluster,
  onError: (error: unknown) => void,
): Promise<readonly FoundObject[]> {
  const { args, flags: given } = run;
  const found: FoundObject[] = [];
  for (const { type, namespace, object } of await readManifests(cluster, run.io, given.filename, given))
    found.push({ type, namespace, name: object.metadata.name ?? "", object });
  if (args.length === 0) {
    if (found.length === 0) throw new CommandError(NOTHING_NAMED);
    return found;
  }
  const selection = await parseSelection(cluster, args);
  if (selection.some(({ names }) => !names))
    throw new CommandError("resource(s) were provided, but no name was specified");
  return [...found, ...(await objectsOf(cluster, selection, {}, onError))];
}

function autoscalerOf(
  run: AutoscaleRun,
  { type, name }: FoundObject,
  maxReplicas: number,
  metrics: readonly unknown[],
): KubeObject {
  if (!type.subresources.includes("scale")) {
    const resource = `${type.group ? `${type.group}/` : "/"}${type.version}, Resource=${type.plural}`;
    throw new CommandError(
      `cannot autoscale a ${type.kind}: could not find scale subresource for ${resource} in discovery information`,
    );
  }
  const { min } = run.flags;
  return {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: { name: run.flags.name || name },
    spec: {
      scaleTargetRef: { kind: type.kind, name, apiVersion: apiVersionOf(type) },
      ...(min > 0 ? { minReplicas: min } : {}),
      maxReplicas,
      ...(metrics.length > 0 ? { metrics } : {}),
    },
    status: { desiredReplicas: 0, currentMetrics: null },
  };
}

function metricsOf({ flags: given }: AutoscaleRun): readonly unknown[] {
  const percent = given["cpu-percent"];
  if (percent >= 0 && given.cpu !== "") throw new CommandError("--cpu-percent and --cpu cannot be used together");
  const rows: readonly (readonly [string, string, string])[] = [
    ["cpu", percent >= 0 ? `${percent}%` : given.cpu, "m"],
    ["memory", given.memory, "Mi"],
  ];
  return rows.flatMap(([name, text, unit]) =>
    text === "" ? [] : [{ type: "Resource", resource: { name, target: targetOf(name, text, unit) } }],
  );
}

/** "80%" is of what is requested; a bare number has the unit that one would write. */
function targetOf(name: string, text: string, unit: string) {
  const [, percent] = /^(\d+)%$/.exec(text) ?? [];
  if (percent !== undefined) return { type: "Utilization", averageUtilization: Number(percent) };
  if (!/^\d+(\.\d+)?([numkMGTPE]|[KMGTPE]i)?$/.test(text))
    throw new CommandError(`invalid ${name} target: ${text}: a percentage or a quantity is expected`);
  return { type: "AverageValue", averageValue: /^\d+$/.test(text) ? `${text}${unit}` : text };
}
