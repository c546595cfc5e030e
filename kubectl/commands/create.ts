/**
 * kubectl create: from files, or with the generators below it (create-generators.ts).
 *
 * Unlike apply it never changes what exists: AlreadyExists is an error.
 */

import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Cluster } from "../cluster.ts";
import { type AnyCommand, type CommandGroup, defineCommand, type Run } from "../command.ts";
import { type ResourceType, resourcePath, typeOfKind } from "../discovery.ts";
import { CommandError, throwAll, withSource } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { annotated } from "../last-applied.ts";
import { fileFlags, readManifests } from "../manifests.ts";
import { isMap } from "../merge/values.ts";
import { createReporter, dryRunOf, validateFlag, writeFlags, writeQuery } from "../writing.ts";
import { generators } from "./create-generators.ts";
import { createToken } from "./create-token.ts";

const saveFlag = {
  "save-config": {
    type: "boolean",
    help: "If true, the configuration of current object will be saved in its annotation.",
  },
} as const satisfies FlagTable;

const createFlags = {
  ...writeFlags,
  ...validateFlag,
  ...saveFlag,
  "field-manager": {
    type: "string",
    default: "kubectl-create",
    help: "Name of the manager used to track field ownership.",
  },
} as const satisfies FlagTable;

const fromFiles = defineCommand({
  usage: "create -f FILENAME [options]",
  summary: "Create a resource from a file or from stdin.",
  examples: ["kubectl create -f ./pod.yaml", "cat pod.json | kubectl create -f -"],
  flags: { ...fileFlags, ...createFlags },
  async run(run) {
    if (run.flags.filename.length === 0) throw new CommandError("must specify one of -f and -k");
    const cluster = await run.cluster();
    const manifests = await readManifests(cluster, run.io, run.flags.filename, run.flags);
    if (manifests.length === 0) throw new CommandError("no objects passed to create");
    const report = await createReporter(run);
    const errors: unknown[] = [];
    for (const { object, type, namespace, source } of manifests) {
      try {
        report(type, await send(run, cluster, type, namespace, object), "created");
      } catch (error) {
        errors.push(withSource(error, "creating", source));
      }
    }
    throwAll(errors);
  },
});

async function send(
  run: Run<typeof createFlags>,
  cluster: Cluster,
  type: ResourceType,
  namespace: string | undefined,
  object: KubeObject,
): Promise<KubeObject> {
  const body = run.flags["save-config"] ? annotated(object) : object;
  if (dryRunOf(run.flags["dry-run"]) === "client") return body;
  const path = resourcePath(type, namespace);
  return cluster.request<KubeObject>({ method: "POST", path, query: writeQuery(run.flags), body });
}

/** What a generator makes of its line: an object, its namespace left to the caller. */
export interface Generator<F extends FlagTable = FlagTable> {
  readonly usage: string;
  readonly summary: string;
  readonly flags: F;
  make(run: Run<F>): Promise<KubeObject> | KubeObject;
}

function commandOf(generator: Generator): AnyCommand {
  return defineCommand({
    usage: generator.usage,
    summary: generator.summary,
    flags: { ...generator.flags, ...createFlags },
    async run(run) {
      const made = await generator.make(run as unknown as Run<FlagTable>);
      const namespace = run.globals.namespace;
      const object = withNamespace(made, namespace);
      const client = dryRunOf(run.flags["dry-run"]) === "client";
      if (client && (run.flags.output === "yaml" || run.flags.output === "json")) return printOnly(run, object);
      const cluster = await run.cluster();
      const type = typeOfKind(await cluster.discovery(), object.apiVersion, object.kind);
      if (!type) throw new CommandError(`the server has no ${object.kind} in ${object.apiVersion}`);
      const place = type.namespaced ? cluster.namespace : undefined;
      const created = await send(run, cluster, type, place, object).catch((error: unknown) => {
        throw failed(error, type);
      });
      (await createReporter(run))(type, created, "created");
    },
  });
}

/** Without a server: what would be sent. */
async function printOnly(run: Run<typeof createFlags>, object: KubeObject): Promise<void> {
  const { createPrinter } = await import("../output/printer.ts");
  run.out((await createPrinter(run.flags.output)).print(run.flags["save-config"] ? annotated(object) : object));
}

function withNamespace(object: KubeObject, namespace: string | undefined): KubeObject {
  const clusterScoped = ["Namespace", "ClusterRole", "ClusterRoleBinding", "PriorityClass"].includes(object.kind);
  if (namespace === undefined || clusterScoped) return object;
  return { ...object, metadata: { ...object.metadata, namespace } };
}

/** kubectl puts words of its own before the server's, but not for Namespaces. */
function failed(error: unknown, type: ResourceType): unknown {
  if (type.kind === "Namespace") return error;
  if (!isMap(error) || (error as { reason?: unknown }).reason !== "Invalid") {
    const prefix = `failed to create ${type.singular || type.kind.toLowerCase()}: `;
    return error instanceof Error && (error as { reason?: unknown }).reason !== undefined
      ? new CommandError(prefix + error.message)
      : error;
  }
  return error;
}

export const create: CommandGroup = {
  summary: "Create a resource from a file or from stdin.",
  usage: "create -f FILENAME [options]",
  commands: {
    ...Object.fromEntries(Object.entries(generators).map(([name, generator]) => [name, commandOf(generator)])),
    token: createToken,
  },
  aliases: { cm: "configmap", deploy: "deployment", ns: "namespace", sa: "serviceaccount", svc: "service" },
  itself: fromFiles,
};
