/**
 * Node labels: which labels a kubelet may set on its own Node.
 *
 * Of the names that belong to Kubernetes only those that kubelets report; never one that somebody uses to keep
 * workloads on nodes they trust (node-restriction.kubernetes.io/). Names of other domains are free.
 * https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
 */
type Labels = Readonly<Record<string, string>> | undefined;

const RESTRICTED = ["node-restriction.kubernetes.io"];
const KUBERNETES = ["kubernetes.io", "k8s.io"];
const KUBELET = ["kubelet.kubernetes.io", "node.kubernetes.io"];

const REPORTED: ReadonlySet<string> = new Set([
  "kubernetes.io/hostname",
  "kubernetes.io/os",
  "kubernetes.io/arch",
  "beta.kubernetes.io/os",
  "beta.kubernetes.io/arch",
  "beta.kubernetes.io/instance-type",
  "node.kubernetes.io/instance-type",
  "topology.kubernetes.io/zone",
  "topology.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/zone",
  "failure-domain.beta.kubernetes.io/region",
]);

/** The keys among the differences of two sets of labels that a kubelet may not touch, sorted. */
export function forbiddenChanges(now: Labels, before: Labels): string[] {
  const keys = new Set([...Object.keys(now ?? {}), ...Object.keys(before ?? {})]);
  return [...keys].filter((key) => now?.[key] !== before?.[key] && isForbidden(key)).sort();
}

function isForbidden(key: string): boolean {
  const slash = key.indexOf("/");
  const domain = slash < 0 ? "" : key.slice(0, slash);
  if (isWithin(domain, RESTRICTED)) return true;
  return isWithin(domain, KUBERNETES) && !REPORTED.has(key) && !isWithin(domain, KUBELET);
}

const isWithin = (domain: string, parents: readonly string[]): boolean =>
  parents.some((parent) => domain === parent || domain.endsWith(`.${parent}`));
