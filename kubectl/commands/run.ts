/**
 * kubectl run: a Pod of one container, as its line says; joined and removed again where that is asked for.
 *
 * What the Pod looks like is in ../pod-of-line.ts.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { isNotFound } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { attachOrLog, podWhen } from "../attaching.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { resolveType, resourcePath } from "../discovery.ts";
import { CommandError, PlainError, usageError } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { goDuration } from "../go-duration.ts";
import { isImageName } from "../image-name.ts";
import { annotated } from "../last-applied.ts";
import { podOfLine, serviceOfLine } from "../pod-of-line.ts";
import { createReporter, dryRunOf, writeFlags, writeQuery } from "../writing.ts";

const flags = {
  ...writeFlags,
  "field-manager": {
    type: "string",
    default: "kubectl-run",
    help: "Name of the manager used to track field ownership.",
  },
  annotations: { type: "list", help: "Annotations to apply to the pod." },
  attach: { type: "boolean", help: "If true, wait for the Pod to start running, and then attach to the Pod." },
  command: {
    type: "boolean",
    help: "If true and extra arguments are present, use them as the 'command' field in the container.",
  },
  env: { type: "list", help: "Environment variables to set in the container." },
  expose: { type: "boolean", help: "If true, create a ClusterIP service associated with the pod." },
  image: { type: "string", help: "The image for the container to run." },
  "image-pull-policy": { type: "string", default: "", help: "The image pull policy for the container." },
  labels: { type: "string", short: "l", default: "", help: "Comma separated labels to apply to the pod." },
  "leave-stdin-open": {
    type: "boolean",
    help: "If the pod is started in interactive mode or with stdin, leave stdin open after the first attach completes.",
  },
  overrides: { type: "string", default: "", help: "An inline JSON override for the generated object." },
  "override-type": {
    type: "string",
    default: "merge",
    help: "The method used to override the generated object: json, merge, or strategic.",
  },
  "pod-running-timeout": {
    type: "string",
    default: "1m0s",
    help: "The length of time to wait until at least one pod is running",
  },
  port: { type: "string", default: "", help: "The port that this container exposes." },
  privileged: { type: "boolean", help: "If true, run the container in privileged mode." },
  quiet: { type: "boolean", short: "q", help: "If true, suppress prompt messages." },
  restart: { type: "string", default: "Always", help: "The restart policy for this Pod." },
  rm: { type: "boolean", help: "If true, delete the pod after it exits." },
  "save-config": {
    type: "boolean",
    help: "If true, the configuration of current object will be saved in its annotation.",
  },
  stdin: { type: "boolean", short: "i", help: "Keep stdin open on the container in the pod." },
  tty: { type: "boolean", short: "t", help: "Allocate a TTY for the container in the pod." },
} as const satisfies FlagTable;

export type RunRun = Run<typeof flags>;

export const runCommand = defineCommand({
  usage:
    'run NAME --image=image [--env="key=value"] [--port=port] [--dry-run=server|client] [--overrides=inline-json] [--command] -- [COMMAND] [args...] [options]',
  summary: "Create and run a particular image in a pod.",
  examples: ["kubectl run nginx --image=nginx", "kubectl run -i -t busybox --image=busybox --restart=Never"],
  flags,
  async run(run) {
    const { flags: given } = run;
    const attach = run.given.has("attach") ? given.attach : given.stdin;
    checkLine(run, attach);
    const cluster = await run.cluster();
    const service = given.expose ? serviceOfLine(run, cluster.namespace) : undefined;
    const pod = await podOfLine(run, cluster);
    const made: KubeObject[] = [];
    if (service) {
      made.push(await send(run, cluster, "services", service));
      (await createReporter(run))(resolveType(await cluster.discovery(), "services"), made[0]!, "created");
      if (given.output === "yaml") run.out("---\n---\n");
    }
    const created = await send(run, cluster, "pods", pod);
    made.push(created);
    if (attach) return interact(run, cluster, created as unknown as Pod, made);
    (await createReporter(run))(resolveType(await cluster.discovery(), "pods"), created, "created");
  },
});

function checkLine(run: RunRun, attach: boolean): void {
  const { flags: given, args, dash } = run;
  const usage = (message: string) => usageError("run", message);
  if (given.image === undefined) throw new CommandError('required flag(s) "image" not set');
  if (args.length === 0 || dash === 0) throw usage("NAME is required for run");
  if (given.image === "") throw new CommandError("--image is required");
  if (!isImageName(given.image))
    throw new CommandError(`Invalid image name ${JSON.stringify(given.image)}: invalid reference format`);
  if (given.tty && !given.stdin) throw usage("-i/--stdin is required for containers with -t/--tty=true");
  if (given.expose && given.port === "") throw usage("--port must be set when exposing a service");
  if (!["", "Always", "OnFailure", "Never"].includes(given.restart))
    throw usage(`invalid restart policy: ${given.restart}`);
  if (!attach && given.rm) throw usage("--rm should only be used for attached containers");
  if (attach && dryRunOf(given["dry-run"]) !== "none")
    throw usage(
      "--dry-run=[server|client] can't be used with attached containers options (--attach, --stdin, or --tty)",
    );
  if (!["", "Always", "IfNotPresent", "Never"].includes(given["image-pull-policy"]))
    throw usage(`invalid image pull policy: ${given["image-pull-policy"]}`);
}

async function send(run: RunRun, cluster: Cluster, resource: string, object: KubeObject): Promise<KubeObject> {
  const body = run.flags["save-config"] ? annotated(object) : object;
  if (dryRunOf(run.flags["dry-run"]) === "client") return body;
  const type = resolveType(await cluster.discovery(), resource);
  const path = resourcePath(type, cluster.namespace);
  return cluster.request<KubeObject>({ method: "POST", path, query: writeQuery(run.flags), body });
}

async function interact(run: RunRun, cluster: Cluster, pod: Pod, made: readonly KubeObject[]): Promise<void> {
  try {
    await join(run, cluster, pod);
  } finally {
    if (run.flags.rm) await removeAll(cluster, made, run);
  }
}

async function join(run: RunRun, cluster: Cluster, pod: Pod): Promise<void> {
  const { flags: given } = run;
  const timeout = goDuration(given["pod-running-timeout"]);
  const running = await podWhen(run, cluster, pod.metadata, timeout, isStarted);
  const [container] = running.spec?.containers ?? [];
  if (!container) throw new CommandError(`pod ${pod.metadata.name} has no containers`);
  await attachOrLog(run, cluster, running, container, { stdin: given.stdin, tty: given.tty, quiet: given.quiet });
  if (given["leave-stdin-open"] || !["Never", "OnFailure"].includes(given.restart)) return;
  const over = given.restart === "Never" ? ["Succeeded", "Failed"] : ["Succeeded"];
  const ended = await podWhen(run, cluster, pod.metadata, timeout, ({ status }) => over.includes(status?.phase ?? ""));
  exitAs(ended);
}

/** Its containers run and are ready, or it is over. */
function isStarted({ status }: Pod): boolean {
  if (status?.phase === "Succeeded" || status?.phase === "Failed") return true;
  if (status?.phase !== "Running") return false;
  return status.conditions?.some(({ type, status: holds }) => type === "Ready" && holds === "True") ?? false;
}

function exitAs({ metadata: { namespace, name }, status }: Pod): void {
  if (status?.phase === "Succeeded") return;
  const ended = status?.containerStatuses?.[0]?.state?.terminated;
  if (!ended?.exitCode) throw new CommandError(`pod ${namespace}/${name} failed with unknown exit code`);
  const said = `pod ${namespace}/${name} terminated (${ended.reason ?? ""})${ended.message ? `\n${ended.message}` : ""}`;
  throw new PlainError(said, ended.exitCode);
}

async function removeAll(cluster: Cluster, made: readonly KubeObject[], run: RunRun): Promise<void> {
  for (const { kind, metadata } of made) {
    const type = resolveType(await cluster.discovery(), kind);
    const path = resourcePath(type, metadata.namespace, metadata.name);
    try {
      await cluster.request({ method: "DELETE", path, body: { kind: "DeleteOptions", apiVersion: "v1" } });
      if (!run.flags.quiet) run.out(`${kind.toLowerCase()} ${JSON.stringify(metadata.name)} deleted\n`);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}
