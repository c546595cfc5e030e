/**
 * Policy matching: whether the rules and selectors of a policy, binding or webhook are about a write.
 *
 * Rules name operations, groups, versions and resources; matchPolicy Equivalent finds a resource under its other
 * versions too. Configurations of admission itself are never matched, for nobody may lock himself out, nor is what the
 * server writes for itself.
 */
import type * as models from "@kubernetes/client-node";
import { fromLabelSelector, isEverything, type Labels, matches } from "../../machinery/objects/selectors.ts";
import type { KubeObject, Wire } from "../../machinery/objects/wire.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { AdmissionRequest } from "./contract.ts";

export type MatchResources = Wire<models.V1MatchResources>;
export type Rule = Wire<models.V1NamedRuleWithOperations>;

/** What a request is about as the rules name it. */
export interface MatchedAs {
  readonly row: ResourceRow;
}

const ADMISSION = "admissionregistration.k8s.io";
const exempt = new Set([
  "validatingadmissionpolicies",
  "validatingadmissionpolicybindings",
  "mutatingadmissionpolicies",
  "mutatingadmissionpolicybindings",
  "validatingwebhookconfigurations",
  "mutatingwebhookconfigurations",
]);

/** What this server writes for itself: it must come up in spite of a webhook that nobody answers. */
const SERVER = "system:apiserver";

export const isExempt = ({ row, user }: AdmissionRequest): boolean =>
  (row.group === ADMISSION && exempt.has(row.plural)) || user.name === SERVER;

/** Reviews, which are answered and forgotten: webhooks see them, policies do not. */
export const isQuestion = ({ row }: AdmissionRequest): boolean => row.virtual === true && QUESTIONS.has(row.group);
const QUESTIONS: ReadonlySet<string> = new Set(["authentication.k8s.io", "authorization.k8s.io"]);

/** The row itself first, then those under which the same objects are served too. */
export function equivalents(row: ResourceRow, rows: readonly ResourceRow[]): readonly ResourceRow[] {
  const same = rows.filter((one) => one !== row && storedUnder(one) === storedUnder(row));
  return [row, ...same];
}

const storedUnder = ({ group, plural, storedAs }: ResourceRow): string =>
  `${storedAs?.group ?? group}/${storedAs?.plural ?? plural}`;

/** The labels of the request's namespace; undefined where there is none. */
export type NamespaceLabels = () => Promise<Labels | undefined> | Labels | undefined;

/** Undefined where the constraints are not about the request. `equivalents`: rows of the same objects. */
export async function matchResources(
  constraints: MatchResources,
  request: AdmissionRequest,
  namespaceLabels: NamespaceLabels,
  equivalents: (row: ResourceRow) => readonly ResourceRow[],
): Promise<MatchedAs | undefined> {
  const rules = constraints.resourceRules ?? [];
  const excluded = constraints.excludeResourceRules ?? [];
  const rows = constraints.matchPolicy === "Exact" ? [request.row] : equivalents(request.row);
  if (rows.some((row) => excluded.some((rule) => ruleMatches(rule, request, row)))) return undefined;
  const row =
    rules.length === 0 ? request.row : rows.find((one) => rules.some((rule) => ruleMatches(rule, request, one)));
  if (!row) return undefined;
  if (!objectMatches(constraints.objectSelector, request)) return undefined;
  return (await namespaceMatches(constraints.namespaceSelector, request, namespaceLabels)) ? { row } : undefined;
}

export function ruleMatches(rule: Rule, request: AdmissionRequest, row: ResourceRow): boolean {
  return (
    named(rule.operations, request.operation) &&
    named(rule.apiGroups, row.group) &&
    named(rule.apiVersions, row.version) &&
    scopeMatches(rule.scope, request) &&
    (rule.resources ?? []).some((resource) => resourceMatches(resource, row.plural, request.subresource)) &&
    ((rule.resourceNames ?? []).length === 0 || (rule.resourceNames ?? []).includes(request.name))
  );
}

const named = (values: readonly string[] | undefined, value: string): boolean =>
  values?.some((one) => one === "*" || one === value) === true;

function scopeMatches(scope: string | undefined, { row, namespace }: AdmissionRequest): boolean {
  if (scope === undefined || scope === "*") return true;
  const namespaced = row.namespaced && namespace !== "";
  return scope === "Namespaced" ? namespaced : !namespaced;
}

/** "pods", "pods/status", "pods/*", "*", "*" + "/status". */
export function resourceMatches(wanted: string, plural: string, subresource: string): boolean {
  const slash = wanted.indexOf("/");
  const [resource, sub] = slash < 0 ? [wanted, ""] : [wanted.slice(0, slash), wanted.slice(slash + 1)];
  if (resource !== "*" && resource !== plural) return false;
  if (slash < 0) return subresource === "";
  return sub === "*" || sub === subresource;
}

/** Either of the new and the old object will do; what has no labels matches the empty selector only. */
function objectMatches(selector: MatchResources["objectSelector"], { object, old }: AdmissionRequest): boolean {
  const parsed = fromLabelSelector(selector ?? {});
  if (isEverything(parsed)) return true;
  const has = (one: KubeObject | undefined): boolean => one !== undefined && matches(parsed, one.metadata?.labels);
  return has(object) || has(old as KubeObject | undefined);
}

async function namespaceMatches(
  selector: MatchResources["namespaceSelector"],
  request: AdmissionRequest,
  namespaceLabels: NamespaceLabels,
): Promise<boolean> {
  const parsed = fromLabelSelector(selector ?? {});
  if (isEverything(parsed)) return true;
  const { row, object, old, namespace } = request;
  if (row.group === "" && row.plural === "namespaces") {
    return matches(parsed, (object ?? (old as KubeObject | undefined))?.metadata.labels);
  }
  if (namespace === "") return true;
  return matches(parsed, await namespaceLabels());
}
