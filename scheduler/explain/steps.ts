/**
 * Steps: for a plugin that refuses a node, what would have to change so that it does not, in words and in effect. Pure.
 *
 * A step that can be tried out in thought says how the Pod or the node would look; one that cannot is only said.
 * Which steps are chosen: smallest-change.ts.
 */
import type { Pod, PodSpec, Taint } from "../../machinery/objects/kinds.ts";
import { tolerates } from "../plugins/taint-toleration.ts";
import type { PodInfo } from "../pod-info.ts";
import type { NodeInfo } from "../snapshot.ts";

export interface Step {
  readonly text: string;
  /** The larger, the less one likes to do it. */
  readonly cost: number;
  pod?(pod: Pod): Pod;
  info?(info: PodInfo): PodInfo;
  node?(node: NodeInfo): NodeInfo;
}

type Steps = (pod: PodInfo, node: NodeInfo, reasons: readonly string[]) => readonly Step[];

/** By the plugin's name; of another plugin only its reasons are said. */
export const stepsOf = (plugin: string): Steps => STEPS[plugin] ?? said(plugin);

const HARD = 20;

const said =
  (plugin: string): Steps =>
  (_, __, reasons) => [{ text: `${plugin}: ${reasons.join(", ")}`, cost: HARD }];

const withSpec = (pod: Pod, spec: Partial<PodSpec>): Pod => ({ ...pod, spec: { ...pod.spec, ...spec } as PodSpec });

const UNSCHEDULABLE = "node.kubernetes.io/unschedulable";

const STEPS: Readonly<Record<string, Steps>> = {
  NodeUnschedulable: (_, { name }) => [
    {
      text: `open the node again: kubectl uncordon ${name}`,
      cost: 1,
      node: (info) => {
        const { unschedulable: _, taints = [], ...spec } = info.node.spec ?? {};
        const left = taints.filter(({ key }) => key !== UNSCHEDULABLE);
        return { ...info, node: { ...info.node, spec: { ...spec, taints: left } } };
      },
    },
  ],

  TaintToleration: ({ pod }, { name, node }) =>
    (node.spec?.taints ?? [])
      .filter(({ effect }) => effect !== "PreferNoSchedule")
      .filter((taint) => !tolerates(pod.spec?.tolerations, taint))
      .filter(({ key }) => !(key === UNSCHEDULABLE && node.spec?.unschedulable))
      .map((taint) => tolerate(name, taint)),

  NodeAffinity: ({ pod }, { name, node }) => {
    const { labels = {} } = node.metadata;
    const wanted = Object.entries(pod.spec?.nodeSelector ?? {}).filter(([key, value]) => labels[key] !== value);
    const { affinity } = pod.spec ?? {};
    if (wanted.length === 0) {
      const { requiredDuringSchedulingIgnoredDuringExecution: _, ...rest } = affinity?.nodeAffinity ?? {};
      const text = `relax the required node affinity: ${name} does not match it`;
      return [{ text, cost: 2, pod: (one) => withSpec(one, { affinity: { ...affinity, nodeAffinity: rest } }) }];
    }
    return wanted.map(([key, value]) => ({
      text: `label the node (kubectl label node ${name} ${key}=${value}${key in labels ? " --overwrite" : ""}) or change nodeSelector: it has ${key in labels ? `${key}=${labels[key]}` : `no label ${key}`}`,
      cost: 1,
      node: (info) => {
        const { metadata } = info.node;
        const changed = { ...metadata, labels: { ...metadata.labels, [key]: value } };
        return { ...info, node: { ...info.node, metadata: changed } };
      },
    }));
  },

  NodePorts: ({ hostPorts }, node) => [
    {
      text: `use no host port that ${node.name} has given away: ${hostPorts
        .flatMap(({ port, protocol }) => {
          const holder = [...node.withPorts.values()].find((other) =>
            other.hostPorts.some((one) => one.port === port && one.protocol === protocol),
          );
          return holder ? [`${port}/${protocol} is ${holder.key}'s`] : [];
        })
        .join(", ")}`,
      cost: 2,
      info: (info) => ({ ...info, hostPorts: [] }),
    },
  ],

  NodeResourcesFit: ({ requests }, node) => {
    const steps: Step[] = [];
    const most = node.allocatable.get("pods") ?? 0;
    if (node.pods.size + 1 > most) {
      const allocatable = new Map(node.allocatable).set("pods", node.pods.size + 1);
      const text = `remove a Pod from ${node.name}: it holds ${node.pods.size} of ${most}`;
      steps.push({ text, cost: 2, node: (info) => ({ ...info, allocatable }) });
    }
    for (const [name, wanted] of requests) {
      const all = node.allocatable.get(name) ?? 0;
      const free = Math.max(0, all - (node.requested.get(name) ?? 0));
      if (wanted > 0 && wanted > free) steps.push(askLess(node.name, { name, wanted, free, all }));
    }
    return steps;
  },

  PodTopologySpread: ({ pod }, { name, node }, reasons) => {
    const constraints = pod.spec?.topologySpreadConstraints ?? [];
    const hard = constraints.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === "DoNotSchedule");
    const missing = hard.find(({ topologyKey }) => node.metadata.labels?.[topologyKey] === undefined);
    if (missing && reasons.some((one) => one.includes("missing required label")))
      return [{ text: `label ${name} with its ${missing.topologyKey}`, cost: HARD }];
    const keys = hard.map(({ topologyKey, maxSkew }) => `${topologyKey} (maxSkew ${maxSkew})`).join(", ");
    const topologySpreadConstraints = constraints.map((one) => ({ ...one, whenUnsatisfiable: "ScheduleAnyway" }));
    const text = `let Pods be spread less evenly over ${keys}: a larger maxSkew, or whenUnsatisfiable: ScheduleAnyway`;
    return [{ text, cost: 2, pod: (one) => withSpec(one, { topologySpreadConstraints }) }];
  },

  InterPodAffinity: ({ pod }, { name }, reasons) => {
    const { affinity } = pod.spec ?? {};
    if (reasons.some((one) => one.includes("existing pods")))
      return [{ text: `move the Pods away from ${name} (or its topology) that keep this one apart`, cost: HARD }];
    const side = reasons.some((one) => one.includes("anti-affinity")) ? "podAntiAffinity" : "podAffinity";
    const { requiredDuringSchedulingIgnoredDuringExecution: _, ...rest } = affinity?.[side] ?? {};
    const text =
      side === "podAffinity"
        ? "start a Pod that the required podAffinity looks for, or relax it"
        : "relax the required podAntiAffinity, or add a node without such a Pod";
    return [{ text, cost: 2, pod: (one) => withSpec(one, { affinity: { ...affinity, [side]: rest } }) }];
  },
};

/** What the node lifecycle puts on a node is not for Pods to tolerate. */
const OF_THE_NODE = /^node\.(kubernetes\.io|cloudprovider\.kubernetes\.io)\//;

function tolerate(node: string, { key, value, effect }: Taint): Step {
  const taint = `${key}${value ? `=${value}` : ""}:${effect}`;
  const own = OF_THE_NODE.test(key);
  return {
    text: own ? `wait until ${node} has lost its taint ${taint}` : `tolerate the taint ${taint}`,
    cost: own ? HARD / 2 : 1,
    pod: (pod) => {
      const toleration = { key, effect, ...(value ? { operator: "Equal", value } : { operator: "Exists" }) };
      return withSpec(pod, { tolerations: [...(pod.spec?.tolerations ?? []), toleration] });
    },
  };
}

interface Lack {
  readonly name: string;
  readonly wanted: number;
  readonly free: number;
  readonly all: number;
}

function askLess(node: string, { name, wanted, free, all }: Lack): Step {
  const show = (amount: number) => amountOf(name, amount);
  const text =
    all === 0
      ? `ask for no ${name}: ${node} has none`
      : free === 0
        ? `free ${show(wanted)} of ${name}: all ${show(all)} of ${node} are given away`
        : `lower the ${name} request from ${show(wanted)} to ${show(free)}, or free ${show(wanted - free)}: ${node} has ${show(free)} of ${show(all)} free`;
  return {
    text,
    cost: 1 + (4 * (wanted - free)) / wanted + (wanted > all ? 2 : 0),
    info: (info) => ({ ...info, requests: new Map(info.requests).set(name, free) }),
  };
}

/** "1500m", "512Mi": as one would write it. */
function amountOf(name: string, amount: number): string {
  if (name === "cpu") return amount % 1000 === 0 ? String(amount / 1000) : `${amount}m`;
  if (!/memory|storage|hugepages/.test(name)) return String(amount);
  const units = ["", "Ki", "Mi", "Gi", "Ti"];
  let [rest, at] = [amount, 0];
  while (rest >= 1024 && at < units.length - 1 && (rest % 1024 === 0 || rest >= 10_240))
    [rest, at] = [rest / 1024, at + 1];
  return `${Math.floor(rest)}${units[at]}`;
}

const ANYWHERE: readonly (readonly [RegExp, (...parts: readonly string[]) => string])[] = [
  [/^persistentvolumeclaim "(.+)" not found$/, (name) => `create the claim ${name}`],
  [/^pod has unbound immediate PersistentVolumeClaims$/, () => "have its claims bound: kubectl why pvc"],
  [/^persistentvolumeclaim "(.+)" is being deleted$/, (name) => `use another claim: ${name} is being deleted`],
];

/** For a refusal that holds whatever the node. */
export function stepAnywhere(plugin: string, reason: string): string {
  for (const [pattern, step] of ANYWHERE) {
    const found = pattern.exec(reason);
    if (found) return step(...found.slice(1));
  }
  return `${plugin}: ${reason}`;
}
