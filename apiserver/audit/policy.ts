/**
 * Policy: which requests are written to the audit log, and how much of them. Pure; the file's form is
 * Kubernetes' audit.k8s.io/v1.
 *
 * The first rule that matches decides; a request that none matches is not written.
 * https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/
 */
import { readOneYaml } from "../../machinery/yaml.ts";

export const LEVELS = ["None", "Metadata", "Request", "RequestResponse"] as const;
export const STAGES = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"] as const;
export type Level = (typeof LEVELS)[number];
export type Stage = (typeof STAGES)[number];

export interface AuditPolicy {
  /** What to write of a request. `user` is undefined when nobody could be authenticated. */
  decide(asked: Asked, user: Who | undefined): Verdict;
}

export interface Verdict {
  readonly level: Level;
  readonly omitStages: ReadonlySet<Stage>;
  readonly omitManagedFields: boolean;
}

export interface Who {
  readonly name: string;
  readonly groups: readonly string[];
}

/** The parts of a request that rules look at. */
export interface Asked {
  readonly isResource: boolean;
  readonly verb: string;
  readonly path: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

interface GroupResources {
  readonly group?: string;
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
}

interface Rule {
  readonly level: Level;
  readonly users?: readonly string[];
  readonly userGroups?: readonly string[];
  readonly verbs?: readonly string[];
  readonly resources?: readonly GroupResources[];
  readonly namespaces?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly omitStages?: readonly Stage[];
  readonly omitManagedFields?: boolean;
}

interface Policy {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly rules?: readonly Rule[];
  readonly omitStages?: readonly Stage[];
  readonly omitManagedFields?: boolean;
}

/** Throws an Error that names every mistake in the file. */
export function readPolicy(text: string, file: string): AuditPolicy {
  const policy = (readOneYaml(text) ?? {}) as Policy;
  const problems = problemsOf(policy);
  if (problems.length > 0) throw new Error(`invalid audit policy ${file}: ${problems.join("; ")}`);
  const { rules = [], omitStages = [], omitManagedFields = false } = policy;
  const verdicts = rules.map((rule) => ({
    level: rule.level,
    omitStages: new Set([...omitStages, ...(rule.omitStages ?? [])]),
    omitManagedFields: rule.omitManagedFields ?? omitManagedFields,
  }));
  const none: Verdict = { level: "None", omitStages: new Set(omitStages), omitManagedFields };
  return {
    decide(asked, user) {
      const index = rules.findIndex((rule) => matches(rule, asked, user));
      return verdicts[index] ?? none;
    },
  };
}

function problemsOf(policy: Policy): string[] {
  const { apiVersion, kind, rules, omitStages = [] } = policy;
  if (apiVersion !== "audit.k8s.io/v1" || kind !== "Policy")
    return [`it is ${apiVersion}, ${kind}; audit.k8s.io/v1, Policy is needed`];
  if (!Array.isArray(rules) || rules.length === 0) return ["it has no rules"];
  return [
    ...stageProblems("omitStages", omitStages),
    ...rules.flatMap((rule: Rule, index) => ruleProblems(rule, index)),
  ];
}

function ruleProblems(rule: Rule, index: number): string[] {
  const at = `rules[${index}]`;
  const problems = stageProblems(`${at}.omitStages`, rule.omitStages ?? []);
  if (!LEVELS.includes(rule.level)) problems.push(unsupported(`${at}.level`, rule.level, LEVELS));
  const forResources = (rule.resources?.length ?? 0) + (rule.namespaces?.length ?? 0) > 0;
  if (forResources && (rule.nonResourceURLs?.length ?? 0) > 0)
    problems.push(
      `${at}.nonResourceURLs: Invalid value: ${JSON.stringify(rule.nonResourceURLs)}: rules cannot apply to both regular resources and non-resource URLs`,
    );
  for (const url of rule.nonResourceURLs ?? []) {
    if (url !== "*" && !url.startsWith("/"))
      problems.push(
        `${at}.nonResourceURLs: Invalid value: ${JSON.stringify(url)}: non-resource URL rules must begin with a '/' character`,
      );
    if (url.slice(0, -1).includes("*"))
      problems.push(
        `${at}.nonResourceURLs: Invalid value: ${JSON.stringify(url)}: non-resource URL wildcards '*' must be the final character of the rule`,
      );
  }
  for (const { resources = [], resourceNames = [] } of rule.resources ?? [])
    if (resourceNames.length > 0 && resources.length === 0)
      problems.push(
        `${at}.resources.resourceNames: Invalid value: ${JSON.stringify(resourceNames)}: using resourceNames requires at least one resource`,
      );
  return problems;
}

const stageProblems = (at: string, stages: readonly string[]): string[] =>
  stages
    .filter((stage) => !(STAGES as readonly string[]).includes(stage))
    .map((stage) => unsupported(at, stage, STAGES));

const unsupported = (at: string, value: unknown, known: readonly string[]): string =>
  `${at}: Unsupported value: ${JSON.stringify(value)}: supported values: ${known.map((one) => `"${one}"`).join(", ")}`;

function matches(rule: Rule, asked: Asked, user: Who | undefined): boolean {
  const { users = [], userGroups = [], verbs = [], resources = [], namespaces = [], nonResourceURLs = [] } = rule;
  if (users.length > 0 && !(user && users.includes(user.name))) return false;
  if (userGroups.length > 0 && !user?.groups.some((group) => userGroups.includes(group))) return false;
  if (verbs.length > 0 && !verbs.includes(asked.verb)) return false;
  if (resources.length > 0 || namespaces.length > 0) return matchesResource(resources, namespaces, asked);
  if (nonResourceURLs.length > 0)
    return !asked.isResource && nonResourceURLs.some((url) => matchesPath(url, asked.path));
  return true;
}

function matchesResource(resources: readonly GroupResources[], namespaces: readonly string[], asked: Asked): boolean {
  if (!asked.isResource) return false;
  if (namespaces.length > 0 && !namespaces.includes(asked.namespace)) return false;
  if (resources.length === 0) return true;
  return resources.some(({ group = "", resources: names = [], resourceNames = [] }) => {
    if (group !== asked.group) return false;
    if (names.length === 0) return true;
    if (resourceNames.length > 0 && !resourceNames.includes(asked.name)) return false;
    return names.some((name) => matchesName(name, asked));
  });
}

/** "pods", "pods/log", "pods/*", "*\/scale" or "*". */
function matchesName(name: string, { resource, subresource }: Asked): boolean {
  if (name === "*" || name === (subresource === "" ? resource : `${resource}/${subresource}`)) return true;
  if (name.startsWith("*/")) return subresource !== "" && subresource === name.slice(2);
  return name.endsWith("/*") && resource === name.slice(0, -2);
}

const matchesPath = (url: string, path: string): boolean =>
  url === "*" || url === path || (url.endsWith("*") && path.startsWith(url.slice(0, -1)));
