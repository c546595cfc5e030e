/**
 * Webhook configurations: which requests are shown to whom before they are stored.
 */
import type * as models from "@kubernetes/client-node";
import { dns1123Label, dns1123Subdomain } from "../../machinery/objects/names.ts";
import type { Stored, Wire } from "../../machinery/objects/wire.ts";
import { checkMatchConditions } from "../cel/policy-rules.ts";
import { validateWebhookService, validateWebhookUrl } from "../webhooks/client-rules.ts";
import { validateMatchConditions, validateRule } from "./admission-rules.ts";
import { oneOf } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabelSelector } from "./label-selector.ts";
import { each } from "./object-meta.ts";

type Mutating = Wire<models.V1MutatingWebhook>;
type Validating = Wire<models.V1ValidatingWebhook>;
type Configuration = Stored<models.V1MutatingWebhookConfiguration> | Stored<models.V1ValidatingWebhookConfiguration>;
type Client = Mutating["clientConfig"];

const VERSIONS: readonly string[] = ["v1", "v1beta1"];
const LONGEST_SECONDS = 30;

export const webhookStrategy: Strategy<Configuration> = {
  defaults({ webhooks }) {
    for (const hook of (webhooks ?? []) as Mutating[]) {
      hook.failurePolicy ??= "Fail";
      hook.matchPolicy ??= "Equivalent";
      hook.namespaceSelector ??= {};
      hook.objectSelector ??= {};
      hook.timeoutSeconds ??= 10;
      if (hook.clientConfig?.service) hook.clientConfig.service.port ??= 443;
      for (const rule of hook.rules ?? []) rule.scope ??= "*";
    }
  },
  validate({ webhooks }, errors) {
    const names = new Set<string>();
    for (const [index, hook] of ((webhooks ?? []) as (Mutating | Validating)[]).entries()) {
      const at = `webhooks[${index}]`;
      validateWebhook(hook, at, errors);
      if (names.has(hook.name)) errors.duplicate(`${at}.name`, hook.name);
      names.add(hook.name);
    }
  },
  allowUnconditionalUpdate: true,
};

/** As webhookStrategy, of those that may change what they see. */
export const mutatingWebhookStrategy: Strategy<Stored<models.V1MutatingWebhookConfiguration>> = {
  ...(webhookStrategy as Strategy<Stored<models.V1MutatingWebhookConfiguration>>),
  defaults(configuration) {
    webhookStrategy.defaults?.(configuration);
    for (const hook of configuration.webhooks ?? []) hook.reinvocationPolicy ??= "Never";
  },
};

function validateWebhook(hook: Mutating | Validating, at: string, errors: FieldErrors): void {
  validateName(hook.name, `${at}.name`, errors);
  validateReviewVersions(hook.admissionReviewVersions, `${at}.admissionReviewVersions`, errors);
  for (const [index, rule] of (hook.rules ?? []).entries()) validateRule(rule, `${at}.rules[${index}]`, errors);
  oneOf(hook.failurePolicy, ["Fail", "Ignore"], `${at}.failurePolicy`, errors);
  oneOf(hook.matchPolicy, ["Equivalent", "Exact"], `${at}.matchPolicy`, errors);
  if (!hook.sideEffects) errors.required(`${at}.sideEffects`, "must specify one of None, NoneOnDryRun");
  else oneOf(hook.sideEffects, ["None", "NoneOnDryRun"], `${at}.sideEffects`, errors);
  const seconds = hook.timeoutSeconds;
  if (seconds !== undefined && (seconds < 1 || seconds > LONGEST_SECONDS))
    errors.invalid(`${at}.timeoutSeconds`, seconds, "the timeout value must be between 1 and 30 seconds");
  validateLabelSelector(hook.namespaceSelector, `${at}.namespaceSelector`, errors);
  validateLabelSelector(hook.objectSelector, `${at}.objectSelector`, errors);
  validateClient(hook.clientConfig, `${at}.clientConfig`, errors);
  validateMatchConditions(hook.matchConditions, `${at}.matchConditions`, errors);
  const expressions = { authorizer: true, withoutNamespace: true };
  checkMatchConditions(hook.matchConditions, expressions, `${at}.matchConditions`, (field, value, detail) =>
    errors.invalid(field, value, detail),
  );
  if ("reinvocationPolicy" in hook)
    oneOf(hook.reinvocationPolicy, ["IfNeeded", "Never"], `${at}.reinvocationPolicy`, errors);
}

/** Names are fully qualified, so that those of different makers never meet. */
function validateName(name: string | undefined, path: string, errors: FieldErrors): void {
  if (!name) {
    errors.required(path);
    return;
  }
  each(dns1123Subdomain(name), path, name, errors);
  if (name.split(".").length < 3)
    errors.invalid(path, name, "should be a domain with at least three segments separated by dots");
}

function validateReviewVersions(versions: readonly string[] | undefined, path: string, errors: FieldErrors): void {
  if (!versions?.length) {
    errors.required(path, `must specify one of ${VERSIONS.join(", ")}`);
    return;
  }
  for (const [index, version] of versions.entries()) {
    if (versions.indexOf(version) !== index) errors.invalid(`${path}[${index}]`, version, "duplicate version");
    each(dns1123Label(version), `${path}[${index}]`, version, errors);
  }
  if (!versions.some((version) => VERSIONS.includes(version)))
    errors.invalid(path, versions, `must include at least one of ${VERSIONS.join(", ")}`);
}

function validateClient(client: Client | undefined, at: string, errors: FieldErrors): void {
  const { url, service } = client ?? {};
  if ((url === undefined) === (service === undefined)) {
    errors.required(at, "exactly one of url or service is required");
    return;
  }
  if (url !== undefined) validateWebhookUrl(url, `${at}.url`, errors);
  if (service) validateWebhookService(service, `${at}.service`, errors);
}
