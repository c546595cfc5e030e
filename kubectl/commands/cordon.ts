/** kubectl cordon and kubectl uncordon: close nodes to new Pods, and open them again. */
import { type AnyCommand, defineCommand } from "../command.ts";
import { nodeFlags, nodesOf, setSchedulable } from "../nodes.ts";

export const cordon = defineCommand({
  usage: "cordon NODE [options]",
  summary: "Mark node as unschedulable.",
  examples: ["kubectl cordon foo"],
  flags: nodeFlags,
  async run(run) {
    const cluster = await run.cluster();
    await setSchedulable(run, cluster, await nodesOf(run, cluster), false);
  },
});

export const uncordon: AnyCommand = defineCommand({
  usage: "uncordon NODE [options]",
  summary: "Mark node as schedulable.",
  examples: ["kubectl uncordon foo"],
  flags: nodeFlags,
  async run(run) {
    const cluster = await run.cluster();
    await setSchedulable(run, cluster, await nodesOf(run, cluster), true);
  },
});
