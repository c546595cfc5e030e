/**
 * Simulated runtime: the runtime interface without containers, for laptops and for thousands of nodes.
 *
 * Everything happens on the injected clock and as behaviour.ts reads it from annotations; a waiting
 * container costs a record and at most two timers. The state lives as long as this object: a kubelet
 * may come and go. Nothing of it touches the machine, but for the log files.
 */
import type { Clock } from "../../../machinery/process/clock.ts";
import type { Runtime, RuntimeService } from "../../cri/contract.ts";
import { CriError } from "../../cri/errors.ts";
import { type Addresses, createAddresses } from "./addresses.ts";
import { containerCalls } from "./containers.ts";
import { createImageStore } from "./image-store.ts";
import { podCalls } from "./pods.ts";
import { simulatedStats } from "./stats.ts";
import { streamCalls } from "./streams.ts";
import { createWorld } from "./world.ts";

export interface SimulatedRuntimeOptions {
  readonly clock: Clock;
  /** Containers write their logs; without it they have none. */
  readonly logs?: boolean;
  /** Known from the start; else UpdateRuntimeConfig tells it. */
  readonly podCidr?: string;
}

export function createSimulatedRuntime(options: SimulatedRuntimeOptions): Runtime {
  const { clock, logs = true } = options;
  const addresses = createAddresses();
  if (options.podCidr) addresses.setRange(options.podCidr);
  const world = createWorld({ clock, addresses, logs });
  const closed = new AbortController();
  const { find, ...images } = createImageStore(clock);
  return {
    ...images,
    ...statusCalls(addresses),
    ...podCalls(clock, world, addresses),
    ...containerCalls(clock, world, find),
    ...simulatedStats(clock, world),
    ...streamCalls(clock, world, closed.signal),
    async close() {
      closed.abort(new CriError("Unavailable", "the runtime is closed"));
      world.freeze();
    },
  };
}

type StatusCalls = Pick<RuntimeService, "version" | "status" | "runtimeConfig" | "updateRuntimeConfig">;

function statusCalls(addresses: Addresses): StatusCalls {
  return {
    async version() {
      return { version: "0.1.0", runtimeName: "simulated", runtimeVersion: "1.0.0", runtimeApiVersion: "v1" };
    },
    async status() {
      const ready = addresses.range !== undefined;
      const network = ready
        ? { type: "NetworkReady", status: true, reason: "", message: "" }
        : {
            type: "NetworkReady",
            status: false,
            reason: "NetworkPluginNotReady",
            message: "the node has no podCIDR yet",
          };
      const conditions = [{ type: "RuntimeReady", status: true, reason: "", message: "" }, network];
      return { status: { conditions }, info: {}, runtimeHandlers: [{ name: "" }] };
    },
    runtimeConfig: async () => ({ linux: { cgroupDriver: "CGROUPFS" } }),
    async updateRuntimeConfig({ runtimeConfig }) {
      const { podCidr } = runtimeConfig.networkConfig;
      if (podCidr !== addresses.range) addresses.setRange(podCidr);
      return {};
    },
  };
}
