/**
 * Scheduler workloads: what the scheduler is measured with, after those of Kubernetes' own scheduler benchmark.
 *
 * `placed` Pods are on nodes already, `stuck` ones fit nowhere and stand in the queue; `measured` ones are placed
 * while the clock runs. The floor is what that benchmark promises to stay above.
 */
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, PodSpec } from "../../machinery/objects/kinds.ts";
import type { Draft } from "../../machinery/objects/wire.ts";

export interface Workload {
  readonly name: string;
  readonly nodes: number;
  readonly placed: number;
  readonly stuck: number;
  readonly measured: number;
  /** Pods a second of the field; absent where none is published. */
  readonly floor?: number;
  node(n: number): Draft<Node>;
  placedPod(n: number): Draft<Pod>;
  measuredPod(n: number): Draft<Pod>;
  /** The claim and the volume of each measured Pod. */
  readonly volumes?: boolean;
  /** A Service selects all measured Pods. */
  readonly service?: boolean;
  /** Every second a node, a Service and a Pod that fits nowhere come and go. */
  readonly churn?: boolean;
  /** Five times a second a Pod comes that displaces others. */
  readonly intrudes?: boolean;
  /** Each measured Pod displaces others. */
  readonly preempts?: boolean;
}

export const NAMESPACE = "bench";
export const HIGH = "bench-high";
export const HIGH_PRIORITY = 1000;
const ZONE = "topology.kubernetes.io/zone";
const HOSTNAME = "kubernetes.io/hostname";

type Shape = Partial<PodSpec> & { readonly labels?: Record<string, string> };

export const MEASURED = "m";
export const PLACED = "p";
export const STUCK = "s";

export function podNamed(name: string, { labels = {}, ...spec }: Shape, cpu = "100m", memory = "500Mi"): Draft<Pod> {
  const resources = { requests: { cpu, memory } };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: NAMESPACE, labels },
    spec: { containers: [{ name: "pause", image: "registry.k8s.io/pause:3.10.1", resources }], ...spec },
  };
}

export function nodeNamed(name: string, labels: Record<string, string> = {}, pods = "110"): Draft<Node> {
  const amounts = { cpu: "4", memory: "32Gi", pods };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { [HOSTNAME]: name, ...labels } },
    status: { capacity: amounts, allocatable: amounts, conditions: [READY] },
  };
}

const READY = { type: "Ready", status: "True", reason: "KubeletReady" };

/** Must displace three of the four that fill a node. */
const displacing = (name: string): Draft<Pod> => podNamed(name, { priorityClassName: HIGH }, "3000m");
const displaced = (name: string): Draft<Pod> => podNamed(name, { terminationGracePeriodSeconds: 0 }, "900m");
export const intruder = (n: number): Draft<Pod> => displacing(`high${n}`);

/** Fits nowhere. */
export const stuckPod = (n: number): Draft<Pod> => podNamed(`${STUCK}${n}`, {}, "9");

export function volumesOf(n: number): {
  readonly claim: Draft<PersistentVolumeClaim>;
  readonly volume: Draft<PersistentVolume>;
} {
  const common = { accessModes: ["ReadWriteOnce"], storageClassName: "" };
  return {
    claim: {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: `c${n}`, namespace: NAMESPACE, annotations: { "pv.kubernetes.io/bind-completed": "true" } },
      spec: { ...common, resources: { requests: { storage: "1Gi" } }, volumeName: `v${n}` },
    },
    volume: {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name: `v${n}` },
      spec: {
        ...common,
        capacity: { storage: "1Gi" },
        hostPath: { path: "/data" },
        claimRef: { name: `c${n}`, namespace: NAMESPACE },
      },
    },
  };
}

const labelled = (color: string) => ({ matchLabels: { color } });
const near = (color: string, topologyKey: string): Shape => ({
  labels: { color },
  affinity: {
    podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector: labelled(color), topologyKey }] },
  },
});
const apart: Shape = {
  labels: { color: "green" },
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector: labelled("green"), topologyKey: HOSTNAME }],
    },
  },
};
const preferring: Shape = {
  labels: { color: "red" },
  affinity: {
    podAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 1, podAffinityTerm: { labelSelector: labelled("red"), topologyKey: HOSTNAME } },
      ],
    },
  },
};
const spread: Shape = {
  labels: { color: "blue" },
  topologySpreadConstraints: [
    { maxSkew: 5, topologyKey: ZONE, whenUnsatisfiable: "DoNotSchedule", labelSelector: labelled("blue") },
  ],
};
const onOneNode: Shape = {
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: ["n0"] }] }],
      },
    },
  },
};
const secret: Shape = { volumes: [{ name: "secret", secret: { secretName: "bench" } }] };

const plain = {
  placed: 1_000,
  stuck: 0,
  node: (n: number) => nodeNamed(`n${n}`),
  placedPod: (n: number) => podNamed(`${PLACED}${n}`, {}),
  measuredPod: (n: number) => podNamed(`${MEASURED}${n}`, {}),
};
const alike = (shape: Shape) => ({
  placedPod: (n: number) => podNamed(`${PLACED}${n}`, shape),
  measuredPod: (n: number) => podNamed(`${MEASURED}${n}`, shape),
});
const zoned = { node: (n: number) => nodeNamed(`n${n}`, { [ZONE]: `moon-${n % 3}` }) };

export const WORKLOADS: readonly Workload[] = [
  { ...plain, name: "basic", nodes: 5_000, measured: 10_000, floor: 680 },
  { ...plain, name: "churn", nodes: 5_000, measured: 10_000, floor: 710, churn: true },
  {
    ...plain,
    name: "daemonset",
    nodes: 15_000,
    placed: 0,
    measured: 30_000,
    floor: 1_100,
    node: (n) => nodeNamed(`n${n}`, {}, n === 0 ? "90000" : "110"),
    measuredPod: (n) => podNamed(`${MEASURED}${n}`, onOneNode, "0", "0"),
  },
  {
    ...plain,
    ...zoned,
    name: "topology-spread",
    nodes: 5_000,
    placed: 5_000,
    measured: 5_000,
    floor: 460,
    measuredPod: (n) => podNamed(`${MEASURED}${n}`, spread),
  },
  {
    ...plain,
    ...zoned,
    ...alike({ labels: { app: "bench" } }),
    name: "default-spread",
    nodes: 5_000,
    measured: 10_000,
    floor: 160,
    service: true,
  },
  {
    ...plain,
    ...alike(near("blue", ZONE)),
    name: "affinity",
    nodes: 5_000,
    placed: 5_000,
    measured: 5_000,
    floor: 133,
    node: (n) => nodeNamed(`n${n}`, { [ZONE]: "zone1" }),
  },
  { ...plain, ...alike(apart), name: "anti-affinity", nodes: 5_000, measured: 2_000, floor: 431 },
  {
    ...plain,
    ...alike(preferring),
    name: "preferred-affinity",
    nodes: 5_000,
    placed: 5_000,
    measured: 5_000,
    floor: 301,
  },
  {
    ...plain,
    name: "preemption",
    nodes: 5_000,
    placed: 20_000,
    measured: 5_000,
    floor: 570,
    intrudes: true,
    placedPod: (n) => displaced(`${PLACED}${n}`),
  },
  // the field's own does not get to an end at this size, and has no floor
  {
    ...plain,
    name: "preemption-of-all",
    nodes: 5_000,
    placed: 20_000,
    measured: 5_000,
    preempts: true,
    placedPod: (n) => displaced(`${PLACED}${n}`),
    measuredPod: (n) => displacing(`${MEASURED}${n}`),
  },
  { ...plain, name: "unschedulable", nodes: 5_000, placed: 0, stuck: 20_000, measured: 10_000, floor: 590 },
  { ...plain, name: "secrets", nodes: 5_000, measured: 5_000, measuredPod: (n) => podNamed(`${MEASURED}${n}`, secret) },
  {
    ...plain,
    name: "volumes",
    nodes: 5_000,
    measured: 5_000,
    volumes: true,
    measuredPod: (n) =>
      podNamed(`${MEASURED}${n}`, { volumes: [{ name: "data", persistentVolumeClaim: { claimName: `c${n}` } }] }),
  },
];

/** A tenth of everything, for a quick look; nodes that must be there stay. */
export const scaled = (workload: Workload, share: number): Workload => ({
  ...workload,
  nodes: Math.ceil(workload.nodes * share),
  placed: Math.ceil(workload.placed * share),
  stuck: Math.ceil(workload.stuck * share),
  measured: Math.ceil(workload.measured * share),
});
