/**
 * kubectl delete: by files, by type and names, or by selector; waits until the objects are gone.
 */
import { ApiError, isNotFound } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { TimedOut, watchUntil } from "../conditions.ts";
import { resourcePath, typeName } from "../discovery.ts";
import { CommandError, throwAll, withSource } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { goDuration } from "../go-duration.ts";
import { fileFlags, readManifests } from "../manifests.ts";
import { PROPAGATION } from "../propagation.ts";
import { listAll, NOTHING_NAMED, namespaceFor, type ObjectRef, parseSelection } from "../selection.ts";
import { dryRunOf } from "../writing.ts";

const flags = {
  ...fileFlags,
  all: { type: "boolean", help: "Delete all resources, in the namespace of the specified resource types." },
  "all-namespaces": {
    type: "boolean",
    short: "A",
    help: "If present, list the requested object(s) across all namespaces.",
  },
  selector: { type: "string", short: "l", default: "", help: "Selector (label query) to filter on" },
  "field-selector": { type: "string", default: "", help: "Selector (field query) to filter on" },
  cascade: {
    type: "string",
    default: "background",
    alone: "background",
    help: 'Must be "background", "orphan", or "foreground".',
  },
  "dry-run": { type: "string", default: "none", alone: "unchanged", help: 'Must be "none", "server", or "client".' },
  force: { type: "boolean", help: "If true, immediately remove resources from API and bypass graceful deletion." },
  "grace-period": {
    type: "number",
    default: -1,
    help: "Period of time in seconds given to the resource to terminate gracefully.",
  },
  "ignore-not-found": { type: "boolean", help: 'Treat "resource not found" as a successful delete.' },
  now: { type: "boolean", help: "If true, resources are signaled for immediate shutdown (same as --grace-period=1)." },
  output: { type: "string", short: "o", default: "", help: 'Output mode. Use "-o name" for shorter output.' },
  timeout: { type: "string", default: "0s", help: "The length of time to wait before giving up on a delete." },
  wait: { type: "boolean", default: true, help: "If true, wait for resources to be gone before returning." },
} as const satisfies FlagTable;

type DeleteRun = Run<typeof flags>;

const FORCE_WARNING =
  "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.\n";

export const deleteCommand = defineCommand({
  usage: "delete ([-f FILENAME] | [-k DIRECTORY] | TYPE [(NAME | -l label | --all)]) [options]",
  summary: "Delete resources by file names, stdin, resources and names, or by resources and label selector.",
  examples: [
    "kubectl delete -f ./pod.yaml",
    "kubectl delete pod,service baz foo",
    "kubectl delete pods -l name=myLabel",
  ],
  flags,
  async run(run) {
    const cluster = await run.cluster();
    const grace = graceOf(run);
    const propagation = PROPAGATION[run.flags.cascade];
    if (!propagation)
      throw new CommandError(
        `invalid cascade value (${run.flags.cascade}). Must be "background", "foreground", or "orphan"`,
      );
    if (run.flags.force && grace === 0) run.err(FORCE_WARNING);
    const errors: unknown[] = [];
    const refs = await refsOf(run, cluster);
    const gone: Deleted[] = [];
    for (const ref of refs) {
      try {
        gone.push(await deleteOne(run, cluster, ref, { grace, propagation }));
      } catch (error) {
        if (!(run.flags["ignore-not-found"] && isNotFound(error))) {
          errors.push(ref.source === undefined ? error : withSource(error, "deleting", ref.source));
        }
      }
    }
    if (refs.length === 0 && errors.length === 0) run.out("No resources found\n");
    if (run.flags.wait && dryRunOf(run.flags["dry-run"]) === "none" && !(run.flags.force && grace === 0)) {
      await waitUntilGone(run, cluster, gone);
    }
    throwAll(errors);
  },
});

function graceOf({ flags: given }: DeleteRun): number {
  const { force, now, "grace-period": grace } = given;
  if (now && grace !== -1) throw new CommandError("--now and --grace-period cannot be specified together");
  if (now) return 1;
  if (force && grace < 0) return 0;
  if (force && grace > 0)
    throw new CommandError("--force and --grace-period greater than 0 cannot be specified together");
  return grace === 0 && !force ? 1 : grace;
}

interface DeleteRef extends ObjectRef {
  /** The file that names it. */
  readonly source?: string;
}

async function refsOf(run: DeleteRun, cluster: Cluster): Promise<DeleteRef[]> {
  const { args, flags: given } = run;
  if (given.filename.length > 0) {
    const manifests = await readManifests(cluster, run.io, given.filename, given);
    return manifests.map(({ type, namespace, object, source }) => {
      return { type, namespace, name: object.metadata.name ?? "", source };
    });
  }
  if (args.length === 0) {
    throw new CommandError(NOTHING_NAMED);
  }
  if (given.all && given.selector !== "") throw new CommandError("cannot set --all and --selector at the same time");
  const refs: DeleteRef[] = [];
  for (const { type, names } of await parseSelection(cluster, args)) {
    const namespace = namespaceFor(type, cluster, given["all-namespaces"]);
    if (names && (given.selector !== "" || given.all))
      throw new CommandError("name cannot be provided when a selector is specified");
    if (names) refs.push(...names.map((name) => ({ type, namespace, name })));
    else if (given.all || given.selector !== "" || given["field-selector"] !== "") {
      const narrowing = { selector: given.selector, fieldSelector: given["field-selector"] };
      refs.push(...(await listAll(cluster, type, namespace, narrowing)));
    } else throw new CommandError("resource(s) were provided, but no name was specified");
  }
  return refs;
}

interface Deleted {
  readonly ref: ObjectRef;
  readonly uid: string | undefined;
}

async function deleteOne(
  run: DeleteRun,
  cluster: Cluster,
  ref: ObjectRef,
  { grace, propagation }: { grace: number; propagation: string },
): Promise<Deleted> {
  const dryRun = dryRunOf(run.flags["dry-run"]);
  const path = resourcePath(ref.type, ref.namespace, ref.name);
  const body = {
    kind: "DeleteOptions",
    apiVersion: "v1",
    propagationPolicy: propagation,
    ...(grace >= 0 ? { gracePeriodSeconds: grace } : {}),
    ...(dryRun === "server" ? { dryRun: ["All"] } : {}),
  };
  const answer =
    dryRun === "client"
      ? await cluster.request<KubeObject>({ method: "GET", path })
      : await cluster.request<KubeObject>({ method: "DELETE", path, body });
  const shown =
    run.flags.output === "name"
      ? `${typeName(ref.type)}/${ref.name}`
      : `${typeName(ref.type)} ${JSON.stringify(ref.name)}`;
  const forced = grace === 0 && run.flags.force ? "force deleted" : "deleted";
  const suffix = { none: "", client: " (dry run)", server: " (server dry run)" }[dryRun];
  const where = ref.namespace && run.flags.output !== "name" ? ` from ${ref.namespace} namespace` : "";
  run.out(run.flags.output === "name" ? `${shown}\n` : `${shown} ${forced}${where}${suffix}\n`);
  return { ref, uid: uidOf(answer) };
}

/** A delete answers with the object that is going, or with a Status that names it. */
function uidOf(answer: KubeObject): string | undefined {
  if (answer.kind !== "Status") return answer.metadata?.uid;
  return (answer["details"] as { uid?: string } | undefined)?.uid;
}

async function waitUntilGone(run: DeleteRun, cluster: Cluster, gone: readonly Deleted[]): Promise<void> {
  const timeout = goDuration(run.flags.timeout);
  const deadline = timeout > 0 ? run.clock.monotonic() + timeout : Number.POSITIVE_INFINITY;
  for (const { ref, uid } of gone) {
    const left = deadline - run.clock.monotonic();
    const isGone = (object: KubeObject | undefined) =>
      object === undefined || (uid !== undefined && object.metadata.uid !== uid);
    try {
      await watchUntil({ cluster, io: run.io, timeout: left }, ref, isGone);
    } catch (error) {
      // Who may delete need not be allowed to look.
      if (error instanceof ApiError && error.code === 403) continue;
      if (!(error instanceof TimedOut)) throw error;
      throw new CommandError(`timed out waiting for the condition on ${ref.type.plural}/${ref.name}`);
    }
  }
}
