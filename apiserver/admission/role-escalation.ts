/**
 * Role escalation: nobody grants, by role or binding, what they do not have.
 *
 * The verbs `escalate` (on roles) and `bind` (on the role that is bound) lift this, as in Kubernetes.
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
 */
import type { ClusterRole, PolicyRule, RoleBinding } from "../../machinery/objects/kinds.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { type Attributes, type Authorizer, MASTERS } from "../auth/contract.ts";
import type { Rbac } from "../auth/rbac.ts";
import { describeRule, uncovered } from "../auth/rules.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./contract.ts";
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

  return {
    name: "RoleEscalation",

    async validate(request, services) {
      const { row, operation, object, user } = request;
      if (row.group !== GROUP || (operation !== "CREATE" && operation !== "UPDATE")) return;
      if (user.groups.includes(MASTERS)) return;
      if (row.kind === "Role" || row.kind === "ClusterRole") {
        if (!may(request, { verb: "escalate", name: request.name })) check(request, rulesOf(object));
        return;
      }
      const { roleRef } = object as unknown as RoleBinding;
      const resource = roleRef.kind === "Role" ? "roles" : "clusterroles";
      if (may(request, { verb: "bind", resource, name: roleRef.name })) return;
      const role = await services.read(
        `${resource}.${GROUP}`,
        resource === "roles" ? request.namespace : "",
        roleRef.name,
      );
      if (!role) throw refused(request, `${resource}.${GROUP} "${roleRef.name}" not found`);
      check(request, rulesOf(role));
    },
  };
}

const rulesOf = (role: KubeObject | undefined): readonly PolicyRule[] =>
  (role as unknown as ClusterRole | undefined)?.rules ?? [];
