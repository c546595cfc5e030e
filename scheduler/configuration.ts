/**
 * Configuration: a KubeSchedulerConfiguration file as profiles and back-offs.
 *
 * What is not understood is an error, never passed over: a scheduler that quietly does something else than it was
 * told is worse than none. Extenders are not there, and said to be.
 * https://kubernetes.io/docs/reference/scheduling/config/
 */
import { readOneYaml } from "../machinery/yaml.ts";
import { ConfigurationError, type Json, listOf, numberOf, objectOf, textOf } from "./configured-values.ts";
import type { Handle, Plugin, PluginArgs } from "./framework.ts";
import { checkArgs } from "./plugin-args.ts";
import { PLUGINS } from "./plugins/plugins.ts";
import { createProfile, DEFAULT_SCHEDULER, type Enabled, type Profile } from "./profile.ts";

export interface Configuration {
  readonly schedulerNames: readonly string[];
  readonly profiles: (handle: Handle) => readonly Profile[];
  readonly backoffMs: { readonly first: number; readonly last: number };
}

/** A plugin that serves at some of its points only, and how much its score weighs. */
interface Choice {
  readonly name: string;
  readonly points: ReadonlySet<keyof Plugin>;
  readonly weight: number | undefined;
}

/** Their names in the file ► in framework.ts; reservations and filters bring the points that depend on them. */
const POINTS: Readonly<Record<string, readonly (keyof Plugin)[]>> = {
  preEnqueue: ["preEnqueue"],
  queueSort: ["queueSort"],
  preFilter: ["preFilter"],
  filter: ["preFilter"],
  postFilter: ["postFilter"],
  preScore: ["preScore"],
  score: ["preScore"],
  reserve: ["reserve"],
  permit: ["permit"],
  preBind: ["reserve"],
  bind: ["bind"],
  postBind: ["reserve"],
};
const ALL = new Set(Object.values(POINTS).flat());

export function readConfiguration(text: string): Configuration {
  const file = objectOf(readOneYaml(text), "the configuration");
  const { apiVersion, kind } = file;
  if (apiVersion !== "kubescheduler.config.k8s.io/v1" || kind !== "KubeSchedulerConfiguration")
    throw new ConfigurationError("a kubescheduler.config.k8s.io/v1 KubeSchedulerConfiguration is needed");
  for (const key of Object.keys(file))
    if (!KNOWN.has(key)) throw new ConfigurationError(`${key}: not supported by this scheduler`);
  const share = numberOf(file["percentageOfNodesToScore"], "percentageOfNodesToScore", 0, 100) ?? 0;
  const profiles = listOf(file["profiles"] ?? [{}], "profiles").map((one) => profileOf(one, share));
  const schedulerNames = profiles.map(({ schedulerName }) => schedulerName);
  if (new Set(schedulerNames).size < schedulerNames.length)
    throw new ConfigurationError("profiles: two of them have the same schedulerName");
  const seconds = (key: string, usual: number) => numberOf(file[key], key, 1) ?? usual;
  return {
    schedulerNames,
    profiles: (handle) => profiles.map(({ make }) => make(handle)),
    backoffMs: {
      first: 1000 * seconds("podInitialBackoffSeconds", 1),
      last: 1000 * seconds("podMaxBackoffSeconds", 10),
    },
  };
}

/** What leader election and connections say is said by flags here; of `parallelism` there is nothing to say. */
const KNOWN = new Set([
  "apiVersion",
  "kind",
  "profiles",
  "percentageOfNodesToScore",
  "podInitialBackoffSeconds",
  "podMaxBackoffSeconds",
  "parallelism",
  "leaderElection",
  "clientConnection",
]);

function profileOf(value: unknown, share: number) {
  const profile = objectOf(value, "profiles");
  const schedulerName = textOf(profile["schedulerName"], "schedulerName") ?? DEFAULT_SCHEDULER;
  const percentage = numberOf(profile["percentageOfNodesToScore"], "percentageOfNodesToScore", 0, 100) ?? share;
  const choices = chosen(objectOf(profile["plugins"] ?? {}, "plugins"));
  const args = argsOf(listOf(profile["pluginConfig"] ?? [], "pluginConfig"));
  const make = (handle: Handle): Profile => {
    const enabled = choices.map(({ name, points, weight }): Enabled => {
      const plugin = rowOf(name).make(args.get(name) ?? {}, handle);
      return { plugin: limited(plugin, points), ...(weight === undefined ? {} : { weight }) };
    });
    return createProfile(schedulerName, enabled, percentage);
  };
  return { schedulerName, make };
}

/** `multiPoint` first, then each point's own; what is enabled there stands after what is on already. */
function chosen(plugins: Json): readonly Choice[] {
  const choices = new Map<string, { points: Set<keyof Plugin>; weight: number | undefined }>();
  const on = (name: string, points: Iterable<keyof Plugin>, weight: number | undefined) => {
    const known = choices.get(name) ?? { points: new Set<keyof Plugin>(), weight: rowOf(name).weight };
    for (const point of points) known.points.add(point);
    choices.set(name, { ...known, weight: weight ?? known.weight });
  };
  const off = (name: string, points: Iterable<keyof Plugin>) => {
    for (const point of points)
      for (const [one, { points: own }] of choices) if (name === "*" || one === name) own.delete(point);
  };
  for (const name of Object.keys(PLUGINS)) on(name, ALL, undefined);
  const { multiPoint, ...single } = plugins;
  for (const [point, value] of Object.entries({ ...(multiPoint === undefined ? {} : { multiPoint }), ...single })) {
    const points = point === "multiPoint" ? ALL : POINTS[point];
    if (!points) throw new ConfigurationError(`plugins.${point}: no extension point`);
    const { enabled, disabled } = objectOf(value, `plugins.${point}`);
    for (const one of listOf(disabled ?? [], point)) off(textOf(objectOf(one, point)["name"], "name") ?? "", points);
    for (const one of listOf(enabled ?? [], point)) {
      const { name, weight } = objectOf(one, point);
      on(textOf(name, "name") ?? "", points, numberOf(weight, "weight", 0));
    }
  }
  return [...choices].flatMap(([name, choice]) => (choice.points.size > 0 ? [{ name, ...choice }] : []));
}

function argsOf(list: readonly unknown[]): ReadonlyMap<string, PluginArgs> {
  return new Map(
    list.map((one) => {
      const { name, args } = objectOf(one, "pluginConfig");
      const plugin = textOf(name, "pluginConfig.name") ?? "";
      rowOf(plugin);
      const given = objectOf(args ?? {}, `pluginConfig.${plugin}.args`);
      checkArgs(plugin, given);
      return [plugin, given] as const;
    }),
  );
}

function rowOf(name: string) {
  const row = Object.hasOwn(PLUGINS, name) ? PLUGINS[name] : undefined;
  if (!row) throw new ConfigurationError(`${name}: there is no such plugin`);
  return row;
}

/** The plugin at these points alone; its name and hints stay. */
function limited(plugin: Plugin, points: ReadonlySet<keyof Plugin>): Plugin {
  const entries = Object.entries(plugin).filter(
    ([key]) => !ALL.has(key as keyof Plugin) || points.has(key as keyof Plugin),
  );
  return Object.fromEntries(entries) as unknown as Plugin;
}
