/**
 * FlowSchema and PriorityLevelConfiguration: whose requests wait how long when there are too many. Stored and checked.
 */
import type * as models from "@kubernetes/client-node";
import type { Stored } from "../../machinery/objects/wire.ts";
import { notNegative, oneOf, required, requireOneOf } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";

type FlowSchema = Stored<models.V1FlowSchema>;
type PriorityLevel = Stored<models.V1PriorityLevelConfiguration>;
type Limited = NonNullable<NonNullable<PriorityLevel["spec"]>["limited"]>;

const PRECEDENCE = 1000;
const LOWEST_PRECEDENCE = 10_000;
const MOST_QUEUES = 10_000_000;

export const flowSchemaStrategy: Strategy<FlowSchema> = {
  defaults({ spec }) {
    if (spec) spec.matchingPrecedence ??= PRECEDENCE;
  },
  prepareForCreate(schema) {
    schema.status = {};
  },
  validate({ metadata, spec }, errors) {
    const { matchingPrecedence = PRECEDENCE, distinguisherMethod, priorityLevelConfiguration, rules } = spec ?? {};
    const path = "spec.matchingPrecedence";
    if (matchingPrecedence <= 0) errors.invalid(path, matchingPrecedence, "must be a positive value");
    if (matchingPrecedence > LOWEST_PRECEDENCE)
      errors.invalid(path, matchingPrecedence, `must not be greater than ${LOWEST_PRECEDENCE}`);
    if (matchingPrecedence === 1 && metadata.name !== "exempt")
      errors.invalid(path, matchingPrecedence, "only the schema named 'exempt' may have matchingPrecedence 1");
    oneOf(distinguisherMethod?.type, ["ByNamespace", "ByUser"], "spec.distinguisherMethod.type", errors);
    required(
      priorityLevelConfiguration?.name,
      "spec.priorityLevelConfiguration.name",
      errors,
      "must reference a priority level",
    );
    for (const [index, rule] of (rules ?? []).entries()) validateRule(rule, `spec.rules[${index}]`, errors);
  },
  allowUnconditionalUpdate: true,
};

type Rule = NonNullable<NonNullable<FlowSchema["spec"]>["rules"]>[number];

function validateRule({ subjects, resourceRules, nonResourceRules }: Rule, at: string, errors: FieldErrors): void {
  if (!subjects?.length) errors.required(`${at}.subjects`, "subjects must contain at least one value");
  for (const [index, { kind, user, group, serviceAccount }] of (subjects ?? []).entries()) {
    const path = `${at}.subjects[${index}]`;
    requireOneOf(kind, ["Group", "ServiceAccount", "User"], `${path}.kind`, errors);
    if (kind === "User") required(user?.name, `${path}.user`, errors, "user is required when subject kind is 'User'");
    if (kind === "Group")
      required(group?.name, `${path}.group`, errors, "group is required when subject kind is 'Group'");
    if (kind === "ServiceAccount")
      required(
        serviceAccount?.name,
        `${path}.serviceAccount`,
        errors,
        "serviceAccount is required when subject kind is 'ServiceAccount'",
      );
  }
  if (!resourceRules?.length && !nonResourceRules?.length)
    errors.required(at, "at least one of resourceRules and nonResourceRules has to be non-empty");
  for (const [index, rule] of (resourceRules ?? []).entries()) {
    const path = `${at}.resourceRules[${index}]`;
    for (const field of ["verbs", "apiGroups", "resources"] as const)
      if (!rule[field]?.length) errors.required(`${path}.${field}`);
    if (!rule.namespaces?.length && !rule.clusterScope)
      errors.required(
        `${path}.namespaces`,
        "resource rules that are not cluster scoped must supply at least one namespace",
      );
  }
  for (const [index, rule] of (nonResourceRules ?? []).entries()) {
    const path = `${at}.nonResourceRules[${index}]`;
    if (!rule.verbs?.length) errors.required(`${path}.verbs`);
    if (!rule.nonResourceURLs?.length)
      errors.required(`${path}.nonResourceURLs`, "at least one nonResourceURL is required");
  }
}

export const priorityLevelStrategy: Strategy<PriorityLevel> = {
  defaults({ spec }) {
    if (spec?.exempt) {
      spec.exempt.nominalConcurrencyShares ??= 0;
      spec.exempt.lendablePercent ??= 0;
    }
    const { limited } = spec ?? {};
    if (!limited) return;
    limited.nominalConcurrencyShares ??= 30;
    limited.lendablePercent ??= 0;
    if (limited.limitResponse?.type !== "Queue" || !limited.limitResponse.queuing) return;
    const { queuing } = limited.limitResponse;
    queuing.handSize ??= 8;
    queuing.queues ??= 64;
    queuing.queueLengthLimit ??= 50;
  },
  prepareForCreate(level) {
    level.status = {};
  },
  validate({ metadata, spec }, errors) {
    const { type, limited, exempt } = spec ?? {};
    if ((metadata.name === "exempt") !== (type === "Exempt") && type)
      errors.invalid("spec.type", type, "type must be 'Exempt' if and only if name is 'exempt'");
    if (type === "Exempt" && limited) errors.forbidden("spec.limited", "must be nil if the type is not Limited");
    else if (type === "Limited") {
      if (exempt) errors.forbidden("spec.exempt", "must be nil if the type is Limited");
      if (limited) validateLimited(limited, errors);
      else errors.required("spec.limited", "must not be empty when type is Limited");
    } else requireOneOf(type, ["Exempt", "Limited"], "spec.type", errors);
  },
  allowUnconditionalUpdate: true,
};

function validateLimited(limited: Limited, errors: FieldErrors): void {
  const { nominalConcurrencyShares, lendablePercent, borrowingLimitPercent, limitResponse } = limited;
  notNegative(nominalConcurrencyShares, "spec.limited.nominalConcurrencyShares", errors);
  if (lendablePercent !== undefined && (lendablePercent < 0 || lendablePercent > 100))
    errors.invalid("spec.limited.lendablePercent", lendablePercent, "must be between 0 and 100, inclusive");
  notNegative(borrowingLimitPercent, "spec.limited.borrowingLimitPercent", errors);
  const at = "spec.limited.limitResponse";
  const { type, queuing } = limitResponse ?? {};
  if (type === "Reject" && queuing) errors.forbidden(`${at}.queuing`, "must be nil if the type is not Queue");
  else if (type === "Queue") {
    if (!queuing) {
      errors.required(`${at}.queuing`, "must not be empty if limited and limit response type is Queue");
      return;
    }
    const { queues = 0, handSize = 0, queueLengthLimit = 0 } = queuing;
    if (queueLengthLimit <= 0) errors.invalid(`${at}.queuing.queueLengthLimit`, queueLengthLimit, "must be positive");
    if (queues <= 0) errors.invalid(`${at}.queuing.queues`, queues, "must be positive");
    else if (queues > MOST_QUEUES)
      errors.invalid(`${at}.queuing.queues`, queues, `must not be greater than ${MOST_QUEUES}`);
    if (handSize <= 0) errors.invalid(`${at}.queuing.handSize`, handSize, "must be positive");
    else if (handSize > queues)
      errors.invalid(`${at}.queuing.handSize`, handSize, `should not be greater than queues (${queues})`);
  } else requireOneOf(type, ["Queue", "Reject"], `${at}.type`, errors);
}
