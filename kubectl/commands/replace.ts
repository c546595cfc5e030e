/**
 * kubectl replace: puts what a file says in the place of what is there; with --force by deleting and creating.
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parseJson } from "../../machinery/objects/json.ts";
import { badRequest, isNotFound } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { TimedOut, watchUntil } from "../conditions.ts";
import { resourcePath, typeName } from "../discovery.ts";
import { CommandError, throwAll, withSource } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { goDuration } from "../go-duration.ts";
import { annotated, LAST_APPLIED } from "../last-applied.ts";
import { fileFlags, type Manifest, readManifests, textOf } from "../manifests.ts";
import { ordered } from "../output/ordered.ts";
import { PROPAGATION } from "../propagation.ts";
import { createReporter, dryRunOf, validateFlag, writeFlags, writeQuery } from "../writing.ts";

const flags = {
  ...fileFlags,
  ...writeFlags,
  ...validateFlag,
  "field-manager": {
    type: "string",
    default: "kubectl-replace",
    help: "Name of the manager used to track field ownership.",
  },
  cascade: {
    type: "string",
    default: "background",
    alone: "background",
    help: 'Must be "background", "orphan", or "foreground".',
  },
  force: { type: "boolean", help: "If true, delete the objects and create them again." },
  "grace-period": {
    type: "number",
    default: -1,
    help: "Period of time in seconds given to the resource to terminate gracefully.",
  },
  raw: { type: "string", default: "", help: "Raw URI to PUT to the server." },
  "save-config": {
    type: "boolean",
    help: "If true, the configuration of current object will be saved in its annotation.",
  },
  subresource: { type: "string", help: "If specified, replaces the subresource of the requested object." },
  timeout: { type: "string", default: "0s", help: "The length of time to wait before giving up on a delete." },
  wait: { type: "boolean", help: "If true, wait for resources to be gone before returning." },
} as const satisfies FlagTable;

type ReplaceRun = Run<typeof flags>;

export const replace = defineCommand({
  usage: "replace -f FILENAME [options]",
  summary: "Replace a resource by file name or stdin.",
  examples: ["kubectl replace -f ./pod.json", "kubectl replace --force -f ./pod.json"],
  flags,
  async run(run) {
    const { flags: given } = run;
    checkLine(run);
    const cluster = await run.cluster();
    if (given.raw !== "") return replaceRaw(run, cluster);
    const manifests = await readManifests(cluster, run.io, given.filename, given);
    if (manifests.length === 0) throw new CommandError("no objects passed to replace");
    if (given.force) await deleteAll(run, cluster, manifests);
    const put = given.force ? createOne : replaceOne;
    const report = await createReporter(run);
    const errors: unknown[] = [];
    for (const manifest of manifests) {
      try {
        report(manifest.type, await put(run, cluster, manifest), "replaced");
      } catch (error) {
        errors.push(given.force ? error : withSource(error, "replacing", manifest.source));
      }
    }
    throwAll(errors);
  },
});

function checkLine({ flags: given }: ReplaceRun): void {
  if (!PROPAGATION[given.cascade])
    throw new CommandError(`invalid cascade value (${given.cascade}). Must be "background", "foreground", or "orphan"`);
  if (given.force && dryRunOf(given["dry-run"]) !== "none")
    throw new CommandError("--dry-run can not be used when --force is set");
  if (given["grace-period"] >= 0 && !given.force) throw new CommandError("--grace-period must have --force specified");
  if (goDuration(given.timeout) !== 0 && !given.force) throw new CommandError("--timeout must have --force specified");
  if (given.filename.length === 0) throw new CommandError("must specify one of -f and -k");
  if (given.raw === "") return;
  if (given.filename.length !== 1) throw new CommandError("--raw can only use a single local file or stdin");
  if (/^https?:/.test(given.filename[0]!)) throw new CommandError("--raw cannot read from a url");
  if (given.recursive) throw new CommandError("--raw and --recursive are mutually exclusive");
  if (given.output !== "") throw new CommandError("--raw and --output are mutually exclusive");
}

async function replaceRaw(run: ReplaceRun, cluster: Cluster): Promise<void> {
  const [file = ""] = run.flags.filename;
  const text = file === "-" ? await textOf(run.io) : await readFile(resolve(run.io.cwd, file), "utf8");
  const [path = "", query = ""] = run.flags.raw.split("?");
  let body: unknown;
  try {
    body = parseJson(text);
  } catch (error) {
    throw badRequest(`the object provided is unrecognized: ${(error as Error).message}`);
  }
  const answer = await cluster.request({
    method: "PUT",
    path,
    query: Object.fromEntries(new URLSearchParams(query)),
    body,
  });
  run.out(`${JSON.stringify(answer)}\n`);
}

const bodyOf = ({ flags: given }: ReplaceRun, { object }: Manifest): KubeObject =>
  given["save-config"] || object.metadata.annotations?.[LAST_APPLIED] !== undefined ? annotated(object) : object;

/** A manifest that names no version replaces whatever is there. */
async function replaceOne(run: ReplaceRun, cluster: Cluster, manifest: Manifest): Promise<KubeObject> {
  const { type, namespace, object } = manifest;
  const body = bodyOf(run, manifest);
  if (dryRunOf(run.flags["dry-run"]) === "client") return body;
  if (!object.metadata.name) throw new CommandError("resource name may not be empty");
  const path = resourcePath(type, namespace, object.metadata.name, run.flags.subresource);
  const version =
    body.metadata.resourceVersion ||
    (await cluster.request<KubeObject>({ method: "GET", path })).metadata.resourceVersion;
  const metadata = { ...body.metadata, ...(version === undefined ? {} : { resourceVersion: version }) };
  return cluster.request<KubeObject>({
    method: "PUT",
    path,
    query: writeQuery(run.flags),
    body: ordered({ ...body, metadata }),
  });
}

async function createOne(run: ReplaceRun, cluster: Cluster, manifest: Manifest): Promise<KubeObject> {
  const { resourceVersion: _, ...metadata } = bodyOf(run, manifest).metadata;
  return cluster.request<KubeObject>({
    method: "POST",
    path: resourcePath(manifest.type, manifest.namespace),
    query: writeQuery(run.flags),
    body: ordered({ ...bodyOf(run, manifest), metadata }),
  });
}

/** All of them go before the first is made again: one may stand in another's way. */
async function deleteAll(run: ReplaceRun, cluster: Cluster, manifests: readonly Manifest[]): Promise<void> {
  const { "grace-period": grace, cascade } = run.flags;
  const options = { propagationPolicy: PROPAGATION[cascade], ...(grace >= 0 ? { gracePeriodSeconds: grace } : {}) };
  const body = { kind: "DeleteOptions", apiVersion: "v1", ...options };
  const going: Manifest[] = [];
  for (const manifest of manifests) {
    const { type, namespace, object } = manifest;
    const { name = "" } = object.metadata;
    try {
      await cluster.request({ method: "DELETE", path: resourcePath(type, namespace, name), body });
      run.out(`${typeName(type)} ${JSON.stringify(name)} deleted\n`);
      going.push(manifest);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
  const timeout = goDuration(run.flags.timeout);
  const deadline = timeout > 0 ? run.clock.monotonic() + timeout : Number.POSITIVE_INFINITY;
  for (const { type, namespace, object } of going) {
    const ref = { type, namespace, name: object.metadata.name ?? "" };
    const left = deadline - run.clock.monotonic();
    await watchUntil({ cluster, io: run.io, timeout: left }, ref, (found) => !found).catch((error: unknown) => {
      throw error instanceof TimedOut ? new CommandError("timed out waiting for the condition") : error;
    });
  }
}
