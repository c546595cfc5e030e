/**
 * Bare Pods: the same sandbox and container as the kubelet makes for a Pod, made without it.
 *
 * They bring no volumes of their own, but as many mounts. They carry no Pod's labels, so the kubelet leaves them alone.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Runtime, RuntimeCalls } from "../../kubelet/cri/contract.ts";
import type { ContainerConfig, PodSandboxConfig } from "../../kubelet/cri/messages.ts";
import { openChannel } from "../../kubelet/runtime/containerd/grpc.ts";
import { criMethods } from "../../kubelet/runtime/containerd/services.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import type { HomePaths } from "../../machinery/process/home.ts";
import { COMMAND, IMAGE } from "./bench-cluster.ts";

/** The calls that start a Pod and take it away again. */
export type Calls = Pick<
  Runtime,
  "runPodSandbox" | "createContainer" | "startContainer" | "stopPodSandbox" | "removePodSandbox"
>;

/** Straight at containerd. */
export function grpcCalls(paths: HomePaths): Calls & { close(): void } {
  const channel = openChannel(paths.containerdSocket, clock);
  const methods = criMethods();
  const call =
    <N extends keyof RuntimeCalls>(name: N) =>
    (request: RuntimeCalls[N][0]) =>
      channel.call(methods.unary(name), request, { timeoutMs: 120_000 });
  return {
    runPodSandbox: call("RunPodSandbox"),
    createContainer: call("CreateContainer"),
    startContainer: call("StartContainer"),
    stopPodSandbox: call("StopPodSandbox"),
    removePodSandbox: call("RemovePodSandbox"),
    close: () => channel.close(),
  };
}

/** Milliseconds since the start of the calls. */
export interface BarePod {
  readonly id: string;
  readonly sandbox: number;
  readonly created: number;
  readonly running: number;
}

export async function startBarePod(calls: Calls, paths: HomePaths, name: string): Promise<BarePod> {
  const [sandbox, container] = configsOf(paths, name);
  const begin = clock.monotonic();
  const { podSandboxId } = await calls.runPodSandbox({ config: sandbox });
  const made = clock.monotonic();
  const { containerId } = await calls.createContainer({ podSandboxId, config: container, sandboxConfig: sandbox });
  const created = clock.monotonic();
  await calls.startContainer({ containerId });
  const running = clock.monotonic();
  return { id: podSandboxId, sandbox: made - begin, created: created - begin, running: running - begin };
}

export async function removeBarePod(calls: Calls, podSandboxId: string): Promise<void> {
  await calls.stopPodSandbox({ podSandboxId });
  await calls.removePodSandbox({ podSandboxId });
}

/** As the kubelet words them for a Pod of one container. */
function configsOf(paths: HomePaths, name: string): readonly [PodSandboxConfig, ContainerConfig] {
  const directory = join(paths.root, "bench", name);
  mkdirSync(directory, { recursive: true });
  const file = (file: string) => {
    writeFileSync(join(directory, file), "");
    return join(directory, file);
  };
  const sandbox: PodSandboxConfig = {
    metadata: { name, uid: clock.uuid(), namespace: "bench", attempt: 0 },
    hostname: name,
    logDirectory: directory,
    dnsConfig: { servers: ["10.43.0.10"], searches: ["default.svc.cluster.local"], options: ["ndots:5"] },
    linux: {
      cgroupParent: `${paths.cgroup}/bench`,
      securityContext: {
        namespaceOptions: { network: "POD", pid: "CONTAINER", ipc: "POD" },
        seccomp: { profileType: "RuntimeDefault" },
      },
    },
  };
  const container: ContainerConfig = {
    metadata: { name: "main", attempt: 0 },
    image: { image: IMAGE },
    command: COMMAND,
    logPath: "main.log",
    mounts: [
      { containerPath: "/etc/hosts", hostPath: file("hosts") },
      { containerPath: "/dev/termination-log", hostPath: file("termination-log") },
      { containerPath: "/var/run/secrets/kubernetes.io/serviceaccount", hostPath: directory, readonly: true },
    ],
    linux: {
      resources: { cpuShares: 2, oomScoreAdj: 1000 },
      securityContext: { namespaceOptions: { network: "POD", pid: "CONTAINER", ipc: "POD" } },
    },
  };
  return [sandbox, container];
}
