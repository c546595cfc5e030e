/** NodeResourcesFit: room for the Pod's requests; emptier nodes score higher (LeastAllocated). */
import type { FilterPlugin, ScorePlugin } from "../framework.ts";
import type { NodeInfo } from "../snapshot.ts";

const ALWAYS_COUNTED = "pods";

export const nodeResourcesFit: FilterPlugin = {
  name: "NodeResourcesFit",
  helpedBy: ["node-added", "node-room", "pod-gone"],
  preFilter({ requests }) {
    return (node) => {
      const reasons: string[] = [];
      if (node.pods.size + 1 > (node.allocatable.get(ALWAYS_COUNTED) ?? 0)) reasons.push("Too many pods");
      for (const [name, wanted] of requests) {
        if (wanted > 0 && wanted > free(node, name)) reasons.push(`Insufficient ${name}`);
      }
      return reasons;
    };
  },
};

/** A container that asks for nothing counts with a floor, so that such Pods are spread too. */
export const leastAllocated: ScorePlugin = {
  name: "NodeResourcesFit",
  weight: 1,
  preScore: (pod) => (node) => {
    const cpu = share(node.scoredCpu + pod.scoredCpu, node.allocatable.get("cpu"));
    const memory = share(node.scoredMemory + pod.scoredMemory, node.allocatable.get("memory"));
    return (100 * (1 - cpu + (1 - memory))) / 2;
  },
};

/** Prefers nodes whose CPU and memory fill up alike; a Pod that asks for neither changes nothing. */
export const balancedAllocation: ScorePlugin = {
  name: "NodeResourcesBalancedAllocation",
  weight: 1,
  preScore({ requests }) {
    if (!requests.get("cpu") && !requests.get("memory")) return undefined;
    const filled = (node: NodeInfo, name: string) =>
      share((node.requested.get(name) ?? 0) + (requests.get(name) ?? 0), node.allocatable.get(name));
    return (node) => 100 * (1 - Math.abs(filled(node, "cpu") - filled(node, "memory")) / 2);
  },
};

const free = (node: NodeInfo, name: string) => (node.allocatable.get(name) ?? 0) - (node.requested.get(name) ?? 0);

const share = (used: number, all = 0) => (all === 0 ? 1 : Math.min(used / all, 1));
