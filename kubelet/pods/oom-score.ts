/**
 * OOM score: which containers the kernel kills first when the machine runs out of memory. Pure.
 *
 * The more of the node's memory a container requests, the later it goes; a sidecar never before the
 * containers that it serves.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#node-out-of-memory-behavior
 */
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import { unitValue } from "../../machinery/objects/quantity.ts";
import { initContainers, isSidecar, regularContainers } from "./pod-spec.ts";
import { qosClass } from "./qos.ts";

const GUARANTEED = -997;
const BEST_EFFORT = 1_000;
/** Pods from this priority on are the node's own. */
const NODE_CRITICAL_PRIORITY = 2_000_001_000;

export function oomScore(pod: Pod, container: Container, nodeMemory: number): number {
  if ((pod.spec?.priority ?? 0) >= NODE_CRITICAL_PRIORITY) return GUARANTEED;
  const qos = qosClass(pod);
  if (qos === "Guaranteed") return GUARANTEED;
  if (qos === "BestEffort") return BEST_EFFORT;

  const spare = sharedRequest(pod);
  const score = (memory: number) => 1000 - Math.floor((1000 * (memory + spare)) / Math.max(nodeMemory, 1));
  const own = score(requested(container));
  const smallest = Math.min(...regularContainers(pod).map(requested));
  const served = isSidecar(container) ? Math.min(own, score(smallest)) : own;
  return Math.min(Math.max(served, 1000 + GUARANTEED), BEST_EFFORT - 1);
}

const requested = ({ resources }: Container): number => unitValue(resources?.requests?.["memory"]);

/** What the Pod requests as a whole, beyond its containers, falls to each of them in equal parts. */
function sharedRequest(pod: Pod): number {
  const whole = pod.spec?.resources?.requests?.["memory"];
  if (whole === undefined) return 0;
  const containers = [...regularContainers(pod), ...initContainers(pod).filter(isSidecar)];
  const theirs = containers.reduce((sum, container) => sum + requested(container), 0);
  return Math.max(0, Math.floor((unitValue(whole) - theirs) / Math.max(containers.length, 1)));
}
