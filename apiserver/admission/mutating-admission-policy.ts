/**
 * Mutating admission policy: policies written in CEL, bound to what they are about, change objects.
 *
 * One after the other by name, each on what those before it have made. Where none is bound, nothing happens but a look
 * at two counters. What fails refuses the request unless its failurePolicy is Ignore; other policies still run.
 * https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
 */
import { ApiError } from "../../machinery/objects/status.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { FieldManagement } from "../apply/contract.ts";
import type { Authorizer } from "../auth/contract.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices, Rounds } from "./contract.ts";
import {
  compileMutations,
  type MutatingBinding,
  type MutatingPolicy,
  MutationError,
  type MutationPrograms,
  mutated,
} from "./mutation-programs.ts";
import { namespaceReader, type ReadNamespace } from "./namespace-of.ts";
import { conditionsHold } from "./policy-evaluation.ts";
import { type BoundPolicy, PolicyIndex } from "./policy-index.ts";
import { equivalents, isExempt, isQuestion, matchResources } from "./policy-matching.ts";
import { ConfigurationError, collectParams, paramRow } from "./policy-params.ts";
import { authorizerValues, namespaceValue, objectsAs, requestValue } from "./policy-request.ts";
import { refused } from "./refused.ts";
import { replaceObject } from "./replace-object.ts";
import { Reinvocation } from "./rounds.ts";

const NAME = "MutatingAdmissionPolicy";
const POLICIES = "mutatingadmissionpolicies.admissionregistration.k8s.io";
const BINDINGS = "mutatingadmissionpolicybindings.admissionregistration.k8s.io";

export interface MutatingPolicyOptions {
  readonly authorize: Authorizer;
  readonly rows: () => readonly ResourceRow[];
  readonly merge: FieldManagement["merge"];
}

type Bound = BoundPolicy<MutatingPolicy, MutatingBinding, MutationPrograms>;

/** A policy with one of its bindings and one of that binding's params. */
interface Invocation {
  readonly bound: Bound;
  readonly binding: MutatingBinding;
  readonly params: StoredObject | undefined;
  readonly row: ResourceRow;
}

interface Failure {
  readonly policy: MutatingPolicy;
  readonly binding: MutatingBinding | undefined;
  readonly message: string;
  readonly reason?: string;
}

interface Deciding extends MutatingPolicyOptions {
  readonly request: AdmissionRequest;
  readonly services: AdmissionServices;
  readonly rounds: Rounds;
  readonly namespace: ReadNamespace;
  readonly failures: Failure[];
}

export function mutatingAdmissionPolicy(options: MutatingPolicyOptions): AdmissionPlugin {
  const index = new PolicyIndex<MutatingPolicy, MutatingBinding, MutationPrograms>(
    POLICIES,
    BINDINGS,
    compileMutations,
  );
  return {
    name: NAME,
    mutate(request, services, rounds) {
      const bound = index.bound(services.objects);
      if (bound.length === 0 || !request.object || isExempt(request) || isQuestion(request)) return undefined;
      const namespace = namespaceReader(request, services);
      return decide(bound, { ...options, request, services, rounds, namespace, failures: [] });
    },
  };
}

async function decide(bound: readonly Bound[], deciding: Deciding): Promise<void> {
  const { request, rounds, failures } = deciding;
  const invocations: Invocation[] = [];
  for (const one of bound) invocations.push(...(await invocationsOf(one, deciding)));
  if (invocations.length > 0) {
    const reinvocation = rounds.state(NAME, () => new Reinvocation());
    reinvocation.begin(rounds, request.object);
    for (const invocation of invocations) await invoke(invocation, reinvocation, deciding);
    reinvocation.end(rounds, request.object);
  }
  const counted = failures.filter(({ policy }) => policy.spec?.failurePolicy !== "Ignore");
  if (counted.length > 0) throw refusal(request, counted);
}

/** With what, if anything, the policy is to be run on the request. */
async function invocationsOf(bound: Bound, deciding: Deciding): Promise<readonly Invocation[]> {
  const { request, services, rows, namespace, failures } = deciding;
  const { policy, bindings } = bound;
  const labels = async () => (await namespace())?.metadata.labels;
  const same = (row: ResourceRow) => equivalents(row, rows());
  const matched = await matchResources(policy.spec?.matchConstraints ?? {}, request, labels, same);
  if (!matched) return [];
  const found: Invocation[] = [];
  for (const binding of bindings) {
    const constraints = binding.spec?.matchResources;
    if (constraints && !(await matchResources(constraints, request, labels, same))) continue;
    try {
      const all = await collectParams(paramRow(policy, rows), binding, request.namespace, services);
      found.push(...all.map((params) => ({ bound, binding, params, row: matched.row })));
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      const message = `failed to configure ${error.of}: ${error.message}`;
      failures.push({ policy, binding: error.of === "policy" ? undefined : binding, message });
    }
  }
  return found;
}

async function invoke(invocation: Invocation, reinvocation: Reinvocation, deciding: Deciding): Promise<void> {
  const { bound, binding, params } = invocation;
  const { rounds, failures } = deciding;
  const { policy } = bound;
  const programs = bound.programs();
  const holds = conditionsHold(programs.matchConditions, (await valuesOf(invocation, deciding)).values);
  if (typeof holds === "string") failures.push({ policy, binding, message: holds, reason: "Invalid" });
  if (holds !== true) return;
  const key = [policy, binding, params].map((one) => `${one?.metadata.namespace}/${one?.metadata.name}`).join("/");
  if (!reinvocation.mayCall(rounds, key)) return;
  let changed = false;
  for (const mutation of programs.mutations) {
    try {
      if (await mutate(invocation, mutation, deciding)) changed = true;
    } catch (error) {
      if (!(error instanceof MutationError)) throw error;
      failures.push({ policy, binding, message: error.message, reason: "Invalid" });
    }
  }
  if (changed) {
    reinvocation.changed();
    rounds.ask();
  }
  if (policy.spec?.reinvocationPolicy === "IfNeeded") reinvocation.called(key);
}

/** True where the object is another one now. */
async function mutate(
  invocation: Invocation,
  mutation: MutationPrograms["mutations"][number],
  deciding: Deciding,
): Promise<boolean> {
  const { row, bound } = invocation;
  const { request, services, merge } = deciding;
  const { values, object } = await valuesOf(invocation, deciding);
  if (!object) return false;
  const made = mutated(bound.programs(), mutation, values, { kind: request.kind ?? row, object, merge });
  return made === undefined ? false : replaceObject(request, row, made, services);
}

/** What the expressions see of the request as it is now. */
async function valuesOf({ row, params }: Invocation, { request, namespace, authorize }: Deciding) {
  const objects = await objectsAs(request, row);
  const values = {
    ...objects,
    request: requestValue(request, row),
    namespaceObject: namespaceValue(await namespace()),
    params: params ?? null,
    ...authorizerValues(request, authorize),
  };
  return { values, object: objects.object };
}

/** The first failure is the answer, all of them are its causes. */
function refusal(request: AdmissionRequest, failures: readonly Failure[]): ApiError {
  const causes = failures.map(({ policy, binding, message }) => ({
    message: binding
      ? `policy '${policy.metadata.name}' with binding '${binding.metadata.name}' denied request: ${message}`
      : `policy ${JSON.stringify(policy.metadata.name)} denied request: ${message}`,
  }));
  const { details } = refused(request, "admission request denied by policy", causes);
  return new ApiError(failures[0]?.reason ?? "Forbidden", causes[0]?.message ?? "", details, 403);
}
