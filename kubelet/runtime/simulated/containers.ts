/**
 * Containers of the simulated runtime: the calls on them.
 */
import { join } from "node:path";
import type { Clock } from "../../../machinery/process/clock.ts";
import type { RuntimeService } from "../../cri/contract.ts";
import { CriError } from "../../cri/errors.ts";
import type { Image } from "../../cri/messages.ts";
import { behaviourOf } from "./behaviour.ts";
import { containerAnswer, containerStatusAnswer, type SimulatedContainer, selects } from "./state.ts";
import { KILLED, TERMINATED, type World } from "./world.ts";

type ContainerCalls = Pick<
  RuntimeService,
  | "createContainer"
  | "startContainer"
  | "stopContainer"
  | "removeContainer"
  | "listContainers"
  | "containerStatus"
  | "updateContainerResources"
  | "reopenContainerLog"
>;

export function containerCalls(
  clock: Clock,
  world: World,
  findImage: (name: string) => Image | undefined,
): ContainerCalls {
  return {
    async createContainer({ podSandboxId, config, sandboxConfig }) {
      const sandbox = world.sandboxOf(podSandboxId);
      if (!sandbox.ready) throw new CriError("FailedPrecondition", `sandbox "${podSandboxId}" is not running`);
      const image = findImage(config.image.image);
      if (!image) throw new CriError("NotFound", `failed to resolve image "${config.image.image}": not found`);
      const { name, attempt } = config.metadata;
      const directory = sandboxConfig.logDirectory ?? "";
      const container: SimulatedContainer = {
        id: world.newId(),
        sandbox,
        config,
        behaviour: behaviourOf(sandbox.config.annotations, name, attempt),
        imageRef: image.id,
        logPath: config.logPath && directory ? join(directory, config.logPath) : "",
        createdAt: clock.now(),
        resources: config.linux?.resources,
        state: "CONTAINER_CREATED",
        startedAt: 0,
        finishedAt: 0,
        exitCode: 0,
        reason: "",
        timers: new Set(),
      };
      world.addContainer(container);
      return { containerId: container.id };
    },
    async startContainer({ containerId }, given) {
      const container = world.containerOf(containerId);
      if (container.state !== "CONTAINER_CREATED")
        throw new CriError("FailedPrecondition", `container "${containerId}" is in ${container.state} state`);
      if (container.behaviour.startMs > 0) await clock.sleep(container.behaviour.startMs, given?.signal);
      if (container.state === "CONTAINER_CREATED") world.start(container);
      return {};
    },
    async stopContainer({ containerId, timeout }, given) {
      const container = world.containers.get(containerId);
      if (container?.state !== "CONTAINER_RUNNING") return {};
      const { stopMs } = container.behaviour;
      const inTime = stopMs <= timeout * 1000;
      const wait = inTime ? stopMs : timeout * 1000;
      if (wait > 0) await clock.sleep(wait, given?.signal);
      world.end(container, inTime && timeout > 0 ? TERMINATED : KILLED, "Error");
      return {};
    },
    async removeContainer({ containerId }) {
      const container = world.containers.get(containerId);
      if (container) world.remove(container);
      return {};
    },
    async listContainers({ filter = {} }) {
      const all =
        filter.podSandboxId === undefined
          ? world.containers.values()
          : (world.sandboxes.get(filter.podSandboxId)?.containers ?? []);
      return {
        containers: [...all]
          .filter(
            ({ id, state, config }) =>
              (filter.id ?? id) === id &&
              (filter.state?.state ?? state) === state &&
              selects(filter.labelSelector, config.labels),
          )
          .map(containerAnswer),
      };
    },
    containerStatus: async ({ containerId }) => ({
      status: containerStatusAnswer(world.containerOf(containerId)),
      info: {},
    }),
    async updateContainerResources({ containerId, linux }) {
      const container = world.containerOf(containerId);
      container.resources = { ...container.resources, ...linux };
      return {};
    },
    async reopenContainerLog({ containerId }) {
      world.running(containerId); // the file is opened for each line anyway
      return {};
    },
  };
}
