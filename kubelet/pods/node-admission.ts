/**
 * Node admission: what this node refuses to run, in Kubernetes' words. Pure.
 *
 * The scheduler has judged before; this is for Pods that were bound without it, or by what was true
 * a moment ago. A Pod that was admitted once is never judged again. What a Pod may be refused for by
 * the machine itself (sysctls, AppArmor): machine-admission.ts. Who asks: allocations.ts.
 */
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { matchesNodeSelector } from "../../machinery/objects/node-selector.ts";
import { podAmounts } from "../../machinery/objects/pod-resources.ts";
import { milliValue, type Quantity, unitValue } from "../../machinery/objects/quantity.ts";
import { tolerates } from "../../machinery/objects/tolerations.ts";
import type { Refusal } from "../refusals.ts";
import { isStatic } from "../static-pods/marks.ts";
import { initContainers, isSidecar, regularContainers } from "./pod-spec.ts";

/** What one Pod takes of a node, in the units in which that is counted. */
export interface Taken {
  readonly amounts: ReadonlyMap<string, number>;
  readonly ports: readonly HostPort[];
}

interface HostPort {
  readonly address: string;
  readonly protocol: string;
  readonly port: number;
}

const COUNTED_FIRST: readonly string[] = ["pods", "cpu", "memory", "ephemeral-storage"];
const ANY_ADDRESS = "0.0.0.0";
const NANO = 1_000_000_000n;
const MILLI = 1_000_000n;

/** `pod` with what it has been granted. */
export function takenBy(pod: Pod): Taken {
  const asked = Object.entries(podAmounts(pod.spec ?? { containers: [] }, "requests"));
  const amounts = new Map([["pods", 1], ...asked.map(([name, amount]) => [name, counted(name, amount)] as const)]);
  return { amounts, ports: hostPorts(pod) };
}

/** CPU in millicores, everything else in units; rounded up. */
function counted(name: string, { nanos }: Quantity): number {
  const unit = name === "cpu" ? MILLI : NANO;
  return Number((nanos + unit - 1n) / unit);
}

function hostPorts(pod: Pod): readonly HostPort[] {
  return [...initContainers(pod).filter(isSidecar), ...regularContainers(pod)].flatMap(({ ports = [] }) =>
    ports
      .filter(({ hostPort }) => hostPort)
      .map(({ hostIP, protocol = "TCP", hostPort = 0 }) => ({
        address: hostIP || ANY_ADDRESS,
        protocol,
        port: hostPort,
      })),
  );
}

/** The first reason for which the node does not take the Pod; undefined when it does. */
export function refusal(pod: Pod, others: readonly Taken[], node: Node): Refusal | undefined {
  return otherSystem(pod) ?? unsupported(pod, node) ?? shortage(pod, others, node) ?? mismatch(pod, others, node);
}

function otherSystem({ spec, metadata }: Pod): Refusal | undefined {
  const label = metadata.labels?.["kubernetes.io/os"];
  if (label !== undefined && label !== "linux") {
    return {
      reason: "PodOSSelectorNodeLabelDoesNotMatch",
      message: "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
    };
  }
  if (!spec?.os || spec.os.name === "linux") return undefined;
  return { reason: "PodOSNotSupported", message: "Failed to admit pod as the OS field doesn't match node OS" };
}

function unsupported({ spec }: Pod, { status }: Node): Refusal | undefined {
  const strict = spec?.securityContext?.supplementalGroupsPolicy === "Strict";
  if (!strict || status?.features?.supplementalGroupsPolicy) return undefined;
  return {
    reason: "SupplementalGroupsPolicyNotSupported",
    message: "SupplementalGroupsPolicy=Strict is not supported in this node",
  };
}

/** Of one resource: what the Pod asks for, what others have, and what there is. */
export interface Shortage {
  readonly name: string;
  readonly requested: number;
  readonly used: number;
  readonly capacity: number;
}

/** Of what this node has too little; what it does not have at all is not its to count. */
export function shortages(pod: Pod, others: readonly Taken[], node: Node): readonly Shortage[] {
  const allocatable = node.status?.allocatable ?? {};
  const wanted = takenBy(pod).amounts;
  const order = [...COUNTED_FIRST, ...[...wanted.keys()].filter((name) => !COUNTED_FIRST.includes(name))];
  return order
    .filter((name) => allocatable[name] !== undefined)
    .map((name) => ({
      name,
      requested: wanted.get(name) ?? 0,
      used: others.reduce((sum, { amounts }) => sum + (amounts.get(name) ?? 0), 0),
      capacity: name === "cpu" ? milliValue(allocatable[name]) : unitValue(allocatable[name]),
    }))
    .filter(({ requested, used, capacity }) => requested > 0 && requested + used > capacity);
}

function shortage(pod: Pod, others: readonly Taken[], node: Node): Refusal | undefined {
  const [first] = shortages(pod, others, node);
  if (!first) return undefined;
  const { name, requested, used, capacity } = first;
  const message = `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`;
  return { reason: `OutOf${name}`, message };
}

function mismatch(pod: Pod, others: readonly Taken[], node: Node): Refusal | undefined {
  if (!wantsNode(pod, node)) return failed("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");
  if (pod.spec?.nodeName && pod.spec.nodeName !== node.metadata.name) {
    return failed("NodeName", "node(s) didn't match the requested node name");
  }
  const ports = hostPorts(pod);
  if (others.some((other) => other.ports.some((one) => ports.some((mine) => clash(one, mine))))) {
    return failed("NodePorts", "node(s) didn't have free ports for the requested pod ports");
  }
  if (isStatic(pod)) return undefined; // the node's own tolerate everything
  const untolerated = (node.spec?.taints ?? []).some(
    (taint) => taint.effect === "NoExecute" && !(pod.spec?.tolerations ?? []).some((one) => tolerates(one, taint)),
  );
  return untolerated ? failed("TaintToleration", "node(s) had untolerated taint(s)") : undefined;
}

function failed(predicate: string, description: string): Refusal {
  return { reason: predicate, message: `Predicate ${predicate} failed: ${description}` };
}

function wantsNode({ spec }: Pod, node: Node): boolean {
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const { labels = {} } = node.metadata;
  const selected = Object.entries(spec?.nodeSelector ?? {}).every(([key, value]) => labels[key] === value);
  return selected && (!required || matchesNodeSelector(required, node));
}

function clash(a: HostPort, b: HostPort): boolean {
  if (a.port !== b.port || a.protocol !== b.protocol) return false;
  return a.address === b.address || a.address === ANY_ADDRESS || b.address === ANY_ADDRESS;
}

/** What keeps a resize waiting: for good (Infeasible), or until others leave (Deferred). */
export function resizeRefusal(pod: Pod, others: readonly Taken[], node: Node): Refusal | undefined {
  const allocatable = node.status?.allocatable ?? {};
  const wanted = takenBy(pod).amounts;
  for (const name of ["memory", "cpu"] as const) {
    const requested = wanted.get(name) ?? 0;
    const capacity = name === "cpu" ? milliValue(allocatable[name]) : unitValue(allocatable[name]);
    if (requested <= capacity) continue;
    const message = `Node didn't have enough capacity: ${name}, requested: ${requested}, capacity: ${capacity}`;
    return { reason: "Infeasible", message };
  }
  const short = shortage(pod, others, node);
  return short && { reason: "Deferred", message: short.message };
}
