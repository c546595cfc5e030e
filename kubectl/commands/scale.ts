/** kubectl scale: sets the number of replicas through the scale subresource, optionally only when it is what one thinks. */
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { resourcePath, typeName } from "../discovery.ts";
import { CommandError, throwAll } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { goDuration } from "../go-duration.ts";
import { fileFlags, readManifests } from "../manifests.ts";
import { listAll, namespaceFor, type ObjectRef, parseSelection } from "../selection.ts";
import { dryRunOf } from "../writing.ts";

const flags = {
  ...fileFlags,
  replicas: { type: "number", help: "The new desired number of replicas. Required." },
  "current-replicas": {
    type: "number",
    default: -1,
    help: "Precondition for current size. Requires that the current size of the resource match this value in order to scale.",
  },
  "resource-version": { type: "string", default: "", help: "Precondition for resource version." },
  selector: { type: "string", short: "l", default: "", help: "Selector (label query) to filter on" },
  all: { type: "boolean", help: "Select all resources in the namespace of the specified resource types" },
  timeout: {
    type: "string",
    default: "0s",
    help: "The length of time to wait before giving up on a scale operation, zero means don't wait.",
  },
  "dry-run": { type: "string", default: "none", alone: "unchanged", help: 'Must be "none", "server", or "client".' },
} as const satisfies FlagTable;

type ScaleRun = Run<typeof flags>;
type Scale = KubeObject & { readonly spec: { readonly replicas?: number } };

export const scale = defineCommand({
  usage: "scale [--resource-version=version] [--current-replicas=count] --replicas=COUNT (-f FILENAME | TYPE NAME)",
  summary: "Set a new size for a deployment, replica set, replication controller, or stateful set.",
  examples: ["kubectl scale --replicas=3 deployment/web"],
  flags,
  async run(run) {
    const { replicas } = run.flags;
    if (replicas === undefined) throw new CommandError('required flag(s) "replicas" not set');
    if (replicas < 0)
      throw new CommandError("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0");
    const cluster = await run.cluster();
    const refs = await refsOf(run, cluster);
    if (refs.length === 0) throw new CommandError("no objects passed to scale");
    const errors: unknown[] = [];
    for (const ref of refs) {
      try {
        await scaleOne(run, cluster, ref, replicas);
      } catch (error) {
        errors.push(error);
      }
    }
    throwAll(errors);
  },
});

async function refsOf(run: ScaleRun, cluster: Cluster): Promise<ObjectRef[]> {
  const { args, flags: given } = run;
  const manifests = await readManifests(cluster, run.io, given.filename, given);
  const refs: ObjectRef[] = manifests.map(({ type, namespace, object }) => ({
    type,
    namespace,
    name: object.metadata.name ?? "",
  }));
  if (args.length === 0) return refs;
  for (const { type, names } of await parseSelection(cluster, args)) {
    const namespace = namespaceFor(type, cluster);
    if (names) refs.push(...names.map((name) => ({ type, namespace, name })));
    else if (given.all || given.selector !== "")
      refs.push(...(await listAll(cluster, type, namespace, { selector: given.selector })));
    else throw new CommandError("resource(s) were provided, but no name was specified");
  }
  return refs;
}

async function scaleOne(
  run: ScaleRun,
  cluster: Cluster,
  { type, namespace, name }: ObjectRef,
  replicas: number,
): Promise<void> {
  if (!type.subresources.includes("scale")) {
    throw new CommandError(`the server could not find the requested resource`);
  }
  const path = resourcePath(type, namespace, name, "scale");
  const { "current-replicas": expected, "resource-version": version } = run.flags;
  const dryRun = dryRunOf(run.flags["dry-run"]);
  const current = await cluster.request<Scale>({ method: "GET", path });
  const size = current.spec.replicas ?? 0;
  if (expected >= 0 && size !== expected) throw new CommandError(`Expected replicas to be ${expected}, was ${size}`);
  if (version !== "" && current.metadata.resourceVersion !== version) {
    throw new CommandError(`Expected resource version to be ${version}, was ${current.metadata.resourceVersion}`);
  }
  if (dryRun !== "client") {
    const guarded =
      expected >= 0 || version !== "" ? { metadata: { resourceVersion: current.metadata.resourceVersion } } : {};
    await cluster.request({
      method: "PATCH",
      path,
      query: dryRun === "server" ? { dryRun: "All" } : {},
      headers: { "content-type": "application/merge-patch+json" },
      body: { ...guarded, spec: { replicas } },
    });
  }
  if (dryRun === "none") await waitForSize(run, cluster, path, replicas, `${type.plural}/${name}`);
  const suffix = { none: "", client: " (dry run)", server: " (server dry run)" }[dryRun];
  run.out(`${typeName(type)}/${name} scaled${suffix}\n`);
}

async function waitForSize(
  run: ScaleRun,
  cluster: Cluster,
  path: string,
  replicas: number,
  what: string,
): Promise<void> {
  const timeout = goDuration(run.flags.timeout);
  if (timeout <= 0) return;
  const deadline = run.clock.monotonic() + timeout;
  for (;;) {
    const { status } = await cluster.request<{ status?: { replicas?: number } }>({ method: "GET", path });
    if ((status?.replicas ?? 0) === replicas) return;
    if (run.clock.monotonic() >= deadline)
      throw new CommandError(`timed out waiting for ${JSON.stringify(what)} to be synced`);
    await run.clock.sleep(200, run.io.signal);
  }
}
