/**
 * Plugin arguments: what a configuration may say to each plugin, checked before any Pod is decided.
 *
 * The rules are those of Kubernetes. What a plugin does not know is refused, also where Kubernetes has a gate for it.
 * https://kubernetes.io/docs/reference/config-api/kube-scheduler-config.v1/
 */
import { qualifiedName } from "../machinery/objects/names.ts";
import { choiceOf, fail, type Json, listOf, numberOf, objectOf, onlyKeys, textOf } from "./configured-values.ts";

type Check = (args: Json, at: string) => void;

/** Throws a ConfigurationError that names the place. */
export function checkArgs(plugin: string, { apiVersion: _version, kind, ...args }: Json): void {
  const at = `pluginConfig.${plugin}.args`;
  if (kind !== undefined && kind !== `${plugin}Args`) fail(`${at}.kind`, `${plugin}Args is needed`);
  const check = Object.hasOwn(CHECKS, plugin) ? CHECKS[plugin] : undefined;
  if (check) check(args, at);
  else if (Object.keys(args).length > 0) fail(at, `${plugin} takes no arguments`);
}

const CHECKS: Readonly<Record<string, Check>> = {
  DefaultPreemption(args, at) {
    onlyKeys(args, at, ["minCandidateNodesPercentage", "minCandidateNodesAbsolute"]);
    const share = numberOf(args["minCandidateNodesPercentage"], `${at}.minCandidateNodesPercentage`, 0, 100);
    const number = numberOf(args["minCandidateNodesAbsolute"], `${at}.minCandidateNodesAbsolute`, 0);
    if (share === 0 && number === 0)
      fail(`${at}.minCandidateNodesPercentage`, "cannot be zero at the same time as minCandidateNodesAbsolute");
  },
  InterPodAffinity(args, at) {
    onlyKeys(args, at, ["hardPodAffinityWeight", "ignorePreferredTermsOfExistingPods"]);
    numberOf(args["hardPodAffinityWeight"], `${at}.hardPodAffinityWeight`, 0, 100);
    truth(args["ignorePreferredTermsOfExistingPods"], `${at}.ignorePreferredTermsOfExistingPods`);
  },
  NodeAffinity(args, at) {
    onlyKeys(args, at, ["addedAffinity"]);
    if (args["addedAffinity"] !== undefined) addedAffinity(args["addedAffinity"], `${at}.addedAffinity`);
  },
  NodeResourcesBalancedAllocation(args, at) {
    onlyKeys(args, at, ["resources"]);
    resources(args["resources"], `${at}.resources`, 1);
  },
  NodeResourcesFit(args, at) {
    onlyKeys(args, at, ["ignoredResources", "ignoredResourceGroups", "scoringStrategy"]);
    names(args["ignoredResources"], `${at}.ignoredResources`);
    for (const [place, group] of names(args["ignoredResourceGroups"], `${at}.ignoredResourceGroups`).entries())
      if (group.includes("/")) fail(`${at}.ignoredResourceGroups[${place}]`, "resource group name can't contain '/'");
    if (args["scoringStrategy"] !== undefined) strategy(args["scoringStrategy"], `${at}.scoringStrategy`);
  },
  PodTopologySpread(args, at) {
    onlyKeys(args, at, ["defaultConstraints", "defaultingType"]);
    const constraints = listOf(args["defaultConstraints"] ?? [], `${at}.defaultConstraints`);
    const type = choiceOf(args["defaultingType"] ?? "System", `${at}.defaultingType`, ["System", "List"]);
    if (type === "System" && constraints.length > 0)
      fail(`${at}.defaultingType`, 'must be "List" when .defaultConstraints are not empty');
    const seen = new Set<string>();
    for (const [place, one] of constraints.entries()) constraint(one, `${at}.defaultConstraints[${place}]`, seen);
  },
  VolumeBinding(args, at) {
    onlyKeys(args, at, ["bindTimeoutSeconds"]);
    numberOf(args["bindTimeoutSeconds"], `${at}.bindTimeoutSeconds`, 0);
  },
};

function truth(value: unknown, at: string): void {
  if (value !== undefined && typeof value !== "boolean") fail(at, "true or false is needed");
}

function label(value: unknown, at: string): string {
  const text = textOf(value, at) || fail(at, "can not be empty");
  for (const problem of qualifiedName(text)) fail(at, problem);
  return text;
}

const names = (value: unknown, at: string): readonly string[] =>
  listOf(value ?? [], at).map((one, place) => label(one, `${at}[${place}]`));

/** `only`: the one weight that there may be. */
function resources(value: unknown, at: string, only?: number): void {
  const seen = new Set<string>();
  for (const [place, one] of listOf(value ?? [], at).entries()) {
    const here = `${at}[${place}]`;
    const resource = objectOf(one, here);
    onlyKeys(resource, here, ["name", "weight"]);
    const name = textOf(resource["name"], `${here}.name`) || fail(`${here}.name`, "can not be empty");
    if (seen.has(name)) fail(`${here}.name`, `${name} is there twice`);
    seen.add(name);
    const weight = numberOf(resource["weight"], `${here}.weight`, 1, 100);
    if (only !== undefined && (weight ?? only) !== only) fail(`${here}.weight`, `must be ${only}`);
  }
}

const STRATEGIES = ["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"];
const BY_SHAPE = "RequestedToCapacityRatio";

function strategy(value: unknown, at: string): void {
  const given = objectOf(value, at);
  onlyKeys(given, at, ["type", "resources", "requestedToCapacityRatio"]);
  const type = choiceOf(given["type"], `${at}.type`, STRATEGIES);
  resources(given["resources"], `${at}.resources`);
  const ratio = given["requestedToCapacityRatio"];
  const where = `${at}.requestedToCapacityRatio`;
  if (type !== BY_SHAPE && ratio !== undefined) fail(where, `must not be there when type is not ${BY_SHAPE}`);
  if (type === BY_SHAPE && ratio === undefined) fail(where, `must be specified when type is ${BY_SHAPE}`);
  if (ratio !== undefined) {
    const whole = objectOf(ratio, where);
    onlyKeys(whole, where, ["shape"]);
    shape(whole["shape"], `${where}.shape`);
  }
}

function shape(value: unknown, at: string): void {
  const points = listOf(value ?? [], at);
  if (points.length === 0) fail(at, "at least one point must be specified");
  let last = -1;
  for (const [place, one] of points.entries()) {
    const here = `${at}[${place}]`;
    const point = objectOf(one, here);
    onlyKeys(point, here, ["utilization", "score"]);
    const utilization = numberOf(point["utilization"] ?? 0, `${here}.utilization`, 0, 100) ?? 0;
    numberOf(point["score"] ?? 0, `${here}.score`, 0, 10);
    if (utilization <= last) fail(`${here}.utilization`, "values must be sorted in increasing order");
    last = utilization;
  }
}

function constraint(value: unknown, at: string, seen: Set<string>): void {
  const one = objectOf(value, at);
  if (one["labelSelector"] !== undefined)
    fail(`${at}.labelSelector`, "constraint must not define a selector, as they deduced for each pod");
  onlyKeys(one, at, [
    "maxSkew",
    "topologyKey",
    "whenUnsatisfiable",
    "minDomains",
    "nodeAffinityPolicy",
    "nodeTaintsPolicy",
  ]);
  if (numberOf(one["maxSkew"], `${at}.maxSkew`, 1) === undefined) fail(`${at}.maxSkew`, "a number from 1 on is needed");
  const key = label(one["topologyKey"], `${at}.topologyKey`);
  const when = choiceOf(one["whenUnsatisfiable"], `${at}.whenUnsatisfiable`, ["DoNotSchedule", "ScheduleAnyway"]);
  numberOf(one["minDomains"], `${at}.minDomains`, 1);
  for (const policy of ["nodeAffinityPolicy", "nodeTaintsPolicy"])
    if (one[policy] !== undefined) choiceOf(one[policy], `${at}.${policy}`, ["Honor", "Ignore"]);
  if (seen.has(`${key} ${when}`)) fail(at, `{${key}, ${when}} is there twice`);
  seen.add(`${key} ${when}`);
}

const OPERATORS = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
const REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution";

function addedAffinity(value: unknown, at: string): void {
  const affinity = objectOf(value, at);
  onlyKeys(affinity, at, [REQUIRED, PREFERRED]);
  if (affinity[REQUIRED] !== undefined) {
    const required = objectOf(affinity[REQUIRED], `${at}.${REQUIRED}`);
    const terms = listOf(required["nodeSelectorTerms"] ?? [], `${at}.${REQUIRED}.nodeSelectorTerms`);
    if (terms.length === 0) fail(`${at}.${REQUIRED}.nodeSelectorTerms`, "must have at least one node selector term");
    for (const [place, one] of terms.entries()) term(one, `${at}.${REQUIRED}.nodeSelectorTerms[${place}]`);
  }
  for (const [place, one] of listOf(affinity[PREFERRED] ?? [], `${at}.${PREFERRED}`).entries()) {
    const here = `${at}.${PREFERRED}[${place}]`;
    const preferred = objectOf(one, here);
    if (numberOf(preferred["weight"], `${here}.weight`, 1, 100) === undefined)
      fail(`${here}.weight`, "a number from 1 to 100 is needed");
    term(preferred["preference"], `${here}.preference`);
  }
}

function term(value: unknown, at: string): void {
  const one = objectOf(value, at);
  onlyKeys(one, at, ["matchExpressions", "matchFields"]);
  for (const part of ["matchExpressions", "matchFields"])
    for (const [place, item] of listOf(one[part] ?? [], `${at}.${part}`).entries()) {
      const here = `${at}.${part}[${place}]`;
      const { key, operator, values } = objectOf(item, here);
      label(key, `${here}.key`);
      const chosen = choiceOf(operator, `${here}.operator`, OPERATORS);
      const count = listOf(values ?? [], `${here}.values`).length;
      if (chosen.includes("Exist") ? count > 0 : count === 0)
        fail(
          `${here}.values`,
          count > 0 ? `must not be there when operator is ${chosen}` : `must be specified when operator is ${chosen}`,
        );
    }
}
