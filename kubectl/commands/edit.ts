/**
 * kubectl edit: objects in the user's editor; what was changed there is sent as a patch.
 *
 * What the server refuses is opened again with the reasons above it, until it is taken or nothing is changed any
 * more; then what was written is kept in a file. The editor is ../editing.ts.
 */
import { parseJson } from "../../machinery/objects/json.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { readYaml } from "../../machinery/yaml.ts";
import { writeYaml } from "../../machinery/yaml-writer.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { qualified, resourcePath, typeName } from "../discovery.ts";
import { type Edited, edit, withHeader, withoutComments } from "../editing.ts";
import { CommandError } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { annotated, LAST_APPLIED } from "../last-applied.ts";
import { fileFlags, readManifests } from "../manifests.ts";
import { strategicPatch } from "../merge/strategic.ts";
import { mergePatch } from "../merge/three-way.ts";
import type { Json } from "../merge/values.ts";
import { schemaOf } from "../openapi.ts";
import { ordered } from "../output/ordered.ts";
import { createPrinter } from "../output/printer.ts";
import { type FoundObject, NOTHING_NAMED, objectsOf, parseSelection } from "../selection.ts";
import { validateFlag, writeFlags, writeQuery } from "../writing.ts";

const { output, "show-managed-fields": managed } = writeFlags;

const flags = {
  ...fileFlags,
  ...validateFlag,
  output,
  "show-managed-fields": managed,
  "field-manager": {
    type: "string",
    default: "kubectl-edit",
    help: "Name of the manager used to track field ownership.",
  },
  "output-patch": { type: "boolean", help: "Output the patch if the resource is edited." },
  "save-config": {
    type: "boolean",
    help: "If true, the configuration of current object will be saved in its annotation.",
  },
  subresource: { type: "string", help: "If specified, edits the subresource of the requested object." },
  "windows-line-endings": { type: "boolean", help: "End lines as on Windows." },
} as const satisfies FlagTable;

type EditRun = Run<typeof flags>;

interface Refused {
  readonly found: FoundObject;
  /** For the head of the file. */
  readonly reasons: string;
}

export const editCommand = defineCommand({
  usage: "edit (RESOURCE/NAME | -f FILENAME) [options]",
  summary: "Edit a resource from the default editor.",
  examples: ["kubectl edit svc/registry", 'KUBE_EDITOR="nano" kubectl edit svc/registry'],
  flags,
  async run(run) {
    if (!["", "yaml", "json"].includes(run.flags.output))
      throw new CommandError(`The flag 'output' must be one of yaml|json`);
    const cluster = await run.cluster();
    const found = await chosen(run, cluster);
    let shown = textOf(run, found);
    let reasons = "";
    let last: Edited | undefined;
    for (;;) {
      const text = withHeader(shown, reasons);
      const edited = await edit(text, run.flags.output === "json" ? ".json" : ".yaml", run.io);
      const plain = withoutComments(edited.text);
      if (plain === withoutComments(text)) {
        await edited.discard();
        if (last) throw kept(run, last, "Edit cancelled, no valid changes were saved.");
        return run.err("Edit cancelled, no changes made.\n");
      }
      await last?.discard();
      last = edited;
      const refused = await saveAll(run, cluster, found, edited);
      if (refused.length === 0) return edited.discard();
      reasons = refused.map((one) => one.reasons).join("");
      shown = plain;
    }
  },
});

async function chosen(run: EditRun, cluster: Cluster): Promise<FoundObject[]> {
  const { args, flags: given } = run;
  const stop = (error: unknown) => {
    throw error;
  };
  if (args.length === 0 && given.filename.length === 0) throw new CommandError(NOTHING_NAMED);
  const selections = (await readManifests(cluster, run.io, given.filename, given)).map(
    ({ type, namespace, object }) => ({
      place: { ...cluster, namespace: namespace ?? cluster.namespace },
      selection: [{ type, names: [object.metadata.name ?? ""] }],
    }),
  );
  if (args.length > 0) selections.push({ place: cluster, selection: (await parseSelection(cluster, args)) as never });
  const found: FoundObject[] = [];
  for (const { place, selection } of selections) found.push(...(await objectsOf(place, selection, {}, stop)));
  if (found.length === 0) throw new CommandError("edit cancelled, no objects found");
  if (given.subresource === undefined) return found;
  return Promise.all(
    found.map(async (one) => {
      const path = resourcePath(one.type, one.namespace, one.name, given.subresource);
      return { ...one, object: await cluster.request<KubeObject>({ method: "GET", path }) };
    }),
  );
}

function textOf(run: EditRun, found: readonly FoundObject[]): string {
  const objects = found.map(({ object }) => shownOf(run, object));
  const whole = objects.length === 1 ? objects[0] : { apiVersion: "v1", items: objects, kind: "List", metadata: {} };
  const text = run.flags.output === "json" ? `${JSON.stringify(ordered(whole), undefined, 4)}\n` : writeYaml(whole);
  return run.flags["windows-line-endings"] ? text.replaceAll("\n", "\r\n") : text;
}

function shownOf({ flags: given }: EditRun, object: KubeObject): KubeObject {
  if (given["show-managed-fields"] || !object.metadata.managedFields) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** Those that the server did not take. */
async function saveAll(
  run: EditRun,
  cluster: Cluster,
  found: readonly FoundObject[],
  edited: Edited,
): Promise<Refused[]> {
  const refused: Refused[] = [];
  const objects = parsed(run, edited);
  if (typeof objects === "string") {
    const [first] = found as [FoundObject];
    run.err(`error: ${qualified(first.type)} ${JSON.stringify(first.name)} is invalid\n`);
    return [{ found: first, reasons: `# The edited file had a syntax error: ${objects}\n#\n` }];
  }
  for (const object of objects) {
    const { uid } = object.metadata ?? {};
    const one = found.find((before) => before.object.metadata.uid === uid && uid !== undefined);
    if (!one) throw kept(run, edited, `no original object found for ${object.kind}/${object.metadata?.name ?? ""}`);
    const same = ["apiVersion", "kind"].every((key) => object[key] === one.object[key]);
    if (!same || object.metadata.name !== one.object.metadata.name)
      throw kept(run, edited, "At least one of apiVersion, kind and name was changed");
    try {
      await save(run, cluster, one, object);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const head = reasonsOf(run, one, error);
      if (head === undefined) throw kept(run, edited, error);
      refused.push({ found: one, reasons: head });
    }
  }
  return refused;
}

/** The objects, or why the text is none. */
function parsed(run: EditRun, edited: Edited): KubeObject[] | string {
  const plain = withoutComments(edited.text);
  try {
    const values = run.flags.output === "json" ? [parseJson(plain)] : readYaml(plain).map(({ value }) => value);
    const objects = values.filter((value) => value !== undefined && value !== null) as KubeObject[];
    if (objects.length === 0) return "there is no object in it";
    return objects.flatMap((object) => (object.kind === "List" ? ((object["items"] ?? []) as KubeObject[]) : [object]));
  } catch (error) {
    return (error as Error).message.replaceAll("\n", " ");
  }
}

/** What the server says, as a comment; undefined where editing on would not help. */
function reasonsOf(run: EditRun, { type, name }: FoundObject, error: ApiError): string | undefined {
  const what = `${qualified(type)} ${JSON.stringify(name)}`;
  if (error.reason === "Invalid" || error.reason === "BadRequest") {
    run.err(`error: ${what} is invalid\n`);
    const causes = (error.details?.causes ?? []).map(({ field, message }) => `# * ${field}: ${message}\n`);
    return `# ${what} was not valid:\n${causes.join("") || `# ${error.message}\n`}#\n`;
  }
  if (error.reason === "NotFound") {
    run.err(`error: ${what} could not be found on the server\n`);
    return undefined;
  }
  run.err(`error: ${what} could not be patched: ${error.message}\n`);
  return undefined;
}

async function save(run: EditRun, cluster: Cluster, one: FoundObject, edited: KubeObject): Promise<void> {
  const { type, namespace, name } = one;
  const current = shownOf(run, one.object) as unknown as Json;
  const wanted = run.flags["save-config"] && edited.metadata.annotations?.[LAST_APPLIED] ? annotated(edited) : edited;
  const sides = { original: current, modified: wanted as unknown as Json, current };
  const schema = await schemaOf(cluster, type);
  const strategic = schema?.strategic === true;
  const patch = strategic ? strategicPatch(sides, schema) : mergePatch(sides);
  if (Object.keys(patch).length === 0) return run.out(`${typeName(type)}/${name} skipped\n`);
  if (run.flags["output-patch"]) run.out(`Patch: ${JSON.stringify(ordered(patch))}\n`);
  const changed = await cluster.request<KubeObject>({
    method: "PATCH",
    path: resourcePath(type, namespace, name, run.flags.subresource),
    query: writeQuery({ ...run.flags, "dry-run": "none" }),
    headers: { "content-type": `application/${strategic ? "strategic-merge" : "merge"}-patch+json` },
    body: patch,
  });
  if (run.flags.output !== "") return run.out((await createPrinter(run.flags.output)).print(changed));
  run.out(`${typeName(type)}/${name} edited\n`);
}

/** What was written is not lost. */
function kept(run: EditRun, { path }: Edited, why: string | ApiError): Error {
  run.err(`A copy of your changes has been stored to ${JSON.stringify(path)}\n`);
  return typeof why === "string" ? new CommandError(why) : why;
}
