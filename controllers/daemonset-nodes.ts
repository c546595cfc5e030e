/**
 * Nodes of a DaemonSet: on which it runs, and how a Pod is made for one of them. Pure.
 *
 * The scheduler places daemon Pods like any others; each requires the one node that it was made for. They tolerate
 * what is wrong with a node for a while, so that they are there when it recovers.
 * https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/#taints-and-tolerations
 */
import {
  type DaemonSet,
  kinds,
  type Node,
  type Pod,
  type PodTemplateSpec,
  type Toleration,
} from "../machinery/objects/kinds.ts";
import { matchesNodeSelector } from "../machinery/objects/node-selector.ts";
import { tolerates } from "../machinery/objects/tolerations.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { sameJson } from "./canonical-json.ts";
import { REVISION_LABEL } from "./controller-revision.ts";
import { podFromTemplate } from "./pod-from-template.ts";

/** Whether Pods are made for the node, and whether one that runs there already may stay. */
export interface Fit {
  readonly run: boolean;
  readonly stay: boolean;
}

const UNFIT: Fit = { run: false, stay: false };

/** How the set fits nodes; computed once for many nodes. */
export function fitter({ spec }: DaemonSet): (node: Node) => Fit {
  const pod = spec?.template.spec;
  const tolerations = withDaemonTolerations(pod?.tolerations, pod?.hostNetwork);
  const labels = Object.entries(pod?.nodeSelector ?? {});
  const required = pod?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return (node) => {
    if (pod?.nodeName && pod.nodeName !== node.metadata.name) return UNFIT;
    if (!labels.every(([key, value]) => node.metadata.labels?.[key] === value)) return UNFIT;
    if (required && !matchesNodeSelector(required, node)) return UNFIT;
    const untolerated = (node.spec?.taints ?? []).filter((taint) => !tolerations.some((one) => tolerates(one, taint)));
    const has = (wanted: string) => untolerated.some(({ effect }) => effect === wanted);
    return { run: !has("NoSchedule") && !has("NoExecute"), stay: !has("NoExecute") };
  };
}

/** Whether a change of the node may change where Pods run; reports of its state do not. */
export function matters(node: Node, old: Node | undefined): boolean {
  return (
    !old ||
    !sameJson(node.spec?.taints, old.spec?.taints) ||
    !sameJson(node.metadata.labels, old.metadata.labels) ||
    node.metadata.uid !== old.metadata.uid
  );
}

const tolerated = (key: string, effect: string): Toleration => ({ key, operator: "Exists", effect });

const TOLERATIONS: readonly Toleration[] = [
  tolerated("node.kubernetes.io/not-ready", "NoExecute"),
  tolerated("node.kubernetes.io/unreachable", "NoExecute"),
  tolerated("node.kubernetes.io/disk-pressure", "NoSchedule"),
  tolerated("node.kubernetes.io/memory-pressure", "NoSchedule"),
  tolerated("node.kubernetes.io/pid-pressure", "NoSchedule"),
  tolerated("node.kubernetes.io/unschedulable", "NoSchedule"),
];
const HOST_NETWORK = tolerated("node.kubernetes.io/network-unavailable", "NoSchedule");

function withDaemonTolerations(own: readonly Toleration[] = [], hostNetwork: boolean | undefined): Toleration[] {
  const added = hostNetwork ? [...TOLERATIONS, HOST_NETWORK] : TOLERATIONS;
  const same = (a: Toleration, b: Toleration) =>
    a.key === b.key && a.effect === b.effect && a.operator === b.operator && (a.value ?? "") === (b.value ?? "");
  return [...own.filter((one) => !added.some((other) => same(one, other))), ...added];
}

const TEMPLATE_GENERATION = "deprecated.daemonset.template.generation";
const GENERATION_LABEL = "pod-template-generation";

/** Drafts of the set's Pods by node and name; what they share is made once. */
export function drafter(set: DaemonSet, hash: string): (node: string, name: string) => Draft<Pod> {
  const template = set.spec?.template ?? {};
  const generation = set.metadata.annotations?.[TEMPLATE_GENERATION];
  const { metadata, spec } = podFromTemplate(template, set, kinds.daemonsets);
  const labels = {
    ...metadata.labels,
    ...(generation && /^-?\d+$/.test(generation) ? { [GENERATION_LABEL]: generation } : {}),
    [REVISION_LABEL]: hash,
  };
  const tolerations = withDaemonTolerations(spec?.tolerations, spec?.hostNetwork);
  return (node, name) => ({
    metadata: { ...metadata, name, labels },
    spec: { containers: [], ...spec, tolerations, affinity: onlyOn(node, spec?.affinity) },
  });
}

export const podPrefix = ({ metadata }: DaemonSet): string => `${metadata.name}-`;

type Affinity = NonNullable<NonNullable<PodTemplateSpec["spec"]>["affinity"]>;

function onlyOn(node: string, affinity: Affinity | undefined): Affinity {
  const terms = [{ matchFields: [{ key: "metadata.name", operator: "In", values: [node] }] }];
  const nodeAffinity = {
    ...affinity?.nodeAffinity,
    requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms },
  };
  return { ...affinity, nodeAffinity };
}

/** The node that a Pod runs on, or was made for; undefined where it says neither. */
export function nodeOf({ spec }: Pod): string | undefined {
  if (spec?.nodeName) return spec.nodeName;
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const fields = required?.nodeSelectorTerms.flatMap(({ matchFields = [] }) => matchFields) ?? [];
  const named = fields.find(({ key, operator }) => key === "metadata.name" && operator === "In");
  return named?.values?.length === 1 ? named.values[0] : undefined;
}
