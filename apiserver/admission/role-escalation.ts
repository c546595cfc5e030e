/**
 * Role escalation: nobody grants, by role or binding, what they do not have.
 *
 * The verbs `escalate` (on roles) and `bind` (on the role that is bound) lift this, as in Kubernetes.
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
 */

import { equalJson } from "../../machinery/objects/json-value.ts";
import type { ClusterRole, PolicyRule, RoleBinding } from "../../machinery/objects/kinds.ts";
import { notFound } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { type Attributes, type Authorizer, MASTERS } from "../auth/contract.ts";
import type { Rbac } from "../auth/rbac.ts";
import { describeRule, uncovered } from "../auth/rules.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices } from "./contract.ts";
import { refused } from "./refused.ts";

const GROUP = "rbac.authorization.k8s.io";

export function roleEscalation(rbac: Rbac, authorize: Authorizer): AdmissionPlugin {
  const may = ({ user, row, namespace }: AdmissionRequest, what: Partial<Attributes>) =>
    authorize({
      user,
      verb: "",
      isResource: true,
      group: GROUP,
      version: "v1",
      resource: row.plural,
      subresource: "",
      namespace,
      name: "",
      path: "",
      ...what,
    }).kind === "allow";

  const check = (request: AdmissionRequest, wanted: readonly PolicyRule[]) => {
    const missing = uncovered(rbac.rulesFor(request.user, request.namespace), wanted);
    if (missing.length === 0) return;
    const { name, groups } = request.user;
    const shown = missing.map(describeRule).join("\n");
    const who = `user ${JSON.stringify(name)} (groups=${JSON.stringify(groups)})`;
    throw refused(request, `${who} is attempting to grant RBAC permissions not currently held:\n${shown}`);
  };

  const checkRole = (request: AdmissionRequest) => {
    if (may(request, { verb: "escalate", name: request.name })) return;
    const { object, old } = request as unknown as { object: ClusterRole; old: ClusterRole | undefined };
    check(request, object.rules ?? []);
    const gathers = object.aggregationRule ?? old?.aggregationRule;
    if (gathers && uncovered(rbac.rulesFor(request.user, ""), EVERYTHING).length > 0)
      throw refused(request, "must have cluster-admin privileges to use an aggregationRule");
  };
  const checkBinding = async (request: AdmissionRequest, services: AdmissionServices) => {
    const { roleRef } = request.object as unknown as RoleBinding;
    const resource = roleRef.kind === "Role" ? "roles" : "clusterroles";
    if (may(request, { verb: "bind", resource, name: roleRef.name })) return;
    const namespace = resource === "roles" ? request.namespace : "";
    const role = (await services.read(`${resource}.${GROUP}`, namespace, roleRef.name)) as ClusterRole | undefined;
    if (!role) throw notFound(`${resource}.${GROUP}`, roleRef.name);
    check(request, resource === "roles" ? (role.rules ?? []) : rbac.rulesOf(role));
  };
  return {
    name: "RoleEscalation",
    validate(request, services) {
      const { row, operation, user } = request;
      if (row.group !== GROUP || (operation !== "CREATE" && operation !== "UPDATE")) return undefined;
      if (user.groups.includes(MASTERS) || changesOwnershipAlone(request)) return undefined;
      return row.kind === "Role" || row.kind === "ClusterRole" ? checkRole(request) : checkBinding(request, services);
    },
  };
}

const EVERYTHING: readonly PolicyRule[] = [
  { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
  { verbs: ["*"], nonResourceURLs: ["*"] },
];

/** What garbage collection changes grants nothing to anybody. A label may: an aggregated role selects by them. */
function changesOwnershipAlone({ object, old }: AdmissionRequest): boolean {
  return old !== undefined && equalJson(withoutOwnership(object), withoutOwnership(old));
}

function withoutOwnership(object: KubeObject | undefined): unknown {
  const { ownerReferences, finalizers, managedFields, resourceVersion, generation, ...metadata } =
    object?.metadata ?? {};
  return { ...object, metadata };
}
