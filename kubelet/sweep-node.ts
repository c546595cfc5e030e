/**
 * sweep-node: takes away everything that containers and the Pod network left on this machine. Run by `down`.
 *
 * The processes must have stopped before. Images and the kubelet's directories stay: data is
 * removed by `down --purge` alone.
 */
import { defineComponent } from "../machinery/process/component.ts";
import { homePaths } from "../machinery/process/home.ts";
import { sweepNetwork } from "./network/sweep.ts";
import { sweepContainerd } from "./runtime/containerd/sweep.ts";

export const sweepNodeCommand = defineComponent({
  name: "sweep-node",
  command: true,
  summary: "Removes the containers, mounts, cgroups and networks of this machine's cluster (run by down).",
  flags: {},
  async run(_flags, { home, clock, log }) {
    const paths = homePaths(home);
    await sweepContainerd({ paths, clock, log });
    await sweepNetwork(paths);
  },
});
