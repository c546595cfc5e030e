/**
 * Admission rules: what policies and webhooks are about: rules, selectors, match conditions; defaults and validation.
 *
 * What they mean for a request: ../admission/policy-matching.ts.
 * Wording: k8s.io/kubernetes/pkg/apis/admissionregistration/validation.
 */
import type * as models from "@kubernetes/client-node";
import { pathSegment, qualifiedName } from "../../machinery/objects/names.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { oneOf, requireOneOf } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabelSelector } from "./label-selector.ts";
import { each } from "./object-meta.ts";
import { type At, child, item } from "./path.ts";

type MatchResources = Wire<models.V1MatchResources>;
type NamedRule = Wire<models.V1NamedRuleWithOperations>;
type Rule = Wire<models.V1RuleWithOperations>;
type MatchCondition = Wire<models.V1MatchCondition>;

const OPERATIONS = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const SCOPES = ["*", "Cluster", "Namespaced"];
const MOST_CONDITIONS = 64;

export function defaultMatchResources(match: MatchResources | undefined): void {
  if (!match) return;
  match.matchPolicy ??= "Equivalent";
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])]) rule.scope ??= "*";
}

export function validateMatchResources(match: MatchResources | undefined, path: At, errors: FieldErrors): void {
  if (!match) return;
  requireOneOf(match.matchPolicy, ["Equivalent", "Exact"], child(path, "matchPolicy"), errors);
  for (const field of ["namespaceSelector", "objectSelector"] as const) {
    if (!match[field]) errors.required(child(path, field));
    else validateLabelSelector(match[field], child(path, field), errors);
  }
  for (const field of ["resourceRules", "excludeResourceRules"] as const) {
    for (const [at, rule] of (match[field] ?? []).entries())
      validateNamedRule(rule, item(child(path, field), at), errors);
  }
}

function validateNamedRule(rule: NamedRule, path: At, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [at, name] of (rule.resourceNames ?? []).entries()) {
    const place = item(child(path, "resourceNames"), at);
    each(pathSegment(name), place, name, errors);
    if (seen.has(name)) errors.duplicate(place, name);
    seen.add(name);
  }
  validateRule(rule, path, errors);
}

export function validateRule(rule: Rule, path: At, errors: FieldErrors): void {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [], scope } = rule;
  notAlone(operations, child(path, "operations"), "operations", errors);
  for (const [at, operation] of operations.entries()) {
    oneOf(operation, OPERATIONS, item(child(path, "operations"), at), errors);
  }
  notAlone(apiGroups, child(path, "apiGroups"), "API groups", errors);
  notAlone(apiVersions, child(path, "apiVersions"), "API versions", errors);
  for (const [at, version] of apiVersions.entries()) {
    if (version === "") errors.required(item(child(path, "apiVersions"), at));
  }
  validateResources(resources, child(path, "resources"), errors);
  oneOf(scope, SCOPES, child(path, "scope"), errors);
}

/** There must be some, and "*" says it all. */
function notAlone(values: readonly string[], path: At, what: string, errors: FieldErrors): void {
  if (values.length === 0) errors.required(path);
  if (values.length > 1 && values.includes("*")) {
    errors.invalid(path, values, `if '*' is present, must not specify other ${what}`);
  }
}

function validateResources(resources: readonly string[], path: At, errors: FieldErrors): void {
  if (resources.length === 0) errors.required(path);
  const allOf = new Set<string>();
  const everywhere = new Set<string>();
  for (const [at, written] of resources.entries()) {
    if (written === "") errors.required(item(path, at));
    const slash = written.indexOf("/");
    if (slash < 0) continue;
    const [resource, part] = [written.slice(0, slash), written.slice(slash + 1)];
    const clash = allOf.has(resource) ? `${resource}/*` : everywhere.has(part) ? `*/${part}` : undefined;
    if (clash) errors.invalid(item(path, at), written, `if '${clash}' is present, must not specify ${written}`);
    if (part === "*") allOf.add(resource);
    if (resource === "*") everywhere.add(part);
  }
  if (resources.length > 1 && resources.includes("*/*")) {
    errors.invalid(path, resources, "if '*/*' is present, must not specify other resources");
  }
  if (resources.includes("*") && resources.some((one) => one !== "*" && one !== "" && !one.includes("/"))) {
    errors.invalid(path, resources, "if '*' is present, must not specify other resources without subresources");
  }
}

/** Names and presence; what the expressions say is checked by their language. */
export function validateMatchConditions(
  conditions: readonly MatchCondition[] | undefined,
  path: At,
  errors: FieldErrors,
): void {
  if (!conditions) return;
  if (conditions.length > MOST_CONDITIONS) errors.tooMany(path, conditions.length, MOST_CONDITIONS);
  const seen = new Set<string>();
  for (const [at, { name, expression }] of conditions.entries()) {
    const place = item(path, at);
    if (!expression?.trim()) errors.required(child(place, "expression"));
    if (!name) {
      errors.required(child(place, "name"));
      continue;
    }
    each(qualifiedName(name), child(place, "name"), name, errors);
    if (seen.has(name)) errors.duplicate(child(place, "name"), name);
    seen.add(name);
  }
}
