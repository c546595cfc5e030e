/**
 * Mutation programs: a MutatingAdmissionPolicy's expressions compiled, and what they make of an object.
 *
 * An expression gives operations of a JSON patch, or a configuration that is laid over the object. What fails is an
 * error of the policy, which its failurePolicy judges.
 */
import type * as models from "@kubernetes/client-node";
import { applyJsonPatch, PatchError, type PatchOperation } from "../../machinery/objects/json-patch.ts";
import type { KubeObject, Stored } from "../../machinery/objects/wire.ts";
import { limits } from "../../machinery/process/limits.ts";
import { type FieldManagement, MergeError } from "../apply/contract.ts";
import { type CelValue, celLimits } from "../cel/contract.ts";
import { cel } from "../cel/lazy.ts";
import { mutationOptions, mutationTypes } from "../cel/policy-environment.ts";
import type { GroupVersionKind } from "../schema/contract.ts";
import { attempt, type Bindings, withVariables } from "./policy-evaluation.ts";
import { type Compiled, compile, compileConditions, compileVariables, type NamedProgram } from "./policy-programs.ts";

export type MutatingPolicy = Stored<models.V1MutatingAdmissionPolicy>;
export type MutatingBinding = Stored<models.V1MutatingAdmissionPolicyBinding>;

export interface MutationPrograms {
  readonly matchConditions: readonly NamedProgram[];
  readonly variables: readonly NamedProgram[];
  readonly mutations: readonly { readonly patchType: string; readonly compiled: Compiled }[];
}

export class MutationError extends Error {
  override readonly name = "MutationError";
}

export function compileMutations({ spec }: MutatingPolicy): MutationPrograms {
  const { matchConditions = [], mutations = [] } = spec ?? {};
  const params = spec?.paramKind !== undefined;
  const { known, variables } = compileVariables(spec?.variables, params);
  const environment = { params, authorizer: true, variables: known };
  return {
    matchConditions: compileConditions(matchConditions, { params, authorizer: true }),
    variables,
    mutations: mutations.map(({ patchType, applyConfiguration, jsonPatch }) => {
      const { expression = "" } = (patchType === "JSONPatch" ? jsonPatch : applyConfiguration) ?? {};
      const result = mutationTypes[patchType];
      const compiled = compile(expression.trim(), environment, result ? [result] : [], mutationOptions);
      return { patchType, compiled };
    }),
  };
}

/** What a mutation makes of the object, which stays as it is. Undefined: nothing. Throws a MutationError. */
export function mutated(
  { variables }: MutationPrograms,
  { patchType, compiled }: MutationPrograms["mutations"][number],
  bindings: Bindings,
  { kind, object, merge }: { kind: GroupVersionKind; object: KubeObject; merge: FieldManagement["merge"] },
): unknown {
  const budget = { remaining: celLimits.objectCost };
  const outcome = attempt(compiled, withVariables(variables, bindings, budget), budget);
  if ("error" in outcome) throw new MutationError(outcome.error);
  return patchType === "JSONPatch" ? patched(object, outcome.value) : configured(kind, object, outcome.value, merge);
}

function checkPlaces(value: CelValue): void {
  const wrong = cel().misplaced(value);
  if (wrong.length > 0) throw new MutationError(`type mismatch: ${wrong.join("\n")}`);
}

function configured(kind: GroupVersionKind, object: KubeObject, value: CelValue, merge: FieldManagement["merge"]) {
  checkPlaces(value);
  try {
    return merge(kind, object, value.json());
  } catch (error) {
    if (error instanceof MergeError) throw new MutationError(`error applying patch: ${error.message}`);
    throw unconverted(error);
  }
}

function patched(object: KubeObject, value: CelValue): unknown {
  try {
    const operations = value.json() as readonly PatchOperation[];
    checkPlaces(value);
    return applyJsonPatch(object, operations.map(complete), { copiedBytes: limits.jsonPatchCopiedBytes });
  } catch (error) {
    if (!(error instanceof PatchError)) throw unconverted(error);
    // a test that fails means: not this object
    if (error.untrue) return undefined;
    throw new MutationError(`JSONPath: ${error.message}`);
  }
}

const complete = ({ op = "", path = "", ...rest }: PatchOperation): PatchOperation => ({ op, path, ...rest });

/** Types of the language have no JSON. */
function unconverted(error: unknown): unknown {
  const { name, message } = error as Error;
  if (name !== "CelRuntimeError") return error;
  return new MutationError(`JSONPath valueExpression evaluated to a type that could not marshal to JSON: ${message}`);
}
