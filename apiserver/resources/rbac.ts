/**
 * RBAC: roles and bindings. Who may give which rights is decided in apiserver/auth.
 */

import { equalJson } from "../../machinery/objects/json-value.ts";
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from "../../machinery/objects/kinds.ts";
import { dns1123Subdomain, pathSegment } from "../../machinery/objects/names.ts";
import { requireNamed } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabelSelector } from "./label-selector.ts";

const GROUP = "rbac.authorization.k8s.io";

type Binding = RoleBinding | ClusterRoleBinding;
type Subject = NonNullable<Binding["subjects"]>[number];

export const roleStrategy: Strategy<Role> = {
  validate({ rules }, errors) {
    validateRules(rules, true, errors);
  },
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: true,
};

export const clusterRoleStrategy: Strategy<ClusterRole> = {
  validate({ rules, aggregationRule }, errors) {
    validateRules(rules, false, errors);
    if (!aggregationRule) return;
    const { clusterRoleSelectors = [] } = aggregationRule;
    if (clusterRoleSelectors.length === 0) {
      errors.required(
        "aggregationRule.clusterRoleSelectors",
        "at least one clusterRoleSelector required if aggregationRule is non-nil",
      );
    }
    for (const [index, selector] of clusterRoleSelectors.entries()) {
      validateLabelSelector(selector, `aggregationRule.clusterRoleSelectors[${index}]`, errors);
    }
  },
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: true,
};

function validateRules(
  rules: readonly PolicyRule[] | null | undefined,
  namespaced: boolean,
  errors: FieldErrors,
): void {
  for (const [index, rule] of (rules ?? []).entries()) {
    const path = `rules[${index}]`;
    const { verbs, apiGroups, resources, nonResourceURLs } = rule;
    if (!verbs?.length) errors.required(`${path}.verbs`, "verbs must contain at least one value");
    if (nonResourceURLs?.length) {
      if (namespaced) {
        errors.invalid(
          `${path}.nonResourceURLs`,
          nonResourceURLs,
          "namespaced rules cannot apply to non-resource URLs",
        );
      }
      if (apiGroups?.length || resources?.length || rule.resourceNames?.length) {
        errors.invalid(
          `${path}.nonResourceURLs`,
          nonResourceURLs,
          "rules cannot apply to both regular resources and non-resource URLs",
        );
      }
      continue;
    }
    if (!apiGroups?.length) errors.required(`${path}.apiGroups`, "resource rules must supply at least one api group");
    if (!resources?.length) errors.required(`${path}.resources`, "resource rules must supply at least one resource");
  }
}

export const roleBindingStrategy: Strategy<RoleBinding> = bindingStrategy(["Role", "ClusterRole"], true);
export const clusterRoleBindingStrategy: Strategy<ClusterRoleBinding> = bindingStrategy(["ClusterRole"], false);

function bindingStrategy(roles: readonly string[], namespaced: boolean): Strategy<Binding> {
  return {
    defaults({ roleRef, subjects }) {
      if (roleRef) roleRef.apiGroup ||= GROUP;
      for (const subject of subjects ?? []) {
        if (!subject.apiGroup && subject.kind !== "ServiceAccount") subject.apiGroup = GROUP;
      }
    },

    validate({ roleRef, subjects }, errors) {
      if (roleRef?.apiGroup !== GROUP) errors.notSupported("roleRef.apiGroup", roleRef?.apiGroup, [GROUP]);
      if (!roles.includes(roleRef?.kind ?? "")) errors.notSupported("roleRef.kind", roleRef?.kind, roles);
      requireNamed(roleRef?.name, pathSegment, "roleRef.name", errors);
      for (const [index, subject] of (subjects ?? []).entries()) {
        validateSubject(subject, namespaced, `subjects[${index}]`, errors);
      }
    },

    validateUpdate({ roleRef }, old, errors) {
      if (!equalJson(roleRef, old.roleRef)) errors.invalid("roleRef", roleRef, "cannot change roleRef");
    },

    allowCreateOnUpdate: true,
    allowUnconditionalUpdate: true,
  };
}

function validateSubject(subject: Subject, namespaced: boolean, path: string, errors: FieldErrors): void {
  const { kind, name, namespace, apiGroup = "" } = subject;
  if (!name) errors.required(`${path}.name`);
  if (kind === "ServiceAccount") {
    if (name) requireNamed(name, dns1123Subdomain, `${path}.name`, errors);
    if (apiGroup !== "") errors.notSupported(`${path}.apiGroup`, apiGroup, [""]);
    if (!namespaced && !namespace) errors.required(`${path}.namespace`);
  } else if (kind === "User" || kind === "Group") {
    if (apiGroup !== GROUP) errors.notSupported(`${path}.apiGroup`, apiGroup, [GROUP]);
  } else errors.notSupported(`${path}.kind`, kind, ["ServiceAccount", "User", "Group"]);
}
