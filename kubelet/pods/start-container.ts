/**
 * Start of a container: image, configuration, create, start, postStart. In this order, each once.
 *
 * Every step that fails becomes a StartFailure with Kubernetes' reason, and an event. A container that
 * was created but not started (the kubelet died between the two) is only started.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { EphemeralContainer, Pod } from "../../machinery/objects/kinds.ts";
import type { Image } from "../cri/messages.ts";
import { containerDevices, containerMounts, type ImageVolumes } from "../volumes/mounts.ts";
import type { HostPaths } from "../volumes/volumes.ts";
import { containerConfig } from "./container-config.ts";
import { type EnvVar, environment } from "./env.ts";
import { readEnvFile } from "./env-file.ts";
import { StartFailure, step } from "./failures.ts";
import { runHook } from "./hooks.ts";
import { hostsFile } from "./hosts-file.ts";
import { containerLogPath } from "./paths.ts";
import type { Action } from "./plan-draft.ts";
import { fieldPath, usesHostNetwork } from "./pod-spec.ts";
import { latest, type RuntimePod, type SandboxRecord } from "./runtime-state.ts";
import { sandboxConfigOf } from "./sandbox.ts";
import { serviceEnv } from "./service-env.ts";
import type { PodServices } from "./services.ts";

export type StartAction = Extract<Action, { kind: "start" }>;

export interface StartInput {
  readonly pod: Pod;
  readonly action: StartAction;
  readonly sandbox: SandboxRecord;
  readonly runtime: RuntimePod;
  /** Both may be under way since the sandbox was asked for. */
  readonly image: () => Promise<Image>;
  readonly volumes: () => Promise<HostPaths>;
  /** The images that the container has as volumes. */
  readonly imageVolumes: () => Promise<ImageVolumes>;
  /** The Pod ends: leave what only waits. */
  readonly signal: AbortSignal;
}

export async function startContainer(input: StartInput, services: PodServices): Promise<void> {
  const { pod, action } = input;
  const { events, cri } = services;
  const { container } = action;
  const path = fieldPath(action);
  const id = action.created ?? (await create(input, services));
  if (action.created === undefined) events.normal(pod, "Created", `Created container: ${container.name}`, path);
  await bound(input, services);

  try {
    await step("RunContainerError", () => cri.startContainer({ containerId: id }));
  } catch (error) {
    events.warning(pod, "Failed", `Error: ${(error as Error).message}`, path);
    throw error;
  }
  events.normal(pod, "Started", `Started container ${container.name}`, path);
  await postStart(input, id, services);
}

/** Whatever runs in a Pod must not speak before network policies bind it. */
async function bound({ pod, sandbox }: StartInput, { bindPod, events }: PodServices): Promise<void> {
  if (!bindPod || usesHostNetwork(pod)) return;
  try {
    await step("NetworkNotReady", () => bindPod(pod, sandbox.ips));
  } catch (error) {
    events.warning(pod, "NetworkNotReady", `network is not ready: ${(error as Error).message}`);
    throw error;
  }
}

async function create(input: StartInput, services: PodServices): Promise<string> {
  const { pod, action, sandbox } = input;
  const { container, attempt } = action;
  const all = Promise.all([input.image(), input.volumes(), input.imageVolumes()]);
  const [image, volumes, imageVolumes] = await unlessAborted(all, input.signal);
  const path = fieldPath(action);
  const podIPs = usesHostNetwork(pod) ? services.node().hostIPs : sandbox.ips;

  let config: ReturnType<typeof containerConfig>;
  try {
    config = await step("CreateContainerConfigError", async () => {
      const env = await envOf(pod, action, podIPs, volumes, services);
      const mounts = await mountsOf(input, { env, podIPs, volumes, imageVolumes }, services);
      const { memoryBytes, hugePages } = services.node();
      const machine = { memoryBytes, hugePages, cgroups: services.cgroups.features };
      const target = targetOf(input);
      const devices = containerDevices(pod, container, volumes);
      const imageRef = image.id;
      const { security } = services;
      await services.userNamespaces.ensure(pod);
      const users = services.userNamespaces.of(pod);
      const parts = { attempt, image, imageRef, env, mounts, devices, machine, security, target, users };
      return containerConfig(pod, container, parts);
    });
  } catch (error) {
    services.events.warning(pod, "Failed", `Error: ${(error as Error).message}`, path);
    throw error;
  }

  try {
    return await step("CreateContainerError", async () => {
      const logs = join(services.paths.logDirectory(identity(pod)), dirname(containerLogPath(container.name, attempt)));
      await mkdir(logs, { recursive: true });
      const sandboxConfig = sandboxConfigOf(pod, sandbox.attempt, services);
      const request = { podSandboxId: sandbox.id, config, sandboxConfig };
      return (await services.cri.createContainer(request)).containerId;
    });
  } catch (error) {
    services.events.warning(pod, "Failed", `Error: ${(error as Error).message}`, path);
    throw error;
  }
}

/** Throws when an ephemeral container names one that has never been there. */
function targetOf({ action, runtime }: StartInput): string | undefined {
  const { targetContainerName: name } = action.container as EphemeralContainer;
  if (action.role !== "ephemeral" || !name) return undefined;
  const found = latest(runtime, name);
  if (!found) throw new Error(`unable to find target container ${name}`);
  return found.id;
}

export function identity(pod: Pod): { namespace: string; name: string; uid: string } {
  return { namespace: pod.metadata.namespace ?? "", name: pod.metadata.name, uid: pod.metadata.uid };
}

async function envOf(
  pod: Pod,
  { container }: StartAction,
  podIPs: readonly string[],
  volumes: HostPaths,
  services: PodServices,
): Promise<readonly EnvVar[]> {
  const known = await services.services(pod);
  return environment(pod, container, {
    podIPs,
    node: services.node(),
    services: serviceEnv(known, pod.metadata.namespace ?? "", pod.spec?.enableServiceLinks !== false),
    configMap: services.references.configMap,
    secret: services.references.secret,
    file: async (volume, path) => readEnvFile(volumes.get(volume) ?? "", path),
  });
}

interface MountSources {
  readonly env: readonly EnvVar[];
  readonly podIPs: readonly string[];
  readonly volumes: HostPaths;
  readonly imageVolumes: ImageVolumes;
}

async function mountsOf(
  { pod, action }: StartInput,
  { env, podIPs, volumes, imageVolumes }: MountSources,
  { paths, dns, node, hostHosts, volumes: podVolumes }: PodServices,
) {
  const { container, attempt } = action;
  const { uid } = pod.metadata;
  const hosts = paths.hosts(uid);
  const termination = paths.terminationLog(uid, container.name, attempt);
  await mkdir(dirname(termination), { recursive: true });
  await writeFile(hosts, hostsFile(pod, podIPs, dns().clusterDomain, usesHostNetwork(pod) ? await hostHosts() : ""));
  await writeFile(termination, "", { mode: 0o666 });
  const values = new Map(env.map(({ key, value }) => [key, value]));
  return containerMounts(pod, container, {
    volumes,
    imageVolumes,
    recursiveReadOnly: node().recursiveReadOnly,
    env: (name) => values.get(name),
    hostsFile: hosts,
    terminationLog: termination,
    subPaths: podVolumes.subPaths(uid),
  });
}

/** A hook that fails takes its container with it. */
async function postStart(
  { pod, action, sandbox, signal }: StartInput,
  id: string,
  services: PodServices,
): Promise<void> {
  const { container } = action;
  const hook = container.lifecycle?.postStart;
  if (!hook) return;
  const podIP = (usesHostNetwork(pod) ? services.node().hostIPs : sandbox.ips)[0] ?? "";
  const verdict = await runHook(hook, { container, containerId: id, podIP }, undefined, services, signal);
  if (verdict.ok || signal.aborted) return;
  services.events.warning(pod, "FailedPostStartHook", "PostStartHook failed", fieldPath(action));
  services.events.normal(pod, "Killing", "FailedPostStartHook", fieldPath(action));
  const timeout = pod.spec?.terminationGracePeriodSeconds ?? 30;
  await step("PostStartHookError", () => services.cri.stopContainer({ containerId: id, timeout }));
  throw new StartFailure("PostStartHookError", verdict.output);
}

/** A pull may take minutes; a Pod that ends meanwhile does not wait for it. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(new Error("the Pod is ending"));
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
