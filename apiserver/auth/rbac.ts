/**
 * RBAC: which rules a user has, from the cached roles and bindings.
 *
 * What is derived from them is kept until one of them changes; a request then costs a few map
 * look-ups. A binding to a role that does not exist grants nothing.
 */
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from "../../machinery/objects/kinds.ts";
import { fromLabelSelector, matches } from "../../machinery/objects/selectors.ts";
import {
  type Attributes,
  type Authorizer,
  allow,
  type CachedObjects,
  type Decision,
  noOpinion,
  type User,
} from "./contract.ts";
import { ruleAllows } from "./rules.ts";

const GROUP = "rbac.authorization.k8s.io";
const ROLES = `roles.${GROUP}`;
const CLUSTER_ROLES = `clusterroles.${GROUP}`;
const BINDINGS = `rolebindings.${GROUP}`;
const CLUSTER_BINDINGS = `clusterrolebindings.${GROUP}`;

const SOURCES = [ROLES, CLUSTER_ROLES, BINDINGS, CLUSTER_BINDINGS];
/** Decisions that are kept. */
const KNOWN = 2_000;

/** Subject ("user/x", "group/y") ► what is granted to it, with the words that say why. */
type Grants = ReadonlyMap<string, readonly Grant[]>;

interface Grant {
  readonly rules: readonly PolicyRule[];
  readonly why: string;
}

interface Index {
  readonly generations: readonly number[];
  readonly cluster: Grants;
  readonly namespaces: ReadonlyMap<string, Grants>;
}

export interface Rbac {
  readonly authorize: Authorizer;
  /** All rules that a user has in a namespace ("" for cluster-wide ones alone). */
  rulesFor(user: User, namespace: string): readonly PolicyRule[];
  /** All rules that a cluster role grants, those that it gathers from others included. */
  rulesOf(role: ClusterRole): readonly PolicyRule[];
}

export function createRbac(objects: CachedObjects): Rbac {
  let kept: Index | undefined;
  /** What is allowed whatever the object's name, as long as nothing changes. */
  const known = new Map<string, Decision>();
  const index = (): Index => {
    if (kept?.generations.every((one, at) => one === objects.generation(SOURCES[at] as string))) return kept;
    known.clear();
    kept = buildIndex(
      objects,
      SOURCES.map((one) => objects.generation(one)),
    );
    return kept;
  };

  const authorize = (asked: Attributes): Decision => {
    const current = index();
    const id = asked.isResource ? idOf(asked) : undefined;
    const before = id === undefined ? undefined : known.get(id);
    if (before) return before;
    let byName = false;
    for (const { rules, why } of grantsOf(current, asked.user, asked.namespace))
      for (const rule of rules) {
        byName ||= id !== undefined && isByName(rule, asked);
        if (!ruleAllows(rule, asked)) continue;
        const decision = allow(`RBAC: allowed by ${why}`);
        if (id === undefined || byName) return decision;
        if (known.size >= KNOWN) known.clear();
        known.set(id, decision);
        return decision;
      }
    return noOpinion;
  };
  return {
    authorize,
    rulesFor: (user, namespace) => [...grantsOf(index(), user, namespace)].flatMap(({ rules }) => rules),
    rulesOf: (role) => rulesOf(role, [...objects.list(CLUSTER_ROLES)] as unknown as ClusterRole[]),
  };
}

function* grantsOf({ cluster, namespaces }: Index, user: User, namespace: string): Generator<Grant> {
  const local = namespace === "" ? undefined : namespaces.get(namespace);
  for (const subject of [`user/${user.name}`, ...user.groups.map((group) => `group/${group}`)]) {
    yield* cluster.get(subject) ?? [];
    yield* local?.get(subject) ?? [];
  }
}

/** All that a decision goes by but the object's name. No two are alike, whatever characters names have. */
const idOf = ({ user, verb, group, resource, subresource, namespace }: Attributes): string =>
  JSON.stringify([user.name, user.groups, verb, group, resource, subresource, namespace]);

const isByName = (rule: PolicyRule, asked: Attributes): boolean =>
  (rule.resourceNames?.length ?? 0) > 0 && ruleAllows({ ...rule, resourceNames: [] }, asked);

function buildIndex(objects: CachedObjects, generations: readonly number[]): Index {
  const clusterRoles = new Map<string, readonly PolicyRule[]>();
  const all = [...objects.list(CLUSTER_ROLES)] as unknown as ClusterRole[];
  for (const role of all) clusterRoles.set(role.metadata.name, rulesOf(role, all));

  const cluster = new Map<string, Grant[]>();
  for (const binding of objects.list(CLUSTER_BINDINGS) as Iterable<unknown> as Iterable<ClusterRoleBinding>)
    add(cluster, binding, clusterRoles.get(binding.roleRef.name), "ClusterRoleBinding");

  const namespaces = new Map<string, Map<string, Grant[]>>();
  for (const binding of objects.list(BINDINGS) as Iterable<unknown> as Iterable<RoleBinding>) {
    const { namespace = "" } = binding.metadata;
    const { kind, name } = binding.roleRef;
    const local = kind === "Role" ? (objects.get(ROLES, namespace, name) as Role | undefined)?.rules : undefined;
    const grants = namespaces.get(namespace) ?? new Map<string, Grant[]>();
    namespaces.set(namespace, grants);
    add(grants, binding, kind === "ClusterRole" ? clusterRoles.get(name) : local, "RoleBinding");
  }
  return { generations, cluster, namespaces };
}

/** An aggregated role has the rules of all roles that its selectors match, whether or not they were copied into it. */
function rulesOf(
  role: ClusterRole,
  all: readonly ClusterRole[],
  seen: ReadonlySet<ClusterRole> = new Set(),
): readonly PolicyRule[] {
  const selectors = (role.aggregationRule?.clusterRoleSelectors ?? []).map(fromLabelSelector);
  if (selectors.length === 0 || seen.has(role)) return role.rules ?? [];
  const parts = all.filter((one) => one !== role && selectors.some((each) => matches(each, one.metadata.labels)));
  const deeper = new Set(seen).add(role);
  return [...(role.rules ?? []), ...parts.flatMap((one) => rulesOf(one, all, deeper))];
}

function add(
  grants: Map<string, Grant[]>,
  binding: RoleBinding | ClusterRoleBinding,
  rules: readonly PolicyRule[] | undefined,
  kind: string,
): void {
  if (!rules) return;
  const { name, namespace } = binding.metadata;
  const { roleRef, subjects = [] } = binding;
  const shown = namespace ? `${name}/${namespace}` : name;
  for (const subject of subjects) {
    const key = subjectKey(subject, namespace);
    const why = `${kind} "${shown}" of ${roleRef.kind} "${roleRef.name}" to ${subject.kind} "${subject.name}"`;
    const list = grants.get(key);
    if (list) list.push({ rules, why });
    else grants.set(key, [{ rules, why }]);
  }
}

function subjectKey(
  subject: { readonly kind: string; readonly name: string; readonly namespace?: string },
  bindingNamespace: string | undefined,
): string {
  if (subject.kind === "ServiceAccount")
    return `user/system:serviceaccount:${subject.namespace ?? bindingNamespace ?? ""}:${subject.name}`;
  return `${subject.kind === "Group" ? "group" : "user"}/${subject.name}`;
}
