/** kubectl label and kubectl annotate: sets and removes keys on objects. */
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Cluster } from "../cluster.ts";
import { type AnyCommand, defineCommand, type Run } from "../command.ts";
import { resourcePath, typeName } from "../discovery.ts";
import { CommandError, throwAll } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { fileFlags, readManifests } from "../manifests.ts";
import { createPrinter } from "../output/printer.ts";
import { type FoundObject, objectsOf, parseSelection } from "../selection.ts";
import { dryRunOf, writeFlags, writeQuery } from "../writing.ts";

const flags = {
  ...fileFlags,
  ...writeFlags,
  all: { type: "boolean", help: "Select all resources, in the namespace of the specified resource types" },
  "all-namespaces": { type: "boolean", short: "A", help: "If true, check the specified action in all namespaces." },
  selector: { type: "string", short: "l", default: "", help: "Selector (label query) to filter on" },
  "field-selector": { type: "string", default: "", help: "Selector (field query) to filter on" },
  list: { type: "boolean", help: "If true, display the labels or annotations for a given resource." },
  overwrite: {
    type: "boolean",
    help: "If true, allow values to be overwritten, otherwise reject updates that overwrite existing ones.",
  },
  "resource-version": {
    type: "string",
    default: "",
    help: "If non-empty, the update will only succeed if this is the current resource-version for the object.",
  },
} as const satisfies FlagTable;

type KeysRun = Run<typeof flags>;

interface Kind {
  readonly verb: "label" | "annotate";
  readonly field: "labels" | "annotations";
  readonly noun: "label" | "annotation";
  readonly done: "labeled" | "annotated";
  readonly undone: "unlabeled" | "annotated";
  readonly unchanged: "not labeled" | "annotated";
}

function keysCommand(kind: Kind): AnyCommand {
  return defineCommand({
    usage: `${kind.verb} [--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N [options]`,
    summary: `Update the ${kind.field} on a resource.`,
    flags,
    async run(run) {
      const isChange = (arg: string) => arg.includes("=") || /^[^/]+(\/[^/]+)?-$/.test(arg);
      const firstChange = run.args.findIndex(
        (arg) => isChange(arg) && !(arg.includes("/") && !arg.includes("=") && !arg.endsWith("-")),
      );
      const resources = firstChange < 0 ? run.args : run.args.slice(0, firstChange);
      const changes = changesOf(firstChange < 0 ? [] : run.args.slice(firstChange), kind);
      if (resources.length === 0 && run.flags.filename.length === 0)
        throw new CommandError("one or more resources must be specified as <resource> <name> or <resource>/<name>");
      if (changes.size === 0 && !run.flags.list) throw new CommandError(`at least one ${kind.noun} update is required`);
      const cluster = await run.cluster();
      const errors: unknown[] = [];
      for (const found of await targets(run, cluster, resources, errors)) {
        try {
          await change(run, cluster, found, changes, kind);
        } catch (error) {
          errors.push(error);
        }
      }
      throwAll(errors);
    },
  });
}

/** Key ► its value, or null for a key that goes. */
function changesOf(words: readonly string[], kind: Kind): Map<string, string | null> {
  const changes = new Map<string, string | null>();
  for (const word of words) {
    const equals = word.indexOf("=");
    if (equals > 0) changes.set(word.slice(0, equals), word.slice(equals + 1));
    else if (word.endsWith("-")) changes.set(word.slice(0, -1), null);
    else throw new CommandError(`all resources must be specified before ${kind.noun} changes: ${word}`);
  }
  return changes;
}

async function targets(
  run: KeysRun,
  cluster: Cluster,
  args: readonly string[],
  errors: unknown[],
): Promise<FoundObject[]> {
  const { flags: given } = run;
  const onError = (error: unknown) => errors.push(error);
  const found: FoundObject[] = [];
  for (const { type, namespace, object } of await readManifests(cluster, run.io, given.filename, given)) {
    const place = { ...cluster, namespace: namespace ?? cluster.namespace };
    found.push(...(await objectsOf(place, [{ type, names: [object.metadata.name ?? ""] }], {}, onError)));
  }
  if (args.length === 0) return found;
  const selection = await parseSelection(cluster, args);
  const narrowed = given.all || given.selector !== "" || given["field-selector"] !== "";
  if (!narrowed && selection.some(({ names }) => !names))
    throw new CommandError("resource(s) were provided, but no name was specified");
  const narrowing = {
    selector: given.selector,
    fieldSelector: given["field-selector"],
    allNamespaces: given["all-namespaces"],
  };
  return [...found, ...(await objectsOf(cluster, selection, narrowing, onError))];
}

async function change(
  run: KeysRun,
  cluster: Cluster,
  found: FoundObject,
  changes: ReadonlyMap<string, string | null>,
  kind: Kind,
): Promise<void> {
  const { type, namespace, name, object } = found;
  const current = object.metadata[kind.field] ?? {};
  if (run.flags.list) {
    for (const [key, value] of Object.entries(current).sort()) run.out(`${key}=${value}\n`);
    return;
  }
  for (const [key, value] of changes) {
    const there = current[key];
    // of annotations nothing is said
    if (value === null && there === undefined && kind.verb === "label")
      run.out(`${kind.noun} ${JSON.stringify(key)} not found.\n`);
    if (value !== null && there !== undefined && there !== value && !run.flags.overwrite) {
      throw new CommandError(`'${key}' already has a value (${there}), and --overwrite is false`);
    }
  }
  const effective = [...changes].filter(([key, value]) =>
    value === null ? current[key] !== undefined : current[key] !== value,
  );
  const dryRun = dryRunOf(run.flags["dry-run"]);
  const metadata = {
    [kind.field]: Object.fromEntries(effective),
    ...(run.flags["resource-version"] ? { resourceVersion: run.flags["resource-version"] } : {}),
  };
  let changed = object;
  if (dryRun !== "client" && effective.length > 0) {
    changed = await cluster.request<KubeObject>({
      method: "PATCH",
      path: resourcePath(type, namespace, name),
      query: run.given.has("field-manager")
        ? writeQuery(run.flags)
        : writeQuery({ ...run.flags, "field-manager": `kubectl-${kind.verb}` }),
      headers: { "content-type": "application/merge-patch+json" },
      body: { metadata },
    });
  }
  if (run.flags.output !== "") return run.out((await createPrinter(run.flags.output)).print(changed));
  const suffix = { none: "", client: " (dry run)", server: " (server dry run)" }[dryRun];
  run.out(`${typeName(type)}/${name} ${outcome(effective, kind)}${suffix}\n`);
}

function outcome(effective: readonly (readonly [string, string | null])[], kind: Kind): string {
  if (effective.length === 0) return kind.unchanged;
  return effective.every(([, value]) => value === null) ? kind.undone : kind.done;
}

export const label = keysCommand({
  verb: "label",
  field: "labels",
  noun: "label",
  done: "labeled",
  undone: "unlabeled",
  unchanged: "not labeled",
});

export const annotate = keysCommand({
  verb: "annotate",
  field: "annotations",
  noun: "annotation",
  done: "annotated",
  undone: "annotated",
  unchanged: "annotated",
});
