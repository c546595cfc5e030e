/**
 * Plugins: all there are, and the default profile: which serve, in the order in which they are asked.
 *
 * The order is seen: the first plugin that refuses a node gives the reason.
 */
import type { Handle, Plugin, PluginArgs, PluginFactory } from "../framework.ts";
import { createProfile, DEFAULT_SCHEDULER, type Profile } from "../profile.ts";
import { type BalancedArgs, balancedAllocation } from "./balanced-allocation.ts";
import { defaultBinder } from "./default-binder.ts";
import { defaultPreemption } from "./default-preemption.ts";
import { dynamicResources } from "./dynamic-resources.ts";
import { imageLocality } from "./image-locality.ts";
import { type AffinityArgs, interPodAffinity } from "./inter-pod-affinity.ts";
import { type NodeAffinityArgs, nodeAffinity } from "./node-affinity.ts";
import { nodeName, nodeUnschedulable } from "./node-name.ts";
import { nodePorts } from "./node-ports.ts";
import { type FitArgs, nodeResourcesFit } from "./node-resources-fit.ts";
import { nodeVolumeLimits } from "./node-volume-limits.ts";
import type { SpreadArgs } from "./preferred-spread.ts";
import { prioritySort } from "./priority-sort.ts";
import { schedulingGates } from "./scheduling-gates.ts";
import { taintToleration } from "./taint-toleration.ts";
import { topologySpread } from "./topology-spread.ts";
import { volumeBinding } from "./volume-binding.ts";
import { volumeRestrictions } from "./volume-restrictions.ts";
import { volumeZone } from "./volume-zone.ts";

/** For plugins that take no arguments and remember nothing. */
const always =
  (plugin: Plugin): PluginFactory =>
  () =>
    plugin;

/** For plugins that take arguments, which the configuration has checked (configuration.ts), and remember nothing. */
const given =
  <A extends object>(make: (args: A) => Plugin): PluginFactory =>
  (args) =>
    make(args as A);

/** In the order of the default profile. */
export const PLUGINS: Readonly<Record<string, { readonly make: PluginFactory; readonly weight?: number }>> = {
  SchedulingGates: { make: always(schedulingGates) },
  PrioritySort: { make: always(prioritySort) },
  NodeUnschedulable: { make: always(nodeUnschedulable) },
  NodeName: { make: always(nodeName) },
  TaintToleration: { make: always(taintToleration), weight: 3 },
  NodeAffinity: { make: given<NodeAffinityArgs>(nodeAffinity), weight: 2 },
  NodePorts: { make: always(nodePorts) },
  NodeResourcesFit: { make: given<FitArgs>(nodeResourcesFit), weight: 1 },
  VolumeRestrictions: { make: always(volumeRestrictions) },
  NodeVolumeLimits: { make: always(nodeVolumeLimits) },
  VolumeBinding: { make: volumeBinding },
  VolumeZone: { make: always(volumeZone) },
  PodTopologySpread: { make: given<SpreadArgs>(topologySpread), weight: 2 },
  InterPodAffinity: { make: given<AffinityArgs>(interPodAffinity), weight: 2 },
  DynamicResources: { make: always(dynamicResources) },
  DefaultPreemption: { make: defaultPreemption as PluginFactory },
  NodeResourcesBalancedAllocation: { make: given<BalancedArgs>(balancedAllocation), weight: 1 },
  ImageLocality: { make: always(imageLocality), weight: 1 },
  DefaultBinder: { make: defaultBinder },
};

const NO_ARGS: PluginArgs = {};

/** All plugins with their default arguments and weights. */
export function defaultProfile(handle: Handle, schedulerName = DEFAULT_SCHEDULER): Profile {
  const enabled = Object.values(PLUGINS).map(({ make, weight = 1 }) => ({ plugin: make(NO_ARGS, handle), weight }));
  return createProfile(schedulerName, enabled);
}
