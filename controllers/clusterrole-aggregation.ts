/**
 * ClusterRole aggregation: gives an aggregated role the rules of all roles that its selectors match.
 *
 * What stands in its rules belongs to this controller alone: what people add there goes. It may write rules that it
 * does not have itself (the verb escalate), so it copies only what somebody was allowed to write into a role.
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles
 */
import type { Lister } from "../machinery/client/informer.ts";
import { defineController, done, type Enqueue, type Outcome } from "../machinery/loop/controller.ts";
import type { ClusterRole, PolicyRule } from "../machinery/objects/kinds.ts";
import { fromLabelSelector, matches } from "../machinery/objects/selectors.ts";
import { isNotFound } from "../machinery/objects/status.ts";
import { canonicalJson, sameJson } from "./canonical-json.ts";

const NAME = "clusterrole-aggregation-controller";

/** Any role may become or cease to be a part of any other. */
const aggregated: Enqueue<ClusterRole> = ({ object, old, type }, { clusterroles }) => {
  const part = ({ metadata, rules, aggregationRule }: ClusterRole) => [metadata.labels, rules, aggregationRule];
  if (type === "updated" && old && sameJson(part(old), part(object))) return [];
  return ((clusterroles?.list() ?? []) as readonly unknown[] as readonly ClusterRole[])
    .filter((role) => role.aggregationRule?.clusterRoleSelectors?.length)
    .map(({ metadata }) => metadata.name);
};

export const clusterRoleAggregationController = defineController({
  name: NAME,
  watches: { clusterroles: aggregated },

  async reconcile(name, { clusterroles, client }): Promise<Outcome> {
    const role = clusterroles.get(name);
    if (!role?.aggregationRule?.clusterRoleSelectors?.length || role.metadata.deletionTimestamp) return done;
    const rules = rulesOf(role, clusterroles);
    if (sameJson(rules, role.rules ?? [])) return done;

    const { uid } = role.metadata;
    try {
      await client.raw({
        method: "PATCH",
        path: `/apis/rbac.authorization.k8s.io/v1/clusterroles/${encodeURIComponent(name)}`,
        query: { fieldManager: NAME, force: "true" },
        headers: { "content-type": "application/apply-patch+yaml" },
        body: { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: { name, uid }, rules },
      });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return done;
  },
});

/** Each rule once: by selector, then by the role's name. */
export function rulesOf(role: ClusterRole, roles: Pick<Lister<ClusterRole>, "list">): PolicyRule[] {
  const rules = new Map<string, PolicyRule>();
  const byName = [...roles.list()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  for (const selector of (role.aggregationRule?.clusterRoleSelectors ?? []).map(fromLabelSelector))
    for (const part of byName) {
      if (part.metadata.name === role.metadata.name || !matches(selector, part.metadata.labels)) continue;
      for (const rule of part.rules ?? []) {
        const id = canonicalJson(rule);
        if (!rules.has(id)) rules.set(id, rule);
      }
    }
  return [...rules.values()];
}
