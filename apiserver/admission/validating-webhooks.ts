/**
 * Validating webhooks: all that are concerned are asked at once; the first no in their order is the answer.
 *
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
 */
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices } from "./contract.ts";
import { namespaceReader } from "./namespace-of.ts";
import { isExempt } from "./policy-matching.ts";
import { askWebhook, type Concerned, concerned, type WebhookOptions } from "./webhook-call.ts";
import { CallingWebhookError, internalError, outOfTime, Rejection } from "./webhook-errors.ts";
import { type Hook, WebhookIndex } from "./webhook-index.ts";

const CONFIGURATIONS = "validatingwebhookconfigurations.admissionregistration.k8s.io";
const FAILED_OPEN = "failed-open.validating.webhook.admission.k8s.io/";

export function validatingWebhooks(options: WebhookOptions): AdmissionPlugin {
  const index = new WebhookIndex(CONFIGURATIONS);
  return {
    name: "ValidatingAdmissionWebhook",
    validate(request, services) {
      const hooks = index.hooks(services.objects);
      if (hooks.length === 0 || isExempt(request)) return undefined;
      return askAll(hooks, request, services, options);
    },
  };
}

async function askAll(
  hooks: readonly Hook[],
  request: AdmissionRequest,
  services: AdmissionServices,
  options: WebhookOptions,
): Promise<void> {
  const namespace = namespaceReader(request, services);
  const about: { readonly hook: Hook; readonly what: Concerned }[] = [];
  for (const hook of hooks) {
    const what = await concerned(hook, "validating", request, namespace, options);
    if (what) about.push({ hook, what });
  }
  if (request.signal?.aborted) throw outOfTime();
  const answers = about.map(({ hook, what }, at) => ask(hook, what, at, request, options));
  const refusal = (await Promise.all(answers)).find((error) => error !== undefined);
  if (refusal) throw refusal;
}

/** What refuses the request, if anything does. Never rejects: all others are waited for. */
async function ask(hook: Hook, what: Concerned, at: number, request: AdmissionRequest, options: WebhookOptions) {
  const { metrics, clock } = options;
  const { name, failurePolicy } = hook.webhook;
  const started = clock.monotonic();
  const told = (outcome: unknown, ignored = false): void =>
    metrics.called(name, "validating", request.operation, (clock.monotonic() - started) / 1000, outcome, ignored);
  try {
    await askWebhook(hook, request, what, false, options);
    told(undefined);
    return undefined;
  } catch (error) {
    if (!(error instanceof CallingWebhookError)) {
      told(error);
      return error instanceof Rejection ? error.error : (error as Error);
    }
    const ignored = failurePolicy === "Ignore";
    told(error, ignored);
    if (!ignored) return internalError(error.message);
    if (request.signal?.aborted) return outOfTime();
    metrics.failedOpen(name, "validating");
    request.annotate?.(`${FAILED_OPEN}round_0_index_${at}`, name);
    return undefined;
  }
}
