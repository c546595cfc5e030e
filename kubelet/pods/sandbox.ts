/**
 * Sandbox of a Pod: made with its cgroup and log directory, and stopped.
 */
import { mkdir } from "node:fs/promises";
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { PodSandboxConfig } from "../cri/messages.ts";
import { StartFailure, step } from "./failures.ts";
import { checkHostname } from "./pod-dns.ts";
import { usesHostNetwork } from "./pod-spec.ts";
import { sandboxConfig } from "./sandbox-config.ts";
import type { PodServices } from "./services.ts";

export function sandboxConfigOf(pod: Pod, attempt: number, services: PodServices): PodSandboxConfig {
  const { cgroups, paths, dns, userNamespaces } = services;
  const { name, namespace = "", uid } = pod.metadata;
  return sandboxConfig(pod, attempt, {
    cgroupParent: cgroups.parent(pod),
    users: userNamespaces.of(pod),
    logDirectory: paths.logDirectory({ name, namespace, uid }),
    dns: dns(),
  });
}

export async function createSandbox(pod: Pod, attempt: number, services: PodServices): Promise<void> {
  const { cri, cgroups, events } = services;
  const problem = usesHostNetwork(pod) ? undefined : services.networkProblem();
  if (problem) {
    events.warning(pod, "NetworkNotReady", `network is not ready: ${problem}`);
    throw new StartFailure("NetworkNotReady", problem);
  }
  if (attempt > 0) events.normal(pod, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
  try {
    await step("FailedCreatePodSandBox", async () => {
      checkHostname(pod, services.dns().clusterDomain);
      await services.userNamespaces.ensure(pod);
      const config = sandboxConfigOf(pod, attempt, services);
      const runtimeHandler = await handlerOf(pod, services);
      await Promise.all([cgroups.ensure(pod), mkdir(config.logDirectory ?? "", { recursive: true })]);
      await cri.runPodSandbox({ config, ...(runtimeHandler ? { runtimeHandler } : {}) });
    });
  } catch (error) {
    const message = `Failed to create pod sandbox: ${(error as Error).message}`;
    events.warning(pod, "FailedCreatePodSandBox", message);
    throw error;
  }
}

/** The handler that the Pod's RuntimeClass names; undefined: the runtime's usual one. */
async function handlerOf({ spec }: Pod, { client }: PodServices): Promise<string | undefined> {
  if (!spec?.runtimeClassName) return undefined;
  const { handler } = await client.get("runtimeclasses", { name: spec.runtimeClassName });
  return handler;
}

export async function stopSandbox(pod: Pod, id: string, { cri, events }: PodServices): Promise<void> {
  try {
    await step("FailedKillPod", () => cri.stopPodSandbox({ podSandboxId: id }));
  } catch (error) {
    events.warning(pod, "FailedKillPod", `error killing pod: failed to stop sandbox: ${(error as Error).message}`);
    throw error;
  }
}
