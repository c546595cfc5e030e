/**
 * sweep-node: takes away everything that containers and the Pod network left on this machine. Run by `down`.
 *
 * Of a node that is a machine of its own only what machines share is left; of the computer that ran such
 * machines, the link between them. The processes must have stopped before. Images and the kubelet's directories stay: data is
 * removed by `down --purge` alone.
 */
import { defineComponent } from "../machinery/process/component.ts";
import { UsageError } from "../machinery/process/flags.ts";
import { homePaths } from "../machinery/process/home.ts";
import { sweepMachineBridge } from "./machine-bridge.ts";
import { sweepNetwork } from "./network/sweep.ts";
import { sweepContainerd } from "./runtime/containerd/sweep.ts";

export const sweepNodeCommand = defineComponent({
  name: "sweep-node",
  command: true,
  summary: "Removes the containers, mounts, cgroups and networks of this machine's cluster (run by down).",
  flags: {
    of: {
      type: "string",
      default: "node",
      value: "KIND",
      help: "node, machine (its network is gone) or machines (their link)",
    },
  },
  async run({ of }, { home, clock, log }) {
    const paths = homePaths(home);
    const kinds: Readonly<Record<string, () => Promise<void>>> = {
      async node() {
        await sweepContainerd({ paths, clock, log });
        await sweepNetwork(paths);
      },
      machine: () => sweepContainerd({ paths, clock, log }),
      machines: sweepMachineBridge,
    };
    const sweep = kinds[of];
    if (!sweep) throw new UsageError(`--of is one of ${Object.keys(kinds).join(", ")}, not "${of}"`);
    await sweep();
  },
});
