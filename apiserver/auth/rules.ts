/**
 * Rules: whether an RBAC rule allows a request, and whether rules cover other rules.
 *
 * Pure. Which rules a user has is rbac.ts; what a cluster starts with is bootstrap-roles.ts.
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/
 */
import type { PolicyRule } from "../../machinery/objects/kinds.ts";
import type { Attributes } from "./contract.ts";

const has = (list: readonly string[] | undefined, wanted: string): boolean =>
  list?.some((one) => one === "*" || one === wanted) ?? false;

export function ruleAllows(rule: PolicyRule, asked: Attributes): boolean {
  if (!has(rule.verbs, asked.verb)) return false;
  if (!asked.isResource) return rule.nonResourceURLs?.some((one) => urlMatches(one, asked.path)) ?? false;
  return (
    has(rule.apiGroups, asked.group) &&
    (rule.resources?.some((one) => resourceMatches(one, asked.resource, asked.subresource)) ?? false) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(asked.name))
  );
}

/** "pods", "pods/log", "*", and "*" followed by a subresource. */
function resourceMatches(pattern: string, resource: string, subresource: string): boolean {
  if (pattern === "*") return true;
  const full = subresource ? `${resource}/${subresource}` : resource;
  if (pattern === full) return true;
  return subresource !== "" && pattern.startsWith("*/") && pattern.slice(2) === subresource;
}

function urlMatches(pattern: string, path: string): boolean {
  if (pattern === "*" || pattern === path) return true;
  return pattern.endsWith("*") && path.startsWith(pattern.slice(0, -1));
}

/** The parts of `wanted` that no rule of `owned` allows. Empty: whoever owns them may grant them. */
export function uncovered(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): readonly PolicyRule[] {
  return wanted.flatMap((rule) => [...single(rule)]).filter((part) => !owned.some((rule) => covers(rule, part)));
}

/** A rule as rules with one verb, one group, one resource and one name each. */
function* single(rule: PolicyRule): Generator<PolicyRule> {
  for (const verb of rule.verbs ?? []) {
    for (const url of rule.nonResourceURLs ?? []) yield { verbs: [verb], nonResourceURLs: [url] };
    for (const group of rule.apiGroups ?? [])
      for (const resource of rule.resources ?? []) {
        const base = { verbs: [verb], apiGroups: [group], resources: [resource] };
        if (!rule.resourceNames?.length) yield base;
        for (const name of rule.resourceNames ?? []) yield { ...base, resourceNames: [name] };
      }
  }
}

/** `part` comes from `single`. A wildcard is covered by the same wildcard only. */
function covers(owner: PolicyRule, part: PolicyRule): boolean {
  const [verb = ""] = part.verbs;
  if (!has(owner.verbs, verb)) return false;
  const [url] = part.nonResourceURLs ?? [];
  if (url !== undefined) return owner.nonResourceURLs?.some((one) => urlMatches(one, url)) ?? false;
  const [group = ""] = part.apiGroups ?? [];
  const [resource = ""] = part.resources ?? [];
  if (!has(owner.apiGroups, group)) return false;
  const [plain = "", sub = ""] = resource.split("/");
  if (!owner.resources?.some((one) => resourceMatches(one, plain, sub))) return false;
  if (!owner.resourceNames?.length) return true;
  const [name] = part.resourceNames ?? [];
  return name !== undefined && owner.resourceNames.includes(name);
}

/** A rule as Kubernetes prints it in an escalation error: {APIGroups:["apps"], Resources:["deployments"], Verbs:["get"]} */
export function describeRule(rule: PolicyRule): string {
  const parts: [string, readonly string[] | undefined][] = [
    ["APIGroups", rule.apiGroups],
    ["Resources", rule.resources],
    ["NonResourceURLs", rule.nonResourceURLs],
    ["ResourceNames", rule.resourceNames],
    ["Verbs", rule.verbs],
  ];
  const shown = parts.filter(([, list]) => list?.length).map(([label, list]) => `${label}:${JSON.stringify(list)}`);
  return `{${shown.join(", ")}}`;
}
