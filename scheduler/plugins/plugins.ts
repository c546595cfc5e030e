/** Plugins: the default profile, in the order in which plugins are asked. */
import type { FilterPlugin, ScorePlugin } from "../framework.ts";
import { nodeAffinity, preferredNodeAffinity } from "./node-affinity.ts";
import { nodeName, nodeUnschedulable } from "./node-name.ts";
import { nodePorts } from "./node-ports.ts";
import { balancedAllocation, leastAllocated, nodeResourcesFit } from "./node-resources-fit.ts";
import { spread } from "./spread.ts";
import { preferNoSchedule, taintToleration } from "./taint-toleration.ts";

export const filters: readonly FilterPlugin[] = [
  nodeUnschedulable,
  nodeName,
  taintToleration,
  nodeAffinity,
  nodePorts,
  nodeResourcesFit,
];

export const scorers: readonly ScorePlugin[] = [
  preferNoSchedule,
  preferredNodeAffinity,
  leastAllocated,
  balancedAllocation,
  spread,
];
