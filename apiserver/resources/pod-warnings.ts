/**
 * Warnings about Pods and templates: nothing wrong enough to refuse, but surely not meant.
 *
 * Said to who creates a Pod, and to who changes a template. What containers are warned of is in
 * container-warnings.ts. Wording: pkg/api/pod/warnings.go.
 */

import type * as models from "@kubernetes/client-node";
import type { NodeSelectorTerm, PodSpec, PodTemplateSpec } from "../../machinery/objects/kinds.ts";
import { dns1123Label } from "../../machinery/objects/names.ts";
import { ownValue } from "../../machinery/objects/own-value.ts";
import type { ObjectMeta, Wire } from "../../machinery/objects/wire.ts";
import { containerWarnings, portWarnings } from "./container-warnings.ts";
import { type At, child, entry, item } from "./path.ts";
import { type Annotations, SECCOMP_POD } from "./pod-annotations.ts";
import { volumeWarnings } from "./volume-warnings.ts";
import { fractional, SECCOMP_GONE, type Warn } from "./warn.ts";

/** What warnings look at: a Pod's or a template's. */
interface Subject {
  readonly metadata?: Pick<ObjectMeta, "annotations">;
  readonly spec?: PodSpec;
}

/** A Pod's name is its host's name. */
export function podNameWarning(name: string): string[] {
  const wrong = dns1123Label(name);
  if (wrong.length === 0) return [];
  return [
    `metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [${wrong.join(" ")}]`,
  ];
}

export function templateWarnings(template: PodTemplateSpec | undefined, path: At): string[] {
  return template ? podWarnings(template as Subject, path) : [];
}

/** `path` is the template's, or empty for a Pod of its own. */
export function podWarnings({ metadata, spec }: Subject, path: At): string[] {
  if (!spec) return [];
  const found: string[] = [];
  const warn: Warn = (at, text) => found.push(`${at}: ${text}`);
  const annotations = metadata?.annotations;
  const at = child(path, "spec");
  nodeLabels(spec, at, warn);
  if (annotations) oldAnnotations(annotations, child(child(path, "metadata"), "annotations"), warn);
  if (spec.volumes) volumeWarnings(spec.volumes, child(at, "volumes"), warn);
  names(spec, at, warn);
  for (const name of ["memory", "ephemeral-storage"]) {
    fractional(spec.overhead?.[name], entry(child(at, "overhead"), name), warn);
  }
  if (annotations?.[SECCOMP_POD] !== undefined && !spec.securityContext?.seccompProfile) {
    warn(entry(child(child(path, "metadata"), "annotations"), SECCOMP_POD), SECCOMP_GONE);
  }
  containerWarnings(spec, annotations, path, warn);
  portWarnings(spec, at, warn);
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) {
    warn(
      child(at, "terminationGracePeriodSeconds"),
      "must be >= 0; negative values are invalid and will be treated as 1",
    );
  }
  if (spec.affinity) affinity(spec.affinity, child(at, "affinity"), warn);
  return found;
}

/** Labels of nodes that have other names now. */
const OLD_LABELS: Readonly<Record<string, string>> = {
  "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
  "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
};
const HARD = "requiredDuringSchedulingIgnoredDuringExecution";
const SOFT = "preferredDuringSchedulingIgnoredDuringExecution";

function nodeLabels(spec: PodSpec, path: At, warn: Warn): void {
  for (const key in spec.nodeSelector) {
    const message = ownValue(OLD_LABELS, key);
    if (message) warn(entry(child(path, "nodeSelector"), key), message);
  }
  const wanted = spec.affinity?.nodeAffinity;
  if (wanted) {
    const at = child(child(path, "affinity"), "nodeAffinity");
    for (const [index, term] of (wanted[HARD]?.nodeSelectorTerms ?? []).entries()) {
      nodeTerm(term, item(child(child(at, HARD), "nodeSelectorTerms"), index), warn);
    }
    for (const [index, { preference }] of (wanted[SOFT] ?? []).entries()) {
      nodeTerm(preference, child(item(child(at, SOFT), index), "preference"), warn);
    }
  }
  for (const [index, { topologyKey, labelSelector }] of (spec.topologySpreadConstraints ?? []).entries()) {
    const at = item(child(path, "topologySpreadConstraints"), index);
    const message = OLD_LABELS[topologyKey];
    if (message) warn(child(at, "topologyKey"), `${topologyKey} is ${message}`);
    if (!labelSelector) warn(child(at, "labelSelector"), NO_SELECTOR);
  }
}

const NO_SELECTOR = "a null labelSelector results in matching no pod";

/** Of a node selector term, in a Pod or in a volume. */
export function nodeTerm(term: NodeSelectorTerm | undefined, path: At, warn: Warn): void {
  for (const [index, { key }] of (term?.matchExpressions ?? []).entries()) {
    const message = ownValue(OLD_LABELS, key);
    if (message) warn(child(item(child(path, "matchExpressions"), index), "key"), `${key} is ${message}`);
  }
}

const OLD_ANNOTATIONS: Readonly<Record<string, string>> = {
  "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
  "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
  "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
};

function oldAnnotations(annotations: Annotations, path: At, warn: Warn): void {
  for (const key in OLD_ANNOTATIONS) {
    if (Object.hasOwn(annotations, key)) warn(entry(path, key), OLD_ANNOTATIONS[key]!);
  }
}

/** What is there twice, or nothing. */
function names({ hostAliases = [], imagePullSecrets = [] }: PodSpec, path: At, warn: Warn): void {
  const addresses = new Set<string>();
  for (const [index, { ip }] of hostAliases.entries()) {
    if (addresses.has(ip)) warn(child(item(child(path, "hostAliases"), index), "ip"), `duplicate ip "${ip}"`);
    addresses.add(ip);
  }
  const secrets = new Set<string>();
  for (const [index, { name = "" }] of imagePullSecrets.entries()) {
    const at = child(item(child(path, "imagePullSecrets"), index), "name");
    if (secrets.has(name)) warn(at, `duplicate name "${name}"`);
    secrets.add(name);
  }
  for (const [index, { name }] of imagePullSecrets.entries()) {
    if (!name) warn(child(item(child(path, "imagePullSecrets"), index), "name"), 'invalid empty name ""');
  }
}

function affinity(wanted: Wire<models.V1Affinity>, path: At, warn: Warn): void {
  for (const name of ["podAffinity", "podAntiAffinity"] as const) {
    const one = wanted[name];
    for (const [index, { labelSelector }] of (one?.[HARD] ?? []).entries()) {
      if (!labelSelector) warn(child(item(child(child(path, name), HARD), index), "labelSelector"), NO_SELECTOR);
    }
    for (const [index, { podAffinityTerm }] of (one?.[SOFT] ?? []).entries()) {
      const at = item(child(child(path, name), SOFT), index);
      if (!podAffinityTerm?.labelSelector) warn(child(child(at, "podAffinityTerm"), "labelSelector"), NO_SELECTOR);
    }
  }
}
