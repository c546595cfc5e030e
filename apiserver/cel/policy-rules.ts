/**
 * Policy rules: the expressions of a ValidatingAdmissionPolicy or webhook as validation asks about them.
 *
 * Each is compiled with the variables that it will have; what is wrong is told with its field, in Kubernetes' words.
 */
import type * as models from "@kubernetes/client-node";
import type { Wire } from "../../machinery/objects/wire.ts";
import { bool, type CelType, dyn, string } from "./contract.ts";
import { checkExpression, mutationOptions, mutationTypes, type PolicyEnvironment } from "./policy-environment.ts";

/** `field`: "spec.validations[0].expression". */
export type Report = (field: string, value: string, detail: string) => void;

type PolicySpec = Wire<models.V1ValidatingAdmissionPolicySpec>;
type MatchCondition = Wire<models.V1MatchCondition>;

const NULL: CelType = { kind: "null" };

/** Expressions that are empty are left to the rules of the kind: they are required, not wrong. */
export function checkPolicyExpressions(spec: PolicySpec, report: Report): void {
  const params = spec.paramKind !== undefined;
  const known: Record<string, CelType> = {};
  (spec.variables ?? []).forEach(({ name, expression }, at) => {
    const environment = { params, authorizer: true, variables: { ...known } };
    known[name] = checked(expression, environment, `spec.variables[${at}].expression`, report) ?? dyn;
  });
  checkMatchConditions(spec.matchConditions, { params, authorizer: true }, "spec.matchConditions", report);
  (spec.validations ?? []).forEach(({ expression, messageExpression }, at) => {
    const field = `spec.validations[${at}]`;
    checked(expression, { params, authorizer: true, variables: known }, `${field}.expression`, report, [bool]);
    checked(messageExpression, { params, variables: known }, `${field}.messageExpression`, report, [string]);
  });
  (spec.auditAnnotations ?? []).forEach(({ valueExpression }, at) => {
    const field = `spec.auditAnnotations[${at}].valueExpression`;
    checked(valueExpression, { params, authorizer: true, variables: known }, field, report, [string, NULL]);
  });
}

type MutatingSpec = Wire<models.V1MutatingAdmissionPolicySpec>;

/** As checkPolicyExpressions, of a policy that changes objects. */
export function checkMutatingExpressions(spec: MutatingSpec, report: Report): void {
  const params = spec.paramKind !== undefined;
  const known: Record<string, CelType> = {};
  (spec.variables ?? []).forEach(({ name, expression }, at) => {
    const environment = { params, authorizer: true, variables: { ...known } };
    known[name] = checked(expression, environment, `spec.variables[${at}].expression`, report) ?? dyn;
  });
  checkMatchConditions(spec.matchConditions, { params, authorizer: true }, "spec.matchConditions", report);
  (spec.mutations ?? []).forEach(({ patchType, applyConfiguration, jsonPatch }, at) => {
    const [field, mutation] =
      patchType === "JSONPatch" ? ["jsonPatch", jsonPatch] : ["applyConfiguration", applyConfiguration];
    const expression = mutation?.expression?.trim();
    const result = mutationTypes[patchType];
    if (!expression || !result) return;
    const environment = { params, authorizer: true, variables: known };
    const { error } = checkExpression(expression, environment, [result], mutationOptions);
    if (error !== undefined) report(`spec.mutations[${at}].${field}.expression`, expression, error);
  });
}

/** Of policies, and of webhooks (which know no params and no namespaceObject). */
export function checkMatchConditions(
  conditions: readonly MatchCondition[] | undefined,
  environment: PolicyEnvironment,
  field: string,
  report: Report,
): void {
  (conditions ?? []).forEach(({ expression }, at) => {
    checked(expression, environment, `${field}[${at}].expression`, report, [bool]);
  });
}

/** The expression's type; undefined where it has none. */
function checked(
  expression: string | undefined,
  environment: PolicyEnvironment,
  field: string,
  report: Report,
  result?: readonly CelType[],
): CelType | undefined {
  if (!expression?.trim()) return undefined;
  const { type, error } = checkExpression(expression, environment, result);
  if (error !== undefined) report(field, expression, error);
  return type;
}
