/**
 * Policy evaluation: one policy's expressions on one write with one set of params.
 *
 * All of it shares one budget. Variables are worked out when first used, and once. What fails to evaluate counts
 * as failurePolicy says; an expression that is false denies.
 */
import { type Budget, type CelProgram, type CelValue, celLimits, dyn } from "../cel/contract.ts";
import { cel } from "../cel/lazy.ts";
import { variablesType } from "../cel/policy-environment.ts";
import type { Compiled, NamedProgram, PolicyPrograms, Validation } from "./policy-programs.ts";

export type Bindings = Readonly<Record<string, unknown>>;

export type Decision =
  | { readonly kind: "admit" }
  | { readonly kind: "deny"; readonly message: string; readonly reason?: string };

export type AnnotationOutcome =
  | { readonly kind: "publish"; readonly key: string; readonly value: string }
  | { readonly kind: "exclude" }
  | { readonly kind: "error"; readonly error: string };

export interface Evaluation {
  readonly decisions: readonly Decision[];
  readonly annotations: readonly AnnotationOutcome[];
}

const MESSAGE_BYTES = 5 * 1024;
const OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run";
const nothing: Evaluation = { decisions: [], annotations: [] };

export function evaluatePolicy(programs: PolicyPrograms, bindings: Bindings, ignoreFailures: boolean): Evaluation {
  const failed = (message: string): Decision => (ignoreFailures ? { kind: "admit" } : { kind: "deny", message });
  const condition = conditionsHold(programs.matchConditions, bindings);
  if (typeof condition === "string") return { decisions: [failed(condition)], annotations: [] };
  if (!condition) return nothing;

  const budget: Budget = { remaining: celLimits.objectCost };
  const all = withVariables(programs.variables, bindings, budget);
  const decisions = programs.validations.map(({ validation, compiled, message }): Decision => {
    const outcome = attempt(compiled, all, budget);
    if ("error" in outcome) return failed(outcome.error);
    if (outcome.value.boolean() === true) return { kind: "admit" };
    const text = denialMessage(validation, message, all, budget);
    return { kind: "deny", message: text, reason: validation.reason ?? "Invalid" };
  });
  const rest: Budget = { remaining: celLimits.objectCost };
  const again = withVariables(programs.variables, bindings, rest);
  const annotations = programs.auditAnnotations.map((annotation) => annotate(annotation, again, rest, ignoreFailures));
  return { decisions, annotations };
}

/** True, false, or why it cannot be said: a condition that is false decides, whatever fails besides. */
export function conditionsHold(conditions: readonly NamedProgram[], bindings: Bindings): boolean | string {
  if (conditions.length === 0) return true;
  const budget: Budget = { remaining: celLimits.matchConditionsCost };
  const errors: string[] = [];
  for (const { compiled } of conditions) {
    const outcome = attempt(compiled, bindings, budget);
    if ("error" in outcome) errors.push(outcome.error);
    else if (outcome.value.boolean() !== true) return false;
  }
  if (errors.length === 0) return true;
  return errors.length === 1 ? (errors[0] as string) : `[${errors.join(", ")}]`;
}

export type Attempt = { readonly value: CelValue } | { readonly error: string };

export function attempt(compiled: Compiled, bindings: Bindings, budget: Budget): Attempt {
  if ("error" in compiled) return compiled;
  if (budget.remaining <= 0) return { error: OUT_OF_BUDGET };
  try {
    return { value: compiled.program.evaluate(bindings, budget) };
  } catch (error) {
    return { error: evaluationError(compiled.program, error, budget) };
  }
}

function evaluationError({ expression }: CelProgram, error: unknown, { remaining }: Budget): string {
  const { name, message, budgetExceeded } = error as Error & { readonly budgetExceeded?: boolean };
  if (name !== "CelRuntimeError") throw error;
  if (budgetExceeded && remaining <= 0) return OUT_OF_BUDGET;
  return `expression '${expression}' resulted in error: ${message}`;
}

export function withVariables(variables: readonly NamedProgram[], bindings: Bindings, budget: Budget): Bindings {
  const all: Record<string, unknown> = { ...bindings };
  const types = variables.map(
    ({ name, compiled }) => [name, "program" in compiled ? compiled.program.type : dyn] as const,
  );
  const makers = variables.map(({ name, compiled }) => [name, () => variable(name, compiled, all, budget)] as const);
  all["variables"] = cel().lazyObject(variablesType(Object.fromEntries(types)), Object.fromEntries(makers));
  return all;
}

function variable(name: string, compiled: Compiled, bindings: Bindings, budget: Budget): unknown {
  if ("error" in compiled) throw cel().error(`composited variable "${name}" fails to compile: ${compiled.error}`);
  try {
    return compiled.program.evaluate(bindings, budget).value;
  } catch (error) {
    const { name: kind, message, budgetExceeded } = error as Error & { readonly budgetExceeded?: boolean };
    if (kind !== "CelRuntimeError" || budgetExceeded) throw error;
    throw cel().error(`composited variable "${name}" fails to evaluate: ${message}`);
  }
}

/** What messageExpression says, else the message, else the expression itself. */
function denialMessage(
  { message, expression = "" }: Validation,
  compiled: Compiled | undefined,
  bindings: Bindings,
  budget: Budget,
): string {
  if (compiled) {
    const outcome = attempt(compiled, bindings, budget);
    const text = "value" in outcome ? outcome.value.string()?.trim() : undefined;
    if (text && Buffer.byteLength(text) <= MESSAGE_BYTES && !text.includes("\n")) return text;
  }
  return message?.trim() || `failed expression: ${expression.trim()}`;
}

function annotate(
  { key, valueExpression, compiled }: PolicyPrograms["auditAnnotations"][number],
  bindings: Bindings,
  budget: Budget,
  ignoreFailures: boolean,
): AnnotationOutcome {
  const outcome = attempt(compiled, bindings, budget);
  if ("error" in outcome) return ignoreFailures ? { kind: "exclude" } : { kind: "error", error: outcome.error };
  if (outcome.value.isNull) return { kind: "exclude" };
  const text = outcome.value.string();
  if (text !== undefined) return text.trim() ? { kind: "publish", key, value: text.trim() } : { kind: "exclude" };
  const error = `valueExpression '${valueExpression}' resulted in unsupported return type. Return type must be either string or null.`;
  return { kind: "error", error };
}
