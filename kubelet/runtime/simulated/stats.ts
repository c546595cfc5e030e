/**
 * Stats of the simulated runtime: each container uses what its behaviour says, steadily.
 */
import type { Clock } from "../../../machinery/process/clock.ts";
import type { RuntimeService } from "../../cri/contract.ts";
import { type ContainerStats, msToNanos, type PodSandboxStats } from "../../cri/messages.ts";
import { type SimulatedContainer, type SimulatedSandbox, selects } from "./state.ts";
import type { World } from "./world.ts";

type StatsCalls = Pick<
  RuntimeService,
  "containerStats" | "listContainerStats" | "podSandboxStats" | "listPodSandboxStats"
>;

export function simulatedStats(clock: Clock, world: World): StatsCalls {
  const ofContainer = (container: SimulatedContainer): ContainerStats => {
    const { id, config, behaviour, state, startedAt } = container;
    const running = state === "CONTAINER_RUNNING";
    const timestamp = msToNanos(clock.now());
    const cores = running ? behaviour.cpuMillicores / 1000 : 0;
    const memory = { value: running ? behaviour.memoryBytes : 0 };
    return {
      attributes: { id, metadata: config.metadata, labels: config.labels ?? {}, annotations: config.annotations ?? {} },
      cpu: {
        timestamp,
        usageCoreNanoSeconds: { value: Math.round(cores * (clock.now() - startedAt) * 1e6) },
        usageNanoCores: { value: Math.round(cores * 1e9) },
      },
      memory: { timestamp, workingSetBytes: memory, usageBytes: memory, rssBytes: memory },
    };
  };
  const ofSandbox = (sandbox: SimulatedSandbox): PodSandboxStats => {
    const { id, config } = sandbox;
    const stats = [...sandbox.containers].map(ofContainer);
    const sum = (of: (one: ContainerStats) => number | undefined) => ({
      value: stats.reduce((total, one) => total + (of(one) ?? 0), 0),
    });
    const timestamp = msToNanos(clock.now());
    return {
      attributes: { id, metadata: config.metadata, labels: config.labels ?? {}, annotations: config.annotations ?? {} },
      linux: {
        cpu: {
          timestamp,
          usageCoreNanoSeconds: sum(({ cpu }) => cpu?.usageCoreNanoSeconds?.value),
          usageNanoCores: sum(({ cpu }) => cpu?.usageNanoCores?.value),
        },
        memory: { timestamp, workingSetBytes: sum(({ memory }) => memory?.workingSetBytes?.value) },
        process: { timestamp, processCount: { value: 1 + stats.length } },
        containers: stats,
      },
    };
  };
  return {
    containerStats: async ({ containerId }) => ({ stats: ofContainer(world.containerOf(containerId)) }),
    listContainerStats: async ({ filter = {} }) => ({
      stats: [...world.containers.values()]
        .filter(({ state }) => state === "CONTAINER_RUNNING")
        .filter(({ id, sandbox }) => (filter.id ?? id) === id && (filter.podSandboxId ?? sandbox.id) === sandbox.id)
        .filter(({ config }) => selects(filter.labelSelector, config.labels))
        .map(ofContainer),
    }),
    podSandboxStats: async ({ podSandboxId }) => ({ stats: ofSandbox(world.sandboxOf(podSandboxId)) }),
    listPodSandboxStats: async ({ filter = {} }) => ({
      stats: [...world.sandboxes.values()]
        .filter(
          ({ id, ready, config }) => ready && (filter.id ?? id) === id && selects(filter.labelSelector, config.labels),
        )
        .map(ofSandbox),
    }),
  };
}
