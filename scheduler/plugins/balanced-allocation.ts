/**
 * NodeResourcesBalancedAllocation: prefers nodes whose resources fill up alike.
 *
 * A Pod that asks for none of them changes nothing, and is not asked about.
 */
import type { Plugin } from "../framework.ts";
import type { PodInfo } from "../pod-info.ts";
import type { NodeInfo } from "../snapshot.ts";
import { CPU_AND_MEMORY, type WeightedResource } from "./node-resources-fit.ts";

export interface BalancedArgs {
  readonly resources?: readonly WeightedResource[];
}

export const balancedAllocation = ({ resources = CPU_AND_MEMORY }: BalancedArgs): Plugin => ({
  name: "NodeResourcesBalancedAllocation",
  preScore(pod) {
    if (!resources.some(({ name }) => pod.requests.get(name))) return undefined;
    return { local: true, score: (node) => balance(node, pod, resources) };
  },
});

/** 100 where all are filled alike: less by how far the shares are from each other. */
function balance(node: NodeInfo, pod: PodInfo, resources: readonly WeightedResource[]): number {
  const shares: number[] = [];
  for (const { name } of resources) {
    const all = node.allocatable.get(name) ?? 0;
    if (all === 0) continue;
    shares.push(Math.min(((node.requested.get(name) ?? 0) + (pod.requests.get(name) ?? 0)) / all, 1));
  }
  return 100 * (1 - deviation(shares));
}

function deviation(shares: readonly number[]): number {
  if (shares.length < 2) return 0;
  if (shares.length === 2) return Math.abs((shares[0] as number) - (shares[1] as number)) / 2;
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  return Math.sqrt(shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / shares.length);
}
