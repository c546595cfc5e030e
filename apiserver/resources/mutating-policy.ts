/**
 * MutatingAdmissionPolicy and its bindings: defaults and validation, every expression compiled.
 *
 * How they change objects: ../admission/mutating-admission-policy.ts.
 */
import type * as models from "@kubernetes/client-node";
import { dns1123Subdomain } from "../../machinery/objects/names.ts";
import type { Stored, Wire } from "../../machinery/objects/wire.ts";
import { checkMutatingExpressions } from "../cel/policy-rules.ts";
import { validateParamKind, validateParamRef, validateVariables } from "./admission-policy.ts";
import { defaultMatchResources, validateMatchConditions, validateMatchResources } from "./admission-rules.ts";
import { requireNamed, requireOneOf } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";

type Policy = Stored<models.V1MutatingAdmissionPolicy>;
type Binding = Stored<models.V1MutatingAdmissionPolicyBinding>;
type Mutation = Wire<models.V1Mutation>;
type Rules = Wire<models.V1MatchResources>["resourceRules"];

/** There is nothing to change in what is deleted. */
const OPERATIONS = ["*", "CONNECT", "CREATE", "UPDATE"];

export const mutatingAdmissionPolicyStrategy: Strategy<Policy> = {
  defaults({ spec }) {
    if (!spec) return;
    spec.failurePolicy ??= "Fail";
    defaultMatchResources(spec.matchConstraints);
  },
  validate({ spec = {} as NonNullable<Policy["spec"]> }, errors) {
    requireOneOf(spec.failurePolicy, ["Fail", "Ignore"], "spec.failurePolicy", errors);
    validateParamKind(spec.paramKind, errors);
    const constraints = "spec.matchConstraints";
    if (!spec.matchConstraints) errors.required(constraints);
    else {
      validateMatchResources(spec.matchConstraints, constraints, errors);
      if (!spec.matchConstraints.resourceRules?.length) errors.required(`${constraints}.resourceRules`);
      validateOperations(spec.matchConstraints.resourceRules, `${constraints}.resourceRules.operations`, errors);
    }
    validateMatchConditions(spec.matchConditions, "spec.matchConditions", errors);
    validateVariables(spec.variables, errors);
    if (!spec.mutations?.length) errors.required("spec.mutations", "mutations must contain at least one item");
    for (const [at, one] of (spec.mutations ?? []).entries()) validateMutation(one, `spec.mutations[${at}]`, errors);
    requireOneOf(spec.reinvocationPolicy, ["IfNeeded", "Never"], "spec.reinvocationPolicy", errors);
    checkMutatingExpressions(spec, (field, value, detail) => errors.invalid(field, value, detail));
  },
};

export const mutatingAdmissionPolicyBindingStrategy: Strategy<Binding> = {
  defaults({ spec }) {
    defaultMatchResources(spec?.matchResources);
  },
  validate({ spec }, errors) {
    requireNamed(spec?.policyName, dns1123Subdomain, "spec.policyName", errors);
    validateParamRef(spec?.paramRef, "spec.paramRef", errors);
    validateMatchResources(spec?.matchResources, "spec.matchResources", errors);
    validateOperations(spec?.matchResources?.resourceRules, "spec.matchResources.resourceRules.operations", errors);
  },
};

function validateOperations(rules: Rules, path: string, errors: FieldErrors): void {
  for (const { operations = [] } of rules ?? []) {
    for (const one of operations) if (!OPERATIONS.includes(one)) errors.notSupported(path, one, OPERATIONS);
  }
}

/** patchType ► the field that goes with it, and the one that does not. */
const FIELDS = {
  JSONPatch: ["jsonPatch", "applyConfiguration"],
  ApplyConfiguration: ["applyConfiguration", "jsonPatch"],
} as const;

function validateMutation(mutation: Mutation, path: string, errors: FieldErrors): void {
  const { patchType } = mutation;
  if (!patchType) {
    errors.required(`${path}.patchType`);
    return;
  }
  if (!Object.hasOwn(FIELDS, patchType)) {
    errors.notSupported(`${path}.patchType`, patchType, Object.keys(FIELDS).sort());
    return;
  }
  const [own, other] = FIELDS[patchType as keyof typeof FIELDS];
  if (!mutation[own]) errors.required(`${path}.${own}`, `must be specified when patchType is ${patchType}`);
  else if (!mutation[own].expression?.trim()) errors.required(`${path}.${own}.expression`);
  const detail = `must not be specified when patchType is ${patchType}`;
  if (mutation[other]) errors.invalid(`${path}.${other}`, `{${other}}`, detail);
}
