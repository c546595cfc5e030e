/**
 * kubectl diff: what apply would change, as a unified diff. Exits with 1 when there is a difference.
 *
 * The server makes the object that would be, by a dry run; the program of $KUBECTL_EXTERNAL_DIFF or
 * `diff -u -N` compares.
 */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isNotFound } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { writeYaml } from "../../machinery/yaml-writer.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { resourcePath } from "../discovery.ts";
import { CommandError, ExitError } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { annotated, lastApplied } from "../last-applied.ts";
import { fileFlags, type Manifest, readManifests } from "../manifests.ts";
import { strategicPatch } from "../merge/strategic.ts";
import { mergePatch } from "../merge/three-way.ts";
import type { Json } from "../merge/values.ts";
import { schemaOf } from "../openapi.ts";
import { applyServerSide, SERVER_SIDE_MANAGER } from "../server-side.ts";

const flags = {
  ...fileFlags,
  "show-managed-fields": { type: "boolean", help: "If true, include managed fields in the diff." },
  "server-side": { type: "boolean", help: "If true, apply runs in the server instead of the client." },
  "force-conflicts": { type: "boolean", help: "If true, server-side apply will force the changes against conflicts." },
  "field-manager": {
    type: "string",
    default: "kubectl-client-side-apply",
    help: "Name of the manager used to track field ownership.",
  },
} as const satisfies FlagTable;

export const diff = defineCommand({
  usage: "diff -f FILENAME [options]",
  summary:
    "Diff configurations specified by file name or stdin between the current online configuration, and the configuration as it would be if applied.",
  flags,
  async run(run) {
    if (run.flags.filename.length === 0) throw new CommandError("must specify one of -f and -k");
    const cluster = await run.cluster();
    const manifests = await readManifests(cluster, run.io, run.flags.filename, run.flags);
    const root = await mkdtemp(join(tmpdir(), "kubectl-diff-"));
    try {
      const [live, merged] = [join(root, "LIVE"), join(root, "MERGED")];
      await mkdir(live);
      await mkdir(merged);
      for (const manifest of manifests) {
        const { before, after } = await sides(run, cluster, manifest);
        const { type, namespace, object } = manifest;
        const name = [type.group, type.version, type.kind, namespace ?? "", object.metadata.name]
          .join(".")
          .replaceAll("/", "_");
        if (before) await writeFile(join(live, name), text(before, run));
        await writeFile(join(merged, name), text(after, run));
      }
      const code = await compare(run, live, merged);
      if (code !== 0) throw new ExitError(code);
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  },
});

async function sides({ flags: given, given: named, err }: Run<typeof flags>, cluster: Cluster, manifest: Manifest) {
  const { type, namespace, object } = manifest;
  const path = resourcePath(type, namespace, object.metadata.name);
  const modified = annotated(object);
  const before = await cluster.request<KubeObject>({ method: "GET", path }).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
  const query = { dryRun: "All", fieldManager: given["field-manager"] };
  if (given["server-side"]) {
    const after = await applyServerSide(cluster, manifest, {
      manager: named.has("field-manager") ? given["field-manager"] : SERVER_SIDE_MANAGER,
      force: given["force-conflicts"],
      query: { dryRun: "All" },
      warn: (text) => err(`Warning: ${text}\n`),
    });
    return { before, after };
  }
  if (!before) {
    const after = await cluster.request<KubeObject>({
      method: "POST",
      path: resourcePath(type, namespace),
      query,
      body: modified,
    });
    return { before, after };
  }
  const three = {
    original: lastApplied(before),
    modified: modified as unknown as Json,
    current: before as unknown as Json,
  };
  const schema = await schemaOf(cluster, type);
  const [body, kind] = schema?.strategic
    ? [strategicPatch(three, schema), "strategic-merge-patch"]
    : [mergePatch(three), "merge-patch"];
  const headers = { "content-type": `application/${kind}+json` };
  return { before, after: await cluster.request<KubeObject>({ method: "PATCH", path, query, headers, body }) };
}

const LAST = "kubectl.kubernetes.io/last-applied-configuration";

function text(object: KubeObject, { flags: given }: Run<typeof flags>): string {
  const { managedFields, annotations, ...metadata } = object.metadata;
  const { [LAST]: _, ...kept } = annotations ?? {};
  const fields = given["show-managed-fields"] && managedFields ? { managedFields } : {};
  const shown = Object.keys(kept).length > 0 ? { annotations: kept } : {};
  return writeYaml({ ...object, metadata: { ...metadata, ...shown, ...fields } });
}

function compare({ io, out, err }: Run<typeof flags>, live: string, merged: string): Promise<number> {
  const [program = "diff", ...args] = (io.env["KUBECTL_EXTERNAL_DIFF"] ?? "diff -u -N").split(" ");
  const child = spawn(program, [...args, live, merged], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.on("data", (chunk: Buffer) => out(chunk.toString("utf8")));
  child.stderr.on("data", (chunk: Buffer) => err(chunk.toString("utf8")));
  return new Promise((resolve, reject) => {
    child.once("error", (error) =>
      reject(new CommandError(`failed to run ${JSON.stringify(program)}: ${error.message}`)),
    );
    child.once("close", (code) => resolve(code ?? 2));
  });
}
