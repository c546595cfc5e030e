/** Policies: how long a node takes to have its network policies in the kernel, in a large cluster. */
import { join } from "node:path";
import { canRunContainers } from "../harness/cluster.ts";
import type { Measurement } from "./bench.ts";
import { startChild } from "./child.ts";
import { percentile } from "./measured.ts";
import { atMost, type Section } from "./report.ts";

export const policies: Measurement = {
  name: "policies",
  summary: "time until network policies are in the kernel",
  unable: () => (canRunContainers ? undefined : "network namespaces need root"),
  async run({ quick }): Promise<readonly Section[]> {
    const node = startChild(join(import.meta.dirname, "policies-process.ts"), ["unshare", "--net"]);
    try {
      const [whole, changes]: [number[], number[]] = [[], []];
      await node.call("all"); // warm
      for (let round = 0; round < (quick ? 3 : 10); round++) whole.push(await node.call<number>("all"));
      for (let index = 0; index < (quick ? 20 : 100); index++)
        changes.push(await node.call<number>("one", 500 + index));
      const row = (what: string, times: readonly number[], most: number) => ({
        what,
        value: percentile(times, 0.5),
        unit: "ms",
        aim: atMost(most),
        note: `p99 ${percentile(times, 0.99).toFixed(1)} ms`,
      });
      return [
        {
          title: "network policies: 100 on a node with 110 Pods, in a cluster of 10,000",
          rows: [row("all, atomically", whole, 1_000), row("another Pod's label", changes, 50)],
        },
      ];
    } finally {
      await node.stop();
    }
  },
};
