/**
 * Mutating webhooks: asked one after the other, each about what those before it have made of the object.
 *
 * In the second round those see it again that ask for it (reinvocationPolicy IfNeeded) and had it changed after them.
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
 */
import { applyJsonPatch, PatchError, type PatchOperation } from "../../machinery/objects/json-patch.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices, Rounds } from "./contract.ts";
import { namespaceReader } from "./namespace-of.ts";
import { isExempt } from "./policy-matching.ts";
import { replaceObject } from "./replace-object.ts";
import { Reinvocation } from "./rounds.ts";
import { askWebhook, type Concerned, concerned, type WebhookOptions } from "./webhook-call.ts";
import { CallingWebhookError, internalError, outOfTime, Rejection } from "./webhook-errors.ts";
import { type Hook, WebhookIndex } from "./webhook-index.ts";
import { operationsOf } from "./webhook-review.ts";

const CONFIGURATIONS = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
const NAME = "MutatingAdmissionWebhook";
const MUTATION = "mutation.webhook.admission.k8s.io/";
const PATCH = "patch.webhook.admission.k8s.io/";

export function mutatingWebhooks(options: WebhookOptions): AdmissionPlugin {
  const index = new WebhookIndex(CONFIGURATIONS);
  return {
    name: NAME,
    mutate(request, services, rounds) {
      const hooks = index.hooks(services.objects);
      if (hooks.length === 0 || isExempt(request)) return undefined;
      return askAll(hooks, { request, services, rounds, options });
    },
  };
}

interface Asking {
  readonly request: AdmissionRequest;
  readonly services: AdmissionServices;
  readonly rounds: Rounds;
  readonly options: WebhookOptions;
}

async function askAll(hooks: readonly Hook[], asking: Asking): Promise<void> {
  const { request, services, rounds, options } = asking;
  const namespace = namespaceReader(request, services);
  const reinvocation = rounds.state(NAME, () => new Reinvocation());
  reinvocation.begin(rounds, request.object);
  for (const [at, hook] of hooks.entries()) {
    const about = await concerned(hook, "admit", request, namespace, options);
    if (!about || !reinvocation.mayCall(rounds, hook.key)) continue;
    if (await askOne(hook, at, about, asking)) {
      reinvocation.changed();
      rounds.ask();
    }
    if (hook.webhook.reinvocationPolicy === "IfNeeded") reinvocation.called(hook.key);
  }
  reinvocation.end(rounds, request.object);
}

/** True where it has changed the object. */
async function askOne(hook: Hook, at: number, about: Concerned, asking: Asking): Promise<boolean> {
  const { request, rounds, options } = asking;
  const { metrics, clock } = options;
  const { name, failurePolicy } = hook.webhook;
  const place = `round_${rounds.again ? 1 : 0}_index_${at}`;
  const started = clock.monotonic();
  const told = (outcome: unknown, ignored = false): void =>
    metrics.called(name, "admit", request.operation, (clock.monotonic() - started) / 1000, outcome, ignored);
  let changed = false;
  try {
    changed = await asked(hook, about, place, asking);
    told(undefined);
  } catch (error) {
    if (!(error instanceof CallingWebhookError)) {
      told(error);
      throw error instanceof Rejection ? error.error : error;
    }
    const ignored = failurePolicy === "Ignore";
    told(error, ignored);
    if (!ignored) throw internalError(error.message);
    if (request.signal?.aborted) throw outOfTime();
    metrics.failedOpen(name, "admit");
    request.annotate?.(`failed-open.${MUTATION}${place}`, name);
  } finally {
    const said = { configuration: hook.configuration, webhook: name, mutated: changed };
    request.annotate?.(`${MUTATION}${place}`, JSON.stringify(said));
  }
  return changed;
}

async function asked(hook: Hook, about: Concerned, place: string, { request, services, options }: Asking) {
  const { name } = hook.webhook;
  const { patch } = await askWebhook(hook, request, about, true, options);
  const operations = patch === "" ? [] : decoded(name, patch);
  if (operations.length === 0) return false;
  if (!about.object) {
    const why = "attempted to modify the object, which is not supported for this operation";
    throw internalError(`admission webhook ${JSON.stringify(name)} ${why}`);
  }
  const changed = await replaceObject(request, about.row, patched(about.object, operations), services);
  const said = { configuration: hook.configuration, webhook: name, patch: operations, patchType: "JSONPatch" };
  request.annotate?.(`${PATCH}${place}`, JSON.stringify(said), true);
  return changed;
}

function decoded(name: string, patch: string): readonly PatchOperation[] {
  try {
    return operationsOf(patch);
  } catch (error) {
    const why = `received undecodable patch in webhook response: ${(error as Error).message}`;
    throw new CallingWebhookError(name, why);
  }
}

function patched(object: unknown, operations: readonly PatchOperation[]): unknown {
  try {
    return applyJsonPatch(object, operations, { copiedBytes: limits.jsonPatchCopiedBytes });
  } catch (error) {
    if (error instanceof PatchError) throw internalError(error.message);
    throw error;
  }
}
