/**
 * Policy programs: a ValidatingAdmissionPolicy's expressions, compiled once for each generation of it; what policies
 * of both kinds share of that.
 *
 * What does not compile (a policy written by an older server) is kept as its error and told when it would run.
 */
import type * as models from "@kubernetes/client-node";
import type { Stored, Wire } from "../../machinery/objects/wire.ts";
import { bool, type CelProgram, type CelType, type CompileOptions, dyn, string } from "../cel/contract.ts";
import { cel } from "../cel/lazy.ts";
import { type PolicyEnvironment, policyVariables } from "../cel/policy-environment.ts";

export type Policy = Stored<models.V1ValidatingAdmissionPolicy>;
export type Binding = Stored<models.V1ValidatingAdmissionPolicyBinding>;
export type Validation = Wire<models.V1Validation>;
export type MatchCondition = Wire<models.V1MatchCondition>;

/** A program, or why there is none. */
export type Compiled = { readonly program: CelProgram } | { readonly error: string };

export interface NamedProgram {
  readonly name: string;
  readonly compiled: Compiled;
}

export interface PolicyPrograms {
  readonly matchConditions: readonly NamedProgram[];
  readonly variables: readonly NamedProgram[];
  readonly validations: readonly {
    readonly validation: Validation;
    readonly compiled: Compiled;
    readonly message: Compiled | undefined;
  }[];
  readonly auditAnnotations: readonly {
    readonly key: string;
    readonly valueExpression: string;
    readonly compiled: Compiled;
  }[];
}

const NULL: CelType = { kind: "null" };

export function compilePolicy({ spec = {} }: Policy): PolicyPrograms {
  const params = spec.paramKind !== undefined;
  const { known, variables } = compileVariables(spec.variables, params);
  return {
    matchConditions: compileConditions(spec.matchConditions ?? [], { params, authorizer: true }),
    variables,
    validations: (spec.validations ?? []).map((validation) => ({
      validation,
      compiled: compile(validation.expression ?? "", { params, authorizer: true, variables: known }, [bool]),
      message: validation.messageExpression
        ? compile(validation.messageExpression, { params, variables: known }, [string])
        : undefined,
    })),
    auditAnnotations: (spec.auditAnnotations ?? []).map(({ key = "", valueExpression = "" }) => ({
      key,
      valueExpression,
      compiled: compile(valueExpression, { params, authorizer: true, variables: known }, [string, NULL]),
    })),
  };
}

/** Programs of a policy's variables, and the types that expressions after them know. */
export function compileVariables(variables: readonly Wire<models.V1Variable>[] | undefined, params: boolean) {
  const known: Record<string, CelType> = {};
  const programs = (variables ?? []).map(({ name = "", expression = "" }): NamedProgram => {
    const compiled = compile(expression, { params, authorizer: true, variables: { ...known } });
    known[name] = "program" in compiled ? compiled.program.type : dyn;
    return { name, compiled };
  });
  return { known, variables: programs };
}

export const compileConditions = (
  conditions: readonly MatchCondition[],
  environment: PolicyEnvironment,
): readonly NamedProgram[] =>
  conditions.map(({ name = "", expression = "" }) => ({ name, compiled: compile(expression, environment, [bool]) }));

export function compile(
  expression: string,
  environment: PolicyEnvironment,
  result?: readonly CelType[],
  more: Pick<CompileOptions, "messages" | "patches"> = {},
): Compiled {
  try {
    const variables = policyVariables(environment);
    return { program: cel().compile(expression, { variables, ...(result ? { result } : {}), ...more }) };
  } catch (error) {
    if ((error as Error).name === "CelCompileError") return { error: `compilation error: ${(error as Error).message}` };
    throw error;
  }
}
