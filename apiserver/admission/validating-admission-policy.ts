/**
 * Validating admission policy: policies written in CEL, bound to what they are about, decide over writes.
 *
 * Where no policy is bound nothing happens but a look at two counters. The index of policies is made anew when one
 * of them or of the bindings changed; their programs are kept by uid and generation, and go with the policy.
 * https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
 */
import { ApiError } from "../../machinery/objects/status.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { Authorizer } from "../auth/contract.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices } from "./contract.ts";
import { namespaceReader } from "./namespace-of.ts";
import { evaluatePolicy } from "./policy-evaluation.ts";
import { type BoundPolicy, PolicyIndex } from "./policy-index.ts";
import { equivalents, isExempt, isQuestion, type MatchedAs, matchResources } from "./policy-matching.ts";
import { ConfigurationError, collectParams, paramRow } from "./policy-params.ts";
import { type Binding, compilePolicy, type Policy, type PolicyPrograms } from "./policy-programs.ts";
import { authorizerValues, namespaceValue, objectsAs, requestValue } from "./policy-request.ts";
import { refused } from "./refused.ts";

const POLICIES = "validatingadmissionpolicies.admissionregistration.k8s.io";
const BINDINGS = "validatingadmissionpolicybindings.admissionregistration.k8s.io";
const FAILURE = "validation.policy.admission.k8s.io/validation_failure";
const ANNOTATION_BYTES = 10 * 1024;

export interface PolicyOptions {
  readonly authorize: Authorizer;
  readonly rows: () => readonly ResourceRow[];
}

type Bound = BoundPolicy<Policy, Binding, PolicyPrograms>;

/** A denial with what it is told by. */
interface Denial {
  readonly policy: Policy;
  readonly binding: Binding | undefined;
  readonly message: string;
  readonly reason?: string | undefined;
}

export function validatingAdmissionPolicy({ authorize, rows }: PolicyOptions): AdmissionPlugin {
  const index = new PolicyIndex<Policy, Binding, PolicyPrograms>(POLICIES, BINDINGS, compilePolicy);
  return {
    name: "ValidatingAdmissionPolicy",
    validate(request, services) {
      const bound = index.bound(services.objects);
      if (bound.length === 0 || isExempt(request) || isQuestion(request)) return undefined;
      return decide(bound, request, services);
    },
  };

  async function decide(bound: readonly Bound[], request: AdmissionRequest, services: AdmissionServices) {
    const denials: Denial[] = [];
    const namespace = namespaceReader(request, services);
    for (const one of bound) {
      const labels = async () => (await namespace())?.metadata.labels;
      const constraints = one.policy.spec?.matchConstraints ?? {};
      const matched = await matchResources(constraints, request, labels, (row) => equivalents(row, rows()));
      if (matched) await applyBindings(one, matched, { request, services, namespace, denials, labels });
    }
    const [first] = denials;
    if (first) throw refusal(request, first);
  }

  interface Applying {
    readonly request: AdmissionRequest;
    readonly services: AdmissionServices;
    readonly namespace: () => Promise<StoredObject | undefined>;
    readonly labels: () => Promise<Readonly<Record<string, string>> | undefined>;
    readonly denials: Denial[];
  }

  async function applyBindings({ policy, bindings, programs }: Bound, matched: MatchedAs, applying: Applying) {
    const { request, services, namespace, labels, denials } = applying;
    const annotations = new Map<string, Set<string>>();
    for (const binding of bindings) {
      const { matchResources: constraints } = binding.spec ?? {};
      if (constraints && !(await matchResources(constraints, request, labels, (row) => equivalents(row, rows())))) {
        continue;
      }
      const found = await paramsOf(policy, binding, request, services);
      if (found.denial) {
        if (policy.spec?.failurePolicy !== "Ignore") denials.push(found.denial);
        continue;
      }
      const base = {
        ...(await objectsAs(request, matched.row)),
        request: requestValue(request, matched.row),
        namespaceObject: namespaceValue(await namespace()),
        ...authorizerValues(request, authorize),
      };
      for (const params of found.params) {
        const evaluation = evaluatePolicy(
          programs(),
          { ...base, params: params ?? null },
          policy.spec?.failurePolicy === "Ignore",
        );
        evaluation.decisions.forEach((decision, at) => {
          if (decision.kind === "deny") denials.push(...act({ policy, binding, ...decision }, at, request));
        });
        for (const annotation of evaluation.annotations) {
          if (annotation.kind === "error") denials.push({ policy, binding, message: annotation.error });
          if (annotation.kind !== "publish") continue;
          const values = annotations.get(annotation.key) ?? new Set();
          annotations.set(annotation.key, values.add(annotation.value.slice(0, ANNOTATION_BYTES)));
        }
      }
    }
    for (const [key, values] of annotations) {
      request.annotate?.(`${policy.metadata.name}/${key}`, [...values].join(", "));
    }
  }

  /** The params, or the denial that a mistake in how they are asked for is. */
  async function paramsOf(
    policy: Policy,
    binding: Binding,
    { namespace }: AdmissionRequest,
    services: AdmissionServices,
  ): Promise<{ readonly params: readonly (StoredObject | undefined)[]; readonly denial?: Denial }> {
    try {
      return { params: await collectParams(paramRow(policy, rows), binding, namespace, services) };
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      const message = `failed to configure ${error.of}: ${error.message}`;
      return { params: [], denial: { policy, binding: error.of === "policy" ? undefined : binding, message } };
    }
  }
}

/** Does with a denial what the binding asks for; what is left refuses the write. */
function act(denial: Denial & { readonly binding: Binding }, at: number, request: AdmissionRequest): readonly Denial[] {
  const { policy, binding, message } = denial;
  const actions = binding.spec?.validationActions ?? [];
  const names = { policy: policy.metadata.name, binding: binding.metadata.name };
  if (actions.includes("Warn")) {
    const by = `ValidatingAdmissionPolicy '${names.policy}' with binding '${names.binding}'`;
    request.warnings.push(`Validation failed for ${by}: ${message}`);
  }
  if (actions.includes("Audit")) {
    const value = [{ message, ...names, expressionIndex: at, validationActions: actions }];
    request.annotate?.(FAILURE, JSON.stringify(value));
  }
  return actions.includes("Deny") ? [denial] : [];
}

const codes: Readonly<Record<string, number>> = { Unauthorized: 401, Forbidden: 403, RequestEntityTooLarge: 413 };

function refusal(request: AdmissionRequest, { policy, binding, message, reason = "Invalid" }: Denial): ApiError {
  const by = binding ? ` with binding '${binding.metadata.name}'` : "";
  const text = `ValidatingAdmissionPolicy '${policy.metadata.name}'${by} denied request: ${message}`;
  const forbidden = refused(request, text, [{ message: text }]);
  return new ApiError(reason, forbidden.message, forbidden.details, codes[reason] ?? 422);
}
