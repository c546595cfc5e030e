/** Plugins: the default profile, in the order in which plugins are asked. */
import type { Plugins } from "../framework.ts";
import { dynamicResources } from "./dynamic-resources.ts";
import { imageLocality } from "./image-locality.ts";
import { interPodAffinity, preferredPodAffinity } from "./inter-pod-affinity.ts";
import { nodeAffinity, preferredNodeAffinity } from "./node-affinity.ts";
import { nodeName, nodeUnschedulable } from "./node-name.ts";
import { nodePorts } from "./node-ports.ts";
import { balancedAllocation, leastAllocated, nodeResourcesFit } from "./node-resources-fit.ts";
import { preferredSpread } from "./preferred-spread.ts";
import { preferNoSchedule, taintToleration } from "./taint-toleration.ts";
import { topologySpread } from "./topology-spread.ts";
import { volumeBinding } from "./volume-binding.ts";
import { volumeRestrictions } from "./volume-restrictions.ts";
import { volumeZone } from "./volume-zone.ts";

export const defaultPlugins: Plugins = {
  filters: [
    nodeUnschedulable,
    nodeName,
    taintToleration,
    nodeAffinity,
    nodePorts,
    nodeResourcesFit,
    volumeRestrictions,
    volumeBinding,
    volumeZone,
    topologySpread,
    interPodAffinity,
    dynamicResources,
  ],
  scorers: [
    preferNoSchedule,
    preferredNodeAffinity,
    leastAllocated,
    preferredSpread,
    preferredPodAffinity,
    balancedAllocation,
    imageLocality,
  ],
};
