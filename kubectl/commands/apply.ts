/**
 * kubectl apply: makes objects as their manifests say, creating or patching them.
 *
 * The patch is a three-way merge against the last-applied annotation (../merge/); with --server-side the
 * server merges. Objects are taken in the manifests' order; one that fails does not stop the others.
 */
import { ApiError, isConflict, isNotFound } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { type ResourceType, resourcePath } from "../discovery.ts";
import { CommandError, throwAll, withSource } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { annotated, LAST_APPLIED, lastApplied } from "../last-applied.ts";
import { fileFlags, type Manifest, readManifests } from "../manifests.ts";
import { strategicPatch } from "../merge/strategic.ts";
import { mergePatch } from "../merge/three-way.ts";
import type { Json } from "../merge/values.ts";
import { schemaOf, type TypeSchema } from "../openapi.ts";
import { applyServerSide, SERVER_SIDE_MANAGER } from "../server-side.ts";
import { createReporter, dryRunOf, validateFlag, writeFlags, writeQuery } from "../writing.ts";

const flags = {
  ...fileFlags,
  ...writeFlags,
  ...validateFlag,
  "field-manager": {
    type: "string",
    default: "kubectl-client-side-apply",
    help: "Name of the manager used to track field ownership.",
  },
  selector: { type: "string", short: "l", default: "", help: "Selector (label query) to filter on" },
  "server-side": { type: "boolean", help: "If true, apply runs in the server instead of the client." },
  "force-conflicts": { type: "boolean", help: "If true, server-side apply will force the changes against conflicts." },
  overwrite: {
    type: "boolean",
    default: true,
    help: "Automatically resolve conflicts between the modified and live configuration",
  },
} as const satisfies FlagTable;

type ApplyRun = Run<typeof flags>;

export const apply = defineCommand({
  usage: "apply (-f FILENAME | -R -f DIRECTORY) [options]",
  summary: "Apply a configuration to a resource by file name or stdin.",
  examples: ["kubectl apply -f ./pod.yaml", "cat pod.yaml | kubectl apply -f -"],
  flags,
  async run(run) {
    if (run.args.length > 0)
      throw new CommandError(`Unexpected args: [${run.args.join(" ")}]\nSee 'kubectl apply -h' for help and examples`);
    if (run.flags["force-conflicts"] && !run.flags["server-side"])
      throw new CommandError("--force-conflicts only works with --server-side");
    if (run.flags.filename.length === 0) throw new CommandError("must specify one of -f and -k");
    const cluster = await run.cluster();
    const all = await readManifests(cluster, run.io, run.flags.filename, run.flags);
    const manifests = await selected(all, run.flags.selector);
    if (manifests.length === 0) throw new CommandError("no objects passed to apply");
    const report = await createReporter(run);
    const schemas = schemaCache(cluster);
    const errors: unknown[] = [];
    for (const manifest of manifests) {
      try {
        const { object, what } = await applyOne(run, cluster, manifest, schemas);
        report(manifest.type, object, what);
      } catch (error) {
        errors.push(error);
      }
    }
    throwAll(errors);
  },
});

async function selected(manifests: readonly Manifest[], selector: string): Promise<readonly Manifest[]> {
  if (selector === "") return manifests;
  const { matches, parseLabelSelector } = await import("../../machinery/objects/selectors.ts");
  const parsed = parseLabelSelector(selector);
  return manifests.filter(({ object }) => matches(parsed, object.metadata.labels));
}

type Schemas = (type: ResourceType) => Promise<TypeSchema | undefined>;

function schemaCache(cluster: Cluster): Schemas {
  const known = new Map<ResourceType, Promise<TypeSchema | undefined>>();
  return (type) => {
    const found = known.get(type) ?? schemaOf(cluster, type);
    known.set(type, found);
    return found;
  };
}

interface Applied {
  readonly object: KubeObject;
  readonly what: string;
}

async function applyOne(run: ApplyRun, cluster: Cluster, manifest: Manifest, schemas: Schemas): Promise<Applied> {
  if (run.flags["server-side"]) return applyOnServer(run, cluster, manifest);
  const { type, namespace, object, source } = manifest;
  if (!object.metadata.name) {
    if (object.metadata.generateName)
      throw new CommandError(`from ${object.metadata.generateName}: cannot use generate name with apply`);
    throw new CommandError(
      `error when retrieving current configuration of:\nResource: ${JSON.stringify(type.plural)}, from ${JSON.stringify(source)}: resource name may not be empty`,
    );
  }
  const modified = annotated(object);
  const current = await find(cluster, manifest).catch((error: unknown) => {
    throw withSource(error, "retrieving current configuration of", source);
  });
  if (current) return patchOne(run, cluster, manifest, modified, current, schemas);
  if (dryRunOf(run.flags["dry-run"]) === "client") return { object: modified, what: "created" };
  try {
    const path = resourcePath(type, namespace);
    const query = writeQuery(run.flags);
    const created = await cluster.request<KubeObject>({ method: "POST", path, query, body: modified });
    return { object: created, what: "created" };
  } catch (error) {
    throw withSource(error, "creating", source);
  }
}

async function find(cluster: Cluster, { type, namespace, object }: Manifest): Promise<KubeObject | undefined> {
  try {
    return await cluster.request<KubeObject>({
      method: "GET",
      path: resourcePath(type, namespace, object.metadata.name),
    });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

const ATTEMPTS = 5;

async function patchOne(
  run: ApplyRun,
  cluster: Cluster,
  manifest: Manifest,
  modified: KubeObject,
  first: KubeObject,
  schemas: Schemas,
): Promise<Applied> {
  const { type, namespace, object, source } = manifest;
  if (first.metadata.annotations?.[LAST_APPLIED] === undefined) {
    run.err(
      `Warning: resource ${type.plural}/${object.metadata.name} is missing the ${LAST_APPLIED} annotation which is required by kubectl apply. kubectl apply should only be used on resources created declaratively by either kubectl create --save-config or kubectl apply. The missing annotation will be patched automatically.\n`,
    );
  }
  let current = first;
  for (let attempt = 1; ; attempt++) {
    if (dryRunOf(run.flags["dry-run"]) === "client") return { object: modified, what: "configured" };
    const { patch, contentType } = await patchFor(type, modified, current, schemas);
    if (Object.keys(patch).length === 0) return { object: current, what: "unchanged" };
    try {
      const patched = await cluster.request<KubeObject>({
        method: "PATCH",
        path: resourcePath(type, namespace, object.metadata.name),
        query: writeQuery(run.flags),
        headers: { "content-type": contentType },
        body: patch,
      });
      return { object: patched, what: "configured" };
    } catch (error) {
      if (!isConflict(error) || attempt >= ATTEMPTS) throw patchError(error, patch, manifest, source);
    }
    current = (await find(cluster, manifest)) ?? current;
  }
}

async function patchFor(type: ResourceType, modified: KubeObject, current: KubeObject, schemas: Schemas) {
  const sides = {
    original: lastApplied(current),
    modified: modified as unknown as Json,
    current: current as unknown as Json,
  };
  const schema = await schemas(type);
  return schema?.strategic
    ? { patch: strategicPatch(sides, schema), contentType: "application/strategic-merge-patch+json" }
    : { patch: mergePatch(sides), contentType: "application/merge-patch+json" };
}

function patchError(error: unknown, patch: Json, { type, object, namespace }: Manifest, source: string): unknown {
  if (!(error instanceof ApiError) || error.reason === "Invalid") return error;
  const { name } = object.metadata;
  const where = `Resource: "${type.group ? `${type.group}/` : "/"}${type.version}, Resource=${type.plural}", GroupVersionKind: "${type.group ? `${type.group}/` : "/"}${type.version}, Kind=${type.kind}"\nName: ${JSON.stringify(name)}, Namespace: ${JSON.stringify(namespace ?? "")}`;
  const message = `error when applying patch:\n${JSON.stringify(patch)}\nto:\n${where}\nfor: ${JSON.stringify(source)}: error when patching ${JSON.stringify(source)}: ${error.message}`;
  return new ApiError(error.reason, message, error.details, error.code);
}

async function applyOnServer(run: ApplyRun, cluster: Cluster, manifest: Manifest): Promise<Applied> {
  const { flags: given, err } = run;
  if (dryRunOf(given["dry-run"]) === "client")
    throw new CommandError("--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)");
  const { fieldManager: _, ...query } = writeQuery(given);
  const object = await applyServerSide(cluster, manifest, {
    manager: run.given.has("field-manager") ? given["field-manager"] : SERVER_SIDE_MANAGER,
    force: given["force-conflicts"],
    query,
    warn: (text) => err(`Warning: ${text}\n`),
  });
  return { object, what: "serverside-applied" };
}
