/**
 * ValidatingAdmissionPolicy and its bindings: defaults and validation, every expression compiled.
 *
 * How they decide over writes: ../admission/validating-admission-policy.ts.
 */
import type * as models from "@kubernetes/client-node";
import { dns1035Label, dns1123Subdomain, pathSegment, qualifiedName } from "../../machinery/objects/names.ts";
import type { Stored, Wire } from "../../machinery/objects/wire.ts";
import { isIdentifier } from "../cel/escape.ts";
import { checkPolicyExpressions } from "../cel/policy-rules.ts";
import { defaultMatchResources, validateMatchConditions, validateMatchResources } from "./admission-rules.ts";
import { named, oneOf, requireNamed, requireOneOf } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabelSelector } from "./label-selector.ts";
import { each } from "./object-meta.ts";

type Policy = Stored<models.V1ValidatingAdmissionPolicy>;
type Spec = Wire<models.V1ValidatingAdmissionPolicySpec>;
type Validation = Wire<models.V1Validation>;
type Binding = Stored<models.V1ValidatingAdmissionPolicyBinding>;
type ParamRef = Wire<models.V1ParamRef>;

const ACTIONS = ["Audit", "Deny", "Warn"];
const REASONS = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];
const MOST_ANNOTATIONS = 20;
const LONGEST_VALUE = 5 * 1024;

export const validatingAdmissionPolicyStrategy: Strategy<Policy> = {
  defaults({ spec }) {
    if (!spec) return;
    spec.failurePolicy ??= "Fail";
    defaultMatchResources(spec.matchConstraints);
  },
  prepareForCreate(policy) {
    delete policy.status;
  },
  validate({ metadata, spec = {} }, errors) {
    requireOneOf(spec.failurePolicy, ["Fail", "Ignore"], "spec.failurePolicy", errors);
    validateParamKind(spec.paramKind, errors);
    if (!spec.matchConstraints) errors.required("spec.matchConstraints");
    else {
      validateMatchResources(spec.matchConstraints, "spec.matchConstraints", errors);
      if (!spec.matchConstraints.resourceRules?.length) errors.required("spec.matchConstraints.resourceRules");
    }
    validateMatchConditions(spec.matchConditions, "spec.matchConditions", errors);
    validateVariables(spec.variables, errors);
    if (!spec.validations?.length && !spec.auditAnnotations?.length) {
      const detail = "validations or auditAnnotations must contain at least one item";
      errors.required("spec.validations", detail);
      errors.required("spec.auditAnnotations", detail);
    }
    for (const [at, one] of (spec.validations ?? []).entries())
      validateValidation(one, `spec.validations[${at}]`, errors);
    validateAuditAnnotations(spec.auditAnnotations, metadata.name, errors);
    checkPolicyExpressions(spec, (field, value, detail) => errors.invalid(field, value, detail));
  },
};

export function validateParamKind(kind: Spec["paramKind"], errors: FieldErrors): void {
  if (!kind) return;
  const path = "spec.paramKind";
  const { apiVersion, kind: name } = kind;
  if (!apiVersion) errors.required(`${path}.apiVersion`);
  else if (apiVersion.split("/").length > 2) {
    errors.invalid(`${path}.apiVersion`, apiVersion, `unexpected GroupVersion string: ${apiVersion}`);
  } else {
    const [group = "", version = ""] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
    named(group, dns1123Subdomain, `${path}.apiVersion`, errors);
    if (version === "") errors.invalid(`${path}.apiVersion`, apiVersion, "version must be specified");
    else named(version, dns1035Label, `${path}.apiVersion`, errors);
  }
  if (!name) errors.required(`${path}.kind`);
  else {
    const wrong = dns1035Label(name.toLowerCase());
    const detail = `may have mixed case, but should otherwise match: ${wrong.join(",")}`;
    if (wrong.length > 0) errors.invalid(`${path}.kind`, name, detail);
  }
}

export function validateVariables(variables: Spec["variables"], errors: FieldErrors): void {
  for (const [at, { name, expression }] of (variables ?? []).entries()) {
    const path = `spec.variables[${at}]`;
    if (!name?.trim()) errors.required(`${path}.name`, "name is not specified");
    else if (!isIdentifier(name)) errors.invalid(`${path}.name`, name, "name is not a valid CEL identifier");
    if (!expression?.trim()) errors.required(`${path}.expression`, "expression is not specified");
  }
}

function validateValidation(
  { expression, message, messageExpression, reason }: Validation,
  path: string,
  errors: FieldErrors,
) {
  if (!expression?.trim()) errors.required(`${path}.expression`, "expression is not specified");
  if (messageExpression && !messageExpression.trim()) {
    errors.invalid(`${path}.messageExpression`, messageExpression, "must be non-empty if specified");
  }
  if (message && !message.trim()) errors.invalid(`${path}.message`, message, "message must be non-empty if specified");
  else if (message && /[\n\r]/.test(message.trim())) {
    errors.invalid(`${path}.message`, message, "message must not contain line breaks");
  }
  oneOf(reason, REASONS, `${path}.reason`, errors);
}

function validateAuditAnnotations(
  annotations: Spec["auditAnnotations"],
  name: string | undefined,
  errors: FieldErrors,
): void {
  if (!annotations) return;
  const path = "spec.auditAnnotations";
  if (annotations.length > MOST_ANNOTATIONS) {
    errors.invalid(path, annotations, `must not have more than ${MOST_ANNOTATIONS} auditAnnotations`);
  }
  const seen = new Set<string>();
  for (const [at, { key = "", valueExpression }] of annotations.entries()) {
    const field = `${path}[${at}]`;
    if (!name) errors.invalid(`${field}.key`, key, "requires metadata.name be non-empty");
    else each(qualifiedName(`${name}/${key}`), `${field}.key`, `${name}/${key}`, errors);
    const value = valueExpression?.trim() ?? "";
    if (value === "") errors.required(`${field}.valueExpression`, "valueExpression is not specified");
    else if (Buffer.byteLength(value) > LONGEST_VALUE) {
      errors.required(`${field}.valueExpression`, `must not exceed ${LONGEST_VALUE} bytes in length`);
    }
    if (seen.has(key)) errors.duplicate(`${field}.key`, key);
    seen.add(key);
  }
}

export const validatingAdmissionPolicyBindingStrategy: Strategy<Binding> = {
  defaults({ spec }) {
    defaultMatchResources(spec?.matchResources);
  },
  validate({ spec }, errors) {
    requireNamed(spec?.policyName, dns1123Subdomain, "spec.policyName", errors);
    validateParamRef(spec?.paramRef, "spec.paramRef", errors);
    validateMatchResources(spec?.matchResources, "spec.matchResouces", errors); // misspelt in Kubernetes too
    validateActions(spec?.validationActions ?? [], errors);
  },
};

export function validateParamRef(ref: ParamRef | undefined, path: string, errors: FieldErrors): void {
  if (!ref) return;
  const { name, selector, parameterNotFoundAction } = ref;
  if (name) {
    each(pathSegment(name), `${path}.name`, name, errors);
    if (selector) errors.forbidden(`${path}.name`, "name and selector are mutually exclusive");
  }
  if (selector) {
    validateLabelSelector(selector, `${path}.selector`, errors);
    if (name) errors.forbidden(`${path}.selector`, "name and selector are mutually exclusive");
  }
  if (!name && !selector) errors.required(path, "one of name or selector must be specified");
  requireOneOf(parameterNotFoundAction, ["Deny", "Allow"], `${path}.parameterNotFoundAction`, errors);
}

function validateActions(actions: readonly string[], errors: FieldErrors): void {
  const path = "spec.validationActions";
  const seen = new Set<string>();
  for (const [at, action] of actions.entries()) {
    oneOf(action, ACTIONS, `${path}[${at}]`, errors);
    if (seen.has(action)) errors.duplicate(`${path}[${at}]`, action);
    seen.add(action);
  }
  if (seen.has("Deny") && seen.has("Warn")) {
    const why = "repeating the same validation failure information in the API response and headers serves no purpose";
    errors.invalid(path, actions, `must not contain both Deny and Warn (${why})`);
  }
  if (actions.length === 0) errors.required(path, "at least one validation action is required");
}
