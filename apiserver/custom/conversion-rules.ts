/**
 * Conversion rules: how a definition may say that its versions become each other.
 */
import { X509Certificate } from "node:crypto";
import { dns1035Label } from "../../machinery/objects/names.ts";
import type { FieldErrors } from "../resources/field-errors.ts";
import { validateWebhookService, validateWebhookUrl } from "../webhooks/client-rules.ts";
import type { WebhookClientConfig } from "../webhooks/contract.ts";
import { type Conversion, type Definition, isTrue } from "./contract.ts";

const STRATEGIES = ["None", "Webhook"];
const REVIEWS = ["v1", "v1beta1"];
const CONFIG = "spec.conversion.webhookClientConfig";

export function validateConversion(conversion: Conversion, old: Definition | undefined, errors: FieldErrors): void {
  const { strategy, webhook } = conversion;
  if (!strategy) errors.required("spec.conversion.strategy");
  else if (!STRATEGIES.includes(strategy)) errors.notSupported("spec.conversion.strategy", strategy, STRATEGIES);
  const reviews = webhook?.conversionReviewVersions ?? [];
  if (strategy !== "Webhook") {
    if (webhook?.clientConfig) errors.forbidden(CONFIG, "should not be set when strategy is not set to Webhook");
    if (reviews.length > 0) {
      const path = "spec.conversion.conversionReviewVersions";
      errors.forbidden(path, "should not be set when strategy is not set to Webhook");
    }
    return;
  }
  if (!webhook?.clientConfig) errors.required(CONFIG, "required when strategy is set to Webhook");
  else validateClientConfig(webhook.clientConfig, mayBeInvalid(old), errors);
  validateReviewVersions(reviews, old, errors);
}

/** A bundle may be wrong while nobody is served by it, and where it was so before. */
function mayBeInvalid(old: Definition | undefined): boolean {
  if (!old || !isTrue(old, "Established")) return true;
  const bundle = old.spec.conversion?.webhook?.clientConfig?.caBundle;
  return bundle !== undefined && bundle !== "" && bundleProblem(bundle) !== undefined;
}

function validateClientConfig(
  { url, service, caBundle }: WebhookClientConfig,
  lenient: boolean,
  errors: FieldErrors,
): void {
  if ((url === undefined) === (service === undefined))
    errors.required(CONFIG, "exactly one of url or service is required");
  else if (url !== undefined) validateWebhookUrl(url, `${CONFIG}.url`, errors);
  else if (service) validateWebhookService(service, `${CONFIG}.service`, errors);
  if (!caBundle || lenient) return;
  const problem = bundleProblem(caBundle);
  if (problem) errors.invalid(`${CONFIG}.caBundle`, caBundle, problem);
}

function bundleProblem(bundle: string): string | undefined {
  try {
    new X509Certificate(Buffer.from(bundle, "base64"));
    return undefined;
  } catch {
    return "unable to load root certificates: unable to parse bytes as PEM block";
  }
}

function validateReviewVersions(versions: readonly string[], old: Definition | undefined, errors: FieldErrors): void {
  const path = "spec.conversion.conversionReviewVersions";
  if (versions.length === 0) {
    errors.required(path);
    return;
  }
  for (const [at, version] of versions.entries()) {
    if (versions.indexOf(version) < at) errors.invalid(`${path}[${at}]`, version, "duplicate version");
    else for (const wrong of dns1035Label(version)) errors.invalid(`${path}[${at}]`, version, wrong);
  }
  const known = (list: readonly string[]) => list.some((one) => REVIEWS.includes(one));
  const before = old?.spec.conversion?.webhook?.conversionReviewVersions ?? [];
  if (!known(versions) && (before.length === 0 || known(before)))
    errors.invalid(path, versions, `must include at least one of ${REVIEWS.join(", ")}`);
}
