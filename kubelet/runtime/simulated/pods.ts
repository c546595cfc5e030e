/**
 * Pods of the simulated runtime: the calls on sandboxes.
 */
import type { Clock } from "../../../machinery/process/clock.ts";
import type { RuntimeService } from "../../cri/contract.ts";
import { CriError } from "../../cri/errors.ts";
import type { PodSandboxConfig } from "../../cri/messages.ts";
import type { Addresses } from "./addresses.ts";
import { sandboxAnswer, sandboxStatusAnswer, selects } from "./state.ts";
import type { World } from "./world.ts";

type PodCalls = Pick<
  RuntimeService,
  "runPodSandbox" | "stopPodSandbox" | "removePodSandbox" | "podSandboxStatus" | "listPodSandbox"
>;

export function podCalls(clock: Clock, world: World, addresses: Addresses): PodCalls {
  return {
    async runPodSandbox({ config }) {
      refuseTwin(config, world);
      const onHost = config.linux?.securityContext?.namespaceOptions?.network === "NODE";
      const ip = onHost ? "" : addresses.take();
      const id = world.newId();
      world.addSandbox({ id, config, createdAt: clock.now(), ip, ready: true, containers: new Set() });
      return { podSandboxId: id };
    },
    async stopPodSandbox({ podSandboxId }) {
      const sandbox = world.sandboxes.get(podSandboxId);
      if (sandbox) world.stopSandbox(sandbox);
      return {};
    },
    async removePodSandbox({ podSandboxId }) {
      const sandbox = world.sandboxes.get(podSandboxId);
      if (sandbox) world.removeSandbox(sandbox);
      return {};
    },
    podSandboxStatus: async ({ podSandboxId }) => ({
      status: sandboxStatusAnswer(world.sandboxOf(podSandboxId)),
      info: {},
    }),
    async listPodSandbox({ filter = {} }) {
      const items = [...world.sandboxes.values()].map(sandboxAnswer);
      return {
        items: items.filter(
          ({ id, state, labels }) =>
            (filter.id ?? id) === id &&
            (filter.state?.state ?? state) === state &&
            selects(filter.labelSelector, labels),
        ),
      };
    },
  };
}

/** A kubelet that asks twice for the same sandbox has lost count: as containerd, refuse. */
function refuseTwin({ metadata }: PodSandboxConfig, world: World): void {
  for (const { id, config } of world.sandboxes.values()) {
    const { name, namespace, uid, attempt } = config.metadata;
    if (uid !== metadata.uid || attempt !== metadata.attempt || name !== metadata.name) continue;
    const label = `${name}_${namespace}_${uid}_${attempt}`;
    throw new CriError("Unknown", `failed to reserve sandbox name "${label}": name "${label}" is reserved for "${id}"`);
  }
}
