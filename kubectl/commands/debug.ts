/**
 * kubectl debug: a container beside those of a Pod, a copy of the Pod with one, or a Pod on a node.
 *
 * What is made stands in ../debug/. A running Pod is never changed otherwise than by an ephemeral container.
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { readOneYaml } from "../../machinery/yaml.ts";
import { attachOrLog, podWhen } from "../attaching.ts";
import type { Cluster } from "../cluster.ts";
import { defineCommand, type Run } from "../command.ts";
import { copyOfPod, type DebugLine, debugContainer, podOnNode } from "../debug/drafts.ts";
import { applyProfile, type Draft, profileNames } from "../debug/profiles.ts";
import { apiVersionOf, resolveType, resourcePath } from "../discovery.ts";
import { CommandError, PlainError, throwAll } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { isImageName } from "../image-name.ts";
import { fileFlags, readManifests } from "../manifests.ts";
import { applyStrategicAt } from "../merge/apply-strategic.ts";
import { isMap, type Json } from "../merge/values.ts";
import { schemaOf } from "../openapi.ts";
import { envOf } from "../pod-of-line.ts";
import { type FoundObject, objectsOf, parseSelection } from "../selection.ts";

const yes = (help: string, more: { default?: boolean } = {}) => ({ type: "boolean", help, ...more }) as const;

const flags = {
  ...fileFlags,
  "arguments-only": yes("Everything after -- is passed to the new container as Args instead of Command."),
  attach: yes("If true, wait for the container to start running, and then attach."),
  container: { type: "string", short: "c", help: "Container name to use for debug container." },
  "copy-to": { type: "string", default: "", help: "Create a copy of the target Pod with this name." },
  custom: { type: "string", default: "", help: "Path to a file with a partial container spec." },
  env: { type: "list", help: "Environment variables to set in the container." },
  image: { type: "string", default: "", help: "Container image to use for debug container." },
  "image-pull-policy": { type: "string", default: "", help: "The image pull policy for the container." },
  "keep-annotations": yes("If true, keep the original pod annotations."),
  "keep-init-containers": yes("Run the init containers for the pod.", { default: true }),
  "keep-labels": yes("If true, keep the original pod labels."),
  "keep-liveness": yes("If true, keep the original pod liveness probes."),
  "keep-readiness": yes("If true, keep the original pod readiness probes."),
  "keep-startup": yes("If true, keep the original startup probes."),
  profile: { type: "string", default: "legacy", help: `Options are ${profileNames.join(", ")}.` },
  quiet: { type: "boolean", short: "q", help: "If true, suppress informational messages." },
  replace: yes("When used with '--copy-to', delete the original Pod."),
  "same-node": yes("When used with '--copy-to', schedule the copy of target Pod on the same node."),
  "set-image": { type: "list", help: "When used with '--copy-to', name=image pairs for changing container images." },
  "share-processes": yes("When used with '--copy-to', enable process namespace sharing in the copy.", {
    default: true,
  }),
  stdin: { type: "boolean", short: "i", help: "Keep stdin open on the container(s) in the pod." },
  target: { type: "string", default: "", help: "Target processes in this container name." },
  tty: { type: "boolean", short: "t", help: "Allocate a TTY for the debugging container." },
} as const satisfies FlagTable;

type DebugRun = Run<typeof flags>;

interface Made {
  readonly pod: Pod;
  /** Undefined: there is none to join. */
  readonly container: Container | undefined;
}

export const debug = defineCommand({
  usage: "debug (POD | TYPE[[.VERSION].GROUP]/NAME) [ -- COMMAND [args...] ] [options]",
  summary: "Create debugging sessions for troubleshooting workloads and nodes.",
  examples: ["kubectl debug mypod -it --image=busybox", "kubectl debug node/mynode -it --image=busybox"],
  flags,
  async run(run) {
    const images = imagesOf(run.flags["set-image"]);
    const names = run.args.slice(0, run.dash ?? run.args.length);
    checkLine(run, names);
    const bare = run.flags.env.find((one) => !one.includes("="));
    if (bare !== undefined) throw malformed("env", bare);
    const line = { ...run.flags, env: envOf(run.flags.env), words: run.args.slice(names.length) };
    const cluster = await run.cluster();
    if (run.flags.profile === "legacy")
      run.err(
        '--profile=legacy is deprecated and will be removed in the future. It is recommended to explicitly specify a profile, for example "--profile=general".\n',
      );
    const errors: unknown[] = [];
    for (const found of await targets(run, cluster, names)) {
      try {
        await debugOne(run, cluster, found, line, images);
      } catch (error) {
        errors.push(error);
      }
    }
    throwAll(errors);
  },
});

function imagesOf(pairs: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    pairs
      .flatMap((one) => one.split(","))
      .map((pair) => {
        const [name = "", image, ...more] = pair.split("=");
        if (name === "" || !image || more.length > 0) throw malformed("set-image", pair);
        return [name, image];
      }),
  );
}

const malformed = (flag: string, text: string) =>
  new PlainError(
    `error: invalid argument ${JSON.stringify(text)} for "--${flag}" flag: ${text} must be formatted as key=value\nSee 'kubectl debug --help' for usage.`,
  );

/** In the order in which the real one finds fault. */
function checkLine({ flags: given, args }: DebugRun, names: readonly string[]): void {
  const words = args.length - names.length;
  const copies = given["copy-to"] !== "";
  const attach = given.attach || given.stdin;
  const faults: readonly (readonly [boolean, string])[] = [
    [!copies && given.image === "", "you must specify --image when not using --copy-to."],
    [!copies && given["set-image"].length > 0, "--set-image may only be used with --copy-to."],
    [!copies && given.replace, "--replace may only be used with --copy-to."],
    [!copies && given["same-node"], "--same-node may only be used with --copy-to."],
    [names.length === 0 && given.filename.length === 0, "NAME or filename is required for debug"],
    [
      given.image !== "" && !isImageName(given.image),
      `invalid image name ${JSON.stringify(given.image)}: invalid reference format`,
    ],
    [
      !["", "Always", "IfNotPresent", "Never"].includes(given["image-pull-policy"]),
      `invalid image pull policy: ${given["image-pull-policy"]}`,
    ],
    [
      copies && given.image === "" && given["set-image"].length === 0 && words === 0,
      "you must specify --image, --set-image or command arguments.",
    ],
    [copies && given.target !== "", "--target is incompatible with --copy-to. Use --share-processes instead."],
    [given.tty && !given.stdin, "-i/--stdin is required for containers with -t/--tty=true"],
    [!profileNames.includes(given.profile), `unknown profile: ${given.profile}`],
    [
      attach && given.image === "" && given.container === undefined && given["set-image"].length > 0,
      "you must specify an existing container or a new image when specifying args.",
    ],
  ];
  const [, fault] = faults.find(([wrong]) => wrong) ?? [];
  if (fault !== undefined) throw new CommandError(fault);
}

async function targets(run: DebugRun, cluster: Cluster, names: readonly string[]): Promise<FoundObject[]> {
  const stop = (error: unknown) => {
    throw error;
  };
  const found: FoundObject[] = [];
  for (const { type, namespace, object } of await readManifests(cluster, run.io, run.flags.filename, run.flags)) {
    const place = { ...cluster, namespace: namespace ?? cluster.namespace };
    found.push(...(await objectsOf(place, [{ type, names: [object.metadata.name ?? ""] }], {}, stop)));
  }
  for (const name of names) {
    const args = name.includes("/") ? [name] : ["pods", name];
    found.push(...(await objectsOf(cluster, await parseSelection(cluster, args), {}, stop)));
  }
  return found;
}

async function debugOne(
  run: DebugRun,
  cluster: Cluster,
  found: FoundObject,
  line: DebugLine,
  images: ReadonlyMap<string, string>,
): Promise<void> {
  const { kind, group } = found.type;
  const copies = run.flags["copy-to"] !== "";
  const make =
    group === "" && kind === "Node" ? onNode : group === "" && kind === "Pod" ? (copies ? asCopy : beside) : undefined;
  if (!make) {
    const version = apiVersionOf(found.type);
    throw new CommandError(
      `${JSON.stringify(`${group === "" ? "/" : ""}${version}, Kind=${kind}`)} not supported by debug`,
    );
  }
  const { pod, container } = await make(run, cluster, found, line, images);
  const attach = run.given.has("attach") ? run.flags.attach : run.flags.stdin;
  if (!attach || !container) return;
  const { metadata } = pod;
  const started = await podWhen(run, cluster, metadata, Number.POSITIVE_INFINITY, (one) =>
    isStarted(one, container.name),
  );
  const { stdin, tty, quiet } = run.flags;
  await attachOrLog(run, cluster, started, container, { stdin, tty, quiet });
}

function isStarted({ status }: Pod, container: string): boolean {
  const all = [...(status?.containerStatuses ?? []), ...(status?.ephemeralContainerStatuses ?? [])];
  const { state } = all.find(({ name }) => name === container) ?? {};
  return Boolean(state?.running || state?.terminated);
}

const LETTERS = "bcdfghjklmnpqrstvwxz2456789";
const suffix = ({ clock }: DebugRun) =>
  Array.from({ length: 5 }, () => LETTERS[Math.floor(clock.random() * LETTERS.length)]).join("");

/** The name that the line says, or a new one. */
function nameFor(run: DebugRun): string {
  if (run.flags.container !== undefined && run.flags.container !== "") return run.flags.container;
  const name = `debugger-${suffix(run)}`;
  if (!run.flags.quiet) run.out(`Defaulting debug container name to ${name}.\n`);
  return name;
}

type Make = (
  run: DebugRun,
  cluster: Cluster,
  found: FoundObject,
  line: DebugLine,
  images: ReadonlyMap<string, string>,
) => Promise<Made>;

/** An ephemeral container in the Pod itself. */
const beside: Make = async (run, cluster, { type, namespace, name, object }, line) => {
  const { target } = run.flags;
  if (target !== "" && !run.flags.quiet)
    run.out(
      `Targeting container ${JSON.stringify(target)}. If you don't see processes from this container it may be because the container runtime doesn't support this feature.\n`,
    );
  const pod = object as unknown as Pod;
  const own = nameFor(run);
  const draft = { metadata: pod.metadata, spec: { ...pod.spec, containers: [debugContainer(own, line)] } } as Draft;
  const { resources: _, ...container } = containerIn(await profiled(run, cluster, "ephemeral", draft, own), own);
  const added = { ...container, ...(target === "" ? {} : { targetContainerName: target }) };
  const order = [...(pod.spec?.ephemeralContainers ?? []), added].map((one) => ({ name: one.name }));
  const changed = await cluster.request<Pod>({
    method: "PATCH",
    path: resourcePath(type, namespace, name, "ephemeralcontainers"),
    headers: { "content-type": "application/strategic-merge-patch+json" },
    body: { spec: { ephemeralContainers: [added], "$setElementOrder/ephemeralContainers": order } },
  });
  return { pod: changed, container: added };
};

const asCopy: Make = async (run, cluster, { type, namespace, object }, line, images) => {
  const pod = object as unknown as Pod;
  const { draft, container } = copyOfPod(
    pod,
    {
      ...line,
      name: run.flags["copy-to"],
      container: run.flags.container,
      images,
      sameNode: run.flags["same-node"],
      share: run.given.has("share-processes") ? run.flags["share-processes"] : undefined,
    },
    () => nameFor(run),
  );
  const made = container === undefined ? draft : await profiled(run, cluster, "copy", draft, container);
  const created = await create(cluster, made, namespace);
  if (run.flags.replace) {
    const body = { kind: "DeleteOptions", apiVersion: "v1" };
    await cluster.request({ method: "DELETE", path: resourcePath(type, namespace, pod.metadata.name), body });
  }
  return { pod: created, container: container === undefined ? undefined : containerIn(made, container) };
};

const onNode: Make = async (run, cluster, { name }, line) => {
  const own = run.flags.container || "debugger";
  const draft = podOnNode(name, suffix(run), cluster.namespace, debugContainer(own, line));
  const made = await profiled(run, cluster, "node", draft, own);
  if (!run.flags.quiet)
    run.out(`Creating debugging pod ${draft.metadata.name} with container ${own} on node ${name}.\n`);
  return { pod: await create(cluster, made, cluster.namespace), container: containerIn(made, own) };
};

async function create(cluster: Cluster, { metadata, spec }: Draft, namespace: string | undefined): Promise<Pod> {
  const path = resourcePath(resolveType(await cluster.discovery(), "pods"), namespace);
  const body: KubeObject = { apiVersion: "v1", kind: "Pod", metadata, spec };
  return cluster.request<Pod>({ method: "POST", path, body });
}

const containerIn = ({ spec }: Draft, name: string): Container =>
  (spec.containers as Container[]).find((one) => one.name === name)!;

/** By the profile, then by the file of --custom, whose container has the last word. */
async function profiled(
  run: DebugRun,
  cluster: Cluster,
  style: "ephemeral" | "copy" | "node",
  draft: Draft,
  name: string,
): Promise<Draft> {
  const made = applyProfile(run.flags.profile, style, draft, name, run.flags);
  if (run.flags.custom === "") return made;
  const custom = readOneYaml(await readFile(resolve(run.io.cwd, run.flags.custom), "utf8"));
  if (!isMap(custom)) throw new CommandError(`--custom: ${run.flags.custom} holds no container`);
  const fixed = ["name", "command", "image", "lifecycle", "volumeDevices"].find((key) => custom[key] !== undefined);
  if (fixed) throw new CommandError(`--custom: ${fixed} of the container cannot be set`);
  const schema = await schemaOf(cluster, resolveType(await cluster.discovery(), "pods"));
  if (!schema) throw new CommandError("the server describes no Pods: they cannot be merged");
  const containers = (made.spec.containers as Container[]).map((one) =>
    one.name === name
      ? (applyStrategicAt(one as unknown as Json, custom, ["spec", "containers"], schema) as unknown as Container)
      : one,
  );
  return { ...made, spec: { ...made.spec, containers } };
}
