/**
 * State: the sandboxes and containers that a simulated runtime holds, and what is answered of them.
 *
 * Plain records in maps; what happens to them over time is runtime.ts' concern.
 */
import type { Timer } from "../../../machinery/process/clock.ts";
import {
  type Container,
  type ContainerConfig,
  type ContainerState,
  type ContainerStatus,
  type LinuxContainerResources,
  msToNanos,
  type PodSandbox,
  type PodSandboxConfig,
  type PodSandboxStatus,
} from "../../cri/messages.ts";
import type { Behaviour } from "./behaviour.ts";

export interface SimulatedSandbox {
  readonly id: string;
  readonly config: PodSandboxConfig;
  readonly createdAt: number;
  readonly ip: string;
  ready: boolean;
  readonly containers: Set<SimulatedContainer>;
}

export interface SimulatedContainer {
  readonly id: string;
  readonly sandbox: SimulatedSandbox;
  readonly config: ContainerConfig;
  readonly behaviour: Behaviour;
  readonly imageRef: string;
  readonly logPath: string;
  readonly createdAt: number;
  resources: LinuxContainerResources | undefined;
  state: ContainerState;
  startedAt: number;
  finishedAt: number;
  exitCode: number;
  reason: string;
  /** What it does next by itself. */
  readonly timers: Set<Timer>;
}

export function sandboxAnswer({ id, config, createdAt, ready }: SimulatedSandbox): PodSandbox {
  return {
    id,
    metadata: config.metadata,
    state: ready ? "SANDBOX_READY" : "SANDBOX_NOTREADY",
    createdAt: msToNanos(createdAt),
    labels: config.labels ?? {},
    annotations: config.annotations ?? {},
    runtimeHandler: "",
  };
}

export function sandboxStatusAnswer(sandbox: SimulatedSandbox): PodSandboxStatus {
  const options = sandbox.config.linux?.securityContext?.namespaceOptions;
  return {
    ...sandboxAnswer(sandbox),
    network: { ip: sandbox.ready ? sandbox.ip : "", additionalIps: [] },
    linux: { namespaces: { ...(options && { options }) } },
  };
}

export function containerAnswer(container: SimulatedContainer): Container {
  const { id, sandbox, config, imageRef, state, createdAt } = container;
  return {
    id,
    podSandboxId: sandbox.id,
    metadata: config.metadata,
    image: config.image,
    imageRef,
    imageId: imageRef,
    state,
    createdAt: msToNanos(createdAt),
    labels: config.labels ?? {},
    annotations: config.annotations ?? {},
  };
}

export function containerStatusAnswer(container: SimulatedContainer): ContainerStatus {
  const { id, config, imageRef, state, createdAt, startedAt, finishedAt, exitCode, reason, logPath } = container;
  const { resources: linux } = container;
  return {
    id,
    metadata: config.metadata,
    state,
    createdAt: msToNanos(createdAt),
    startedAt: msToNanos(startedAt),
    finishedAt: msToNanos(finishedAt),
    exitCode,
    image: config.image,
    imageRef,
    imageId: imageRef,
    reason,
    message: "",
    labels: config.labels ?? {},
    annotations: config.annotations ?? {},
    mounts: config.mounts ?? [],
    logPath,
    ...(linux && { resources: { linux } }),
  };
}

/** Whether `labels` has every pair of `selector`. */
export function selects(
  selector: Readonly<Record<string, string>> | undefined,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  return Object.entries(selector ?? {}).every(([key, value]) => labels?.[key] === value);
}
