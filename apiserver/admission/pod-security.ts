/**
 * PodSecurity: Pods keep the standard that their namespace asks for.
 *
 * Enforced for Pods themselves; workloads that will make Pods are only warned about. A namespace that is to become
 * stricter is told which of its Pods break the new standard. A namespace without labels costs one look into the cache.
 * The standards are in pod-security/.
 */
import type { Namespace, Pod, PodSpec, PodTemplateSpec } from "../../machinery/objects/kinds.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices } from "./contract.ts";
import { containersOf, type Judged } from "./pod-security/contract.ts";
import { asksNothing, type Policy, policyOf, stricter } from "./pod-security/policy.ts";
import { detailsOf, reasonsOf, type Standard, standardText, violations } from "./pod-security/standards.ts";
import { refused } from "./refused.ts";

/** On the audit event of a Pod; nobody is exempt here. */
const ENFORCED = "pod-security.kubernetes.io/enforce-policy";
const VIOLATIONS = "pod-security.kubernetes.io/audit-violations";
/** Pods looked at when a namespace becomes stricter. */
const MOST_PODS = 3000;

interface Template {
  readonly template?: PodTemplateSpec;
  readonly spec?: { readonly template?: PodTemplateSpec; readonly jobTemplate?: { readonly spec?: Template["spec"] } };
}
const ofSpec = (object: KubeObject) => (object as Template).spec?.template;

/** Where each kind of workload keeps what its Pods will be. */
const templates: Readonly<Record<string, (object: KubeObject) => PodTemplateSpec | undefined>> = {
  "/podtemplates": (object) => (object as Template).template,
  "/replicationcontrollers": ofSpec,
  "apps/replicasets": ofSpec,
  "apps/deployments": ofSpec,
  "apps/statefulsets": ofSpec,
  "apps/daemonsets": ofSpec,
  "batch/jobs": ofSpec,
  "batch/cronjobs": (object) => (object as Template).spec?.jobTemplate?.spec?.template,
};

/** Subresources of Pods whose bodies are whole Pods. */
const POD_CHANGES: ReadonlySet<string> = new Set(["", "ephemeralcontainers", "resize"]);

export function podSecurity(): AdmissionPlugin {
  /** Namespaces are shared and frozen, so what a version of one asks for is worked out once. */
  const policies = new WeakMap<object, Policy>();
  const policyIn = ({ namespace }: AdmissionRequest, { objects }: AdmissionServices): Policy | undefined => {
    const found = objects.get("namespaces", "", namespace);
    if (!found) return undefined; // nothing is created in it: namespace-lifecycle.ts
    const known = policies.get(found);
    if (known) return known;
    const policy = policyOf(found.metadata.labels);
    policies.set(found, policy);
    return policy;
  };

  return {
    name: "PodSecurity",
    validate(request, services) {
      const { operation, row, subresource } = request;
      if (operation !== "CREATE" && operation !== "UPDATE") return;
      if (row.group === "" && row.plural === "namespaces") return judgeNamespace(request, services);
      const templateOf = templates[`${row.group}/${row.plural}`];
      const isPod = row.group === "" && row.plural === "pods" && POD_CHANGES.has(subresource);
      if (!isPod && (!templateOf || subresource !== "")) return;
      const policy = policyIn(request, services);
      if (!policy) return;
      if (isPod) request.annotate?.(ENFORCED, standardText(policy.enforce));
      if (asksNothing(policy)) return;
      if (isPod) judgePod(request, policy);
      else warnOf(request, policy, templateOf?.(request.object as KubeObject));
    },
  };
}

function judgePod(request: AdmissionRequest, policy: Policy): void {
  const { spec, metadata } = request.object as unknown as Pod;
  if (!spec || (request.operation === "UPDATE" && !isSignificant(request))) return;
  const found = violations(policy.enforce, { spec, metadata });
  note(request, policy.audit, { spec, metadata });
  if (found.length > 0)
    throw refused(request, `violates PodSecurity "${standardText(policy.enforce)}": ${detailsOf(found)}`);
  warn(request, policy.warn, { spec, metadata });
}

function warnOf(request: AdmissionRequest, policy: Policy, template: PodTemplateSpec | undefined): void {
  if (!template?.spec) return;
  const judged = { spec: template.spec, metadata: template.metadata ?? {} };
  note(request, policy.audit, judged);
  warn(request, policy.warn, judged);
}

/** For the audit log: what would not be let in under the standard that is only looked at. */
function note({ annotate }: AdmissionRequest, standard: Standard, judged: Judged): void {
  if (!annotate) return;
  const found = violations(standard, judged);
  if (found.length > 0) annotate(VIOLATIONS, wouldViolate(standard, found));
}

function warn({ warnings }: AdmissionRequest, standard: Standard, judged: Judged): void {
  const found = violations(standard, judged);
  if (found.length > 0) warnings.push(wouldViolate(standard, found));
}

const wouldViolate = (standard: Standard, found: ReturnType<typeof violations>): string =>
  `would violate PodSecurity "${standardText(standard)}": ${detailsOf(found)}`;

/** Of what may change in a Pod only images, profiles in annotations, and new containers matter. */
function isSignificant({ object, old }: AdmissionRequest): boolean {
  const shown = ({ metadata, spec }: Pod) => {
    const annotations = Object.entries(metadata.annotations ?? {}).filter(([key]) => PROFILES.test(key));
    return JSON.stringify([annotations.sort(), containersOf(spec as PodSpec).map(({ name, image }) => [name, image])]);
  };
  return shown(object as unknown as Pod) !== shown(old as unknown as Pod);
}

const PROFILES = /^(container\.)?(seccomp\.security\.alpha|apparmor\.security\.beta)\.kubernetes\.io\//;

function judgeNamespace(request: AdmissionRequest, services: AdmissionServices): void {
  const { metadata } = request.object as unknown as Namespace;
  if (request.subresource !== "") return;
  const policy = policyOf(metadata.labels);
  const before = policyOf(request.old?.metadata.labels);
  const messages = ({ errors }: Policy) => errors.map(({ field, message }) => `${field}: ${message}`).join(", ");
  if (policy.errors.length > 0 && messages(policy) !== messages(before))
    throw new ApiError(
      "Invalid",
      `Namespace ${JSON.stringify(request.name)} is invalid: ${listed(messages(policy), policy.errors.length)}`,
      {
        name: request.name,
        kind: "Namespace",
        causes: policy.errors,
      },
    );
  if (request.operation !== "UPDATE" || !stricter(policy.enforce, before.enforce)) return;
  request.warnings.push(...warningsOfPods(request.name, policy.enforce, services));
}

const listed = (text: string, count: number): string => (count === 1 ? text : `[${text}]`);

/** Which Pods that are there would not be let in any more; those with the same faults in one line. */
function warningsOfPods(namespace: string, standard: Standard, { objects }: AdmissionServices): string[] {
  const byReason = new Map<string, string[]>();
  let seen = 0;
  for (const pod of objects.list("pods", namespace) as Iterable<unknown> as Iterable<Pod>) {
    if (++seen > MOST_PODS || !pod.spec) continue;
    const found = violations(standard, { spec: pod.spec, metadata: pod.metadata });
    if (found.length === 0) continue;
    const reasons = reasonsOf(found);
    byReason.set(reasons, [...(byReason.get(reasons) ?? []), pod.metadata.name]);
  }
  const warnings: string[] = [];
  if (seen > MOST_PODS)
    warnings.push(`new PodSecurity enforce level only checked against the first ${MOST_PODS} of ${seen} existing pods`);
  if (byReason.size > 0)
    warnings.push(
      `existing pods in namespace ${JSON.stringify(namespace)} violate the new PodSecurity enforce level "${standardText(standard)}"`,
    );
  const lines = [...byReason].map(([reasons, names]) => `${some(names.sort())}: ${reasons}`);
  return [...warnings, ...lines.sort()];
}

function some([first, ...others]: readonly string[]): string {
  if (others.length === 0) return first ?? "";
  return `${first} (and ${others.length} other ${others.length === 1 ? "pod" : "pods"})`;
}
