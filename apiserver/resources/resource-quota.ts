/**
 * ResourceQuota: how much all of a namespace may ask for, or those of its Pods that scopes select.
 *
 * A scope goes only with what it can count. Counting is admission's and the quota controller's.
 */
import type * as models from "@kubernetes/client-node";
import { ownValue } from "../../machinery/objects/own-value.ts";
import type { Stored, Wire } from "../../machinery/objects/wire.ts";
import { validateAmount } from "./compute-resources.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { entry } from "./path.ts";
import { isQuotaResource, validateQuotaResourceName } from "./resource-names.ts";
import { fractional } from "./warn.ts";

type Quota = Stored<models.V1ResourceQuota>;
type Spec = Wire<models.V1ResourceQuotaSpec>;
type Amounts = Readonly<Record<string, string>>;
type Requirement = Wire<models.V1ScopedResourceSelectorRequirement>;

export const resourceQuotaStrategy: Strategy<Quota> = {
  validate({ spec = {} }, errors) {
    validateAmounts(spec.hard, "spec.hard", errors);
    validateScopes(spec, errors);
    validateSelector(spec, errors);
  },

  validateUpdate({ spec }, old, errors) {
    const key = (scopes: readonly string[] = []): string => [...new Set(scopes)].sort().join();
    if (key(spec?.scopes) === key(old.spec?.scopes)) return;
    errors.invalid("spec.scopes", spec?.scopes, "field is immutable");
  },

  validateStatusUpdate({ status }, _old, errors) {
    validateAmounts(status?.hard, "status.hard", errors);
    validateAmounts(status?.used, "status.used", errors);
  },

  warnings({ spec }) {
    const found: string[] = [];
    for (const name of BYTES) {
      const at = entry("spec.hard", name);
      fractional(spec?.hard?.[name], at, (path, text) => found.push(`${path}: ${text}`));
    }
    return found;
  },

  allowUnconditionalUpdate: true,
};

const BYTES: readonly string[] = [
  "memory",
  "ephemeral-storage",
  "requests.memory",
  "requests.storage",
  "requests.ephemeral-storage",
  "limits.memory",
  "limits.ephemeral-storage",
];

function validateAmounts(amounts: Amounts | undefined, path: string, errors: FieldErrors): void {
  for (const name in amounts) {
    const at = entry(path, name);
    validateQuotaResourceName(name, at, errors);
    validateAmount(name, amounts[name]!, at, errors);
  }
}

const POD_RESOURCES: ReadonlySet<string> = new Set([
  "pods",
  "cpu",
  "memory",
  "limits.cpu",
  "limits.memory",
  "requests.cpu",
  "requests.memory",
]);

/** Scope ► what it can count. */
const SCOPES: Readonly<Record<string, ReadonlySet<string>>> = {
  Terminating: POD_RESOURCES,
  NotTerminating: POD_RESOURCES,
  NotBestEffort: POD_RESOURCES,
  PriorityClass: POD_RESOURCES,
  CrossNamespacePodAffinity: POD_RESOURCES,
  BestEffort: new Set(["pods"]),
  VolumeAttributesClass: new Set(["persistentvolumeclaims", "requests.storage"]),
};

const CONFLICTS = [
  ["BestEffort", "NotBestEffort"],
  ["Terminating", "NotTerminating"],
] as const;

const countable = (hard: Amounts = {}): string[] => Object.keys(hard).filter(isQuotaResource).sort();

function validateScopes({ scopes = [], hard }: Spec, errors: FieldErrors): void {
  const path = "spec.scopes";
  for (const scope of scopes) {
    if (!ownValue(SCOPES, scope)) errors.invalid(path, scopes, "unsupported scope");
    for (const name of countable(hard)) {
      if (!ownValue(SCOPES, scope)?.has(name)) errors.invalid(path, scopes, "unsupported scope applied to resource");
    }
  }
  validateConflicts(scopes, scopes, path, errors);
}

function validateConflicts(used: readonly string[], shown: unknown, path: string, errors: FieldErrors): void {
  for (const pair of CONFLICTS) {
    if (pair.every((scope) => used.includes(scope))) errors.invalid(path, shown, "conflicting scopes");
  }
}

const ONLY_EXISTS =
  "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
const PATH = "spec.scopeSelector.matchExpressions";

function validateSelector({ scopeSelector, hard, scopes }: Spec, errors: FieldErrors): void {
  if (!scopeSelector) return;
  const requirements = scopeSelector.matchExpressions ?? [];
  for (const requirement of requirements) {
    const { scopeName } = requirement;
    if (!ownValue(SCOPES, scopeName)) errors.invalid(`${PATH}.scopeName`, scopeName, "unsupported scope");
    for (const name of countable(hard)) {
      if (ownValue(SCOPES, scopeName)?.has(name)) continue;
      errors.invalid(PATH, scopeSelector, "unsupported scope applied to resource");
    }
    validateOperator(requirement, errors);
  }
  validateConflicts(
    requirements.map(({ scopeName }) => scopeName),
    scopes,
    PATH,
    errors,
  );
}

function validateOperator({ scopeName, operator, values = [] }: Requirement, errors: FieldErrors): void {
  const valued = scopeName === "PriorityClass" || scopeName === "VolumeAttributesClass";
  if (ownValue(SCOPES, scopeName) && !valued && operator !== "Exists")
    errors.invalid(`${PATH}.operator`, operator, ONLY_EXISTS);
  if (operator === "In" || operator === "NotIn") {
    if (values.length === 0) {
      const detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
      errors.required(`${PATH}.values`, detail);
    }
  } else if (operator === "Exists" || operator === "DoesNotExist") {
    if (values.length > 0) {
      const detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
      errors.invalid(`${PATH}.values`, values, detail);
    }
  } else errors.invalid(`${PATH}.operator`, operator, "not a valid selector operator");
}
