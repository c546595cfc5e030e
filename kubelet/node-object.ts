/**
 * Node object: what the kubelet says of its node, as the API wants it. Pure.
 *
 * The kubelet owns capacity, addresses, nodeInfo, its conditions and its own labels; labels, taints
 * and annotations of others are never touched after registration. Who writes it: node.ts.
 */
import { NODE_KEY } from "../machinery/join/cluster-facts.ts";
import type { Node, NodeCondition } from "../machinery/objects/kinds.ts";
import { DIRECTORY } from "../machinery/objects/local-volumes.ts";
import { formatQuantity, parseQuantity } from "../machinery/objects/quantity.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { wireTime } from "../machinery/process/clock.ts";
import type { PressureCondition } from "./eviction/thresholds.ts";
import { hugePagesBytes } from "./huge-pages.ts";
import type { MachineFacts } from "./node-facts.ts";
import type { Reservations } from "./reservations.ts";

export const KUBELET_VERSION = "v1.36.0";
export const NOT_READY_TAINT = "node.kubernetes.io/not-ready";

export interface NodeSettings {
  readonly name: string;
  readonly hostname: string;
  readonly addresses: readonly string[];
  /** Hash of the key that this node is. */
  readonly key?: string | undefined;
  readonly maxPods: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly { readonly key: string; readonly value?: string; readonly effect: string }[];
  readonly facts: MachineFacts;
  /** "containerd://1.6.20". */
  readonly runtimeVersion: string;
  /** What the runtime can do beyond the usual. */
  readonly runtime?: Pick<NonNullable<Node["status"]>, "runtimeHandlers" | "features">;
  /** Where local volumes lie. */
  readonly volumes: string;
  /** What of the capacity Pods do not get. */
  readonly reserved: Reservations;
}

export function nodeLabels({ hostname, facts, labels }: NodeSettings): Record<string, string> {
  return {
    "kubernetes.io/hostname": hostname,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": facts.architecture,
    "beta.kubernetes.io/os": "linux",
    "beta.kubernetes.io/arch": facts.architecture,
    ...labels,
  };
}

/** What this node tells those who make volumes on it, and by which key it is known. */
export const nodeAnnotations = ({ volumes, key }: NodeSettings): Record<string, string> => ({
  [DIRECTORY]: volumes,
  ...(key ? { [NODE_KEY]: key } : {}),
});

/** Another machine has this node's name: nothing that this one may wait for. */
export class NameTakenError extends Error {
  override readonly name = "NameTakenError";
}

/** Throws where the node that is there is another machine: a node is who its key says. */
export function checkKey(found: Node, { key }: Pick<NodeSettings, "key">): void {
  const other = found.metadata.annotations?.[NODE_KEY];
  if (other === undefined || key === undefined || other === key) return;
  const name = found.metadata.name;
  throw new NameTakenError(
    `node ${JSON.stringify(name)} is another machine: it has the key ${other.slice(0, 12)}…, this one ${key.slice(0, 12)}…. If this machine takes its place: kubectl delete node ${name}. Otherwise join under another name (--node-name).`,
  );
}

export function newNode(settings: NodeSettings): Draft<Node> {
  return {
    metadata: { name: settings.name, labels: nodeLabels(settings), annotations: nodeAnnotations(settings) },
    spec: {
      taints: [...settings.taints.map((taint) => ({ ...taint })), { key: NOT_READY_TAINT, effect: "NoSchedule" }],
    },
    status: { ...nodeFields(settings), conditions: [] },
  };
}

type Fields = Pick<
  NonNullable<Node["status"]>,
  "addresses" | "capacity" | "allocatable" | "nodeInfo" | "daemonEndpoints" | "runtimeHandlers" | "features"
>;

export function nodeFields({
  addresses,
  hostname,
  maxPods,
  facts,
  runtimeVersion,
  runtime,
  reserved,
}: NodeSettings): Fields {
  const milliCpu = Math.max(0, facts.cpus * 1000 - reserved.milliCpu);
  const resources = {
    cpu: String(facts.cpus),
    memory: `${Math.floor(facts.memoryBytes / 1024)}Ki`,
    "ephemeral-storage": `${Math.floor(facts.diskBytes / 1024)}Ki`,
    ...Object.fromEntries(Object.entries(facts.hugePages).map(([name, bytes]) => [name, inBytes(bytes)])),
    pods: String(maxPods),
  };
  return {
    addresses: [
      ...addresses.map((address) => ({ type: "InternalIP", address })),
      { type: "Hostname", address: hostname },
    ],
    capacity: resources,
    allocatable: {
      ...resources,
      cpu: milliCpu % 1000 === 0 ? String(milliCpu / 1000) : `${milliCpu}m`,
      memory: `${Math.max(0, Math.floor((facts.memoryBytes - reserved.memoryBytes - hugePagesBytes(facts.hugePages)) / 1024))}Ki`,
      "ephemeral-storage": String(Math.max(0, Math.floor(facts.diskBytes - reserved.diskBytes))),
    },
    nodeInfo: {
      machineID: facts.machineID,
      systemUUID: facts.systemUUID,
      bootID: facts.bootID,
      kernelVersion: facts.kernelVersion,
      osImage: facts.osImage,
      containerRuntimeVersion: runtimeVersion,
      kubeletVersion: KUBELET_VERSION,
      kubeProxyVersion: "",
      operatingSystem: "linux",
      architecture: facts.architecture,
    },
    ...runtime,
    daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
  };
}

const inBytes = (bytes: number): string => formatQuantity({ ...parseQuantity(bytes), format: "BinarySI" });

export interface Health {
  /** What the node is short of. */
  readonly pressure: ReadonlySet<PressureCondition>;
  /** Why the node cannot run Pods; empty when it can. */
  readonly notReady: readonly string[];
  /** The Pod network of this node stands. */
  readonly networkReady: boolean;
}

interface Verdict {
  readonly type: string;
  readonly bad: boolean;
  readonly good: readonly [reason: string, message: string];
  readonly ill: readonly [reason: string, message: string];
}

/** The conditions in Kubernetes' order; transition times move only with the status. */
export function nodeConditions(health: Health, old: readonly NodeCondition[], now: number): NodeCondition[] {
  const { pressure, notReady, networkReady } = health;
  const verdicts: readonly Verdict[] = [
    {
      type: "NetworkUnavailable",
      bad: !networkReady,
      good: ["PodNetworkReady", "the Pod network of this node stands"],
      ill: ["PodNetworkNotReady", "the Pod network of this node is not prepared yet"],
    },
    {
      type: "MemoryPressure",
      bad: pressure.has("MemoryPressure"),
      good: ["KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
      ill: ["KubeletHasInsufficientMemory", "kubelet has insufficient memory available"],
    },
    {
      type: "DiskPressure",
      bad: pressure.has("DiskPressure"),
      good: ["KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
      ill: ["KubeletHasDiskPressure", "kubelet has disk pressure"],
    },
    {
      type: "PIDPressure",
      bad: pressure.has("PIDPressure"),
      good: ["KubeletHasSufficientPID", "kubelet has sufficient PID available"],
      ill: ["KubeletHasInsufficientPID", "kubelet has insufficient PID available"],
    },
  ];
  const at = wireTime(now);
  const settle = (type: string, status: string, [reason, message]: readonly [string, string]): NodeCondition => {
    const before = old.find((condition) => condition.type === type);
    const same = before !== undefined && before.status === status;
    const since = same && before.lastTransitionTime ? before.lastTransitionTime : at;
    return { type, status, lastHeartbeatTime: at, lastTransitionTime: since, reason, message };
  };
  return [
    ...verdicts.map(({ type, bad, good, ill }) => settle(type, bad ? "True" : "False", bad ? ill : good)),
    notReady.length > 0
      ? settle("Ready", "False", ["KubeletNotReady", `[${notReady.join(", ")}]`.replace(/^\[([^,]*)\]$/, "$1")])
      : settle("Ready", "True", ["KubeletReady", "kubelet is posting ready status"]),
  ];
}
