/**
 * Conversion rules: how a definition may say that its versions become each other.
 */
import { X509Certificate } from "node:crypto";
import { dns1035Label, dns1123Subdomain, portNumber } from "../../machinery/objects/names.ts";
import type { FieldErrors } from "../resources/field-errors.ts";
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
  else if (url !== undefined) validateUrl(url, `${CONFIG}.url`, errors);
  else if (service) validateService(service, `${CONFIG}.service`, errors);
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

const FORM = "; desired format: https://host[/path]";

function validateUrl(text: string, path: string, errors: FieldErrors): void {
  if (!/^[a-z][a-z0-9+.-]*:/i.test(text) || !URL.canParse(text)) {
    errors.invalid(path, "", `'https' is the only allowed URL scheme${FORM}`);
    errors.invalid(path, "", `host must be specified${FORM}`);
    return;
  }
  const url = new URL(text);
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== "https") errors.invalid(path, scheme, `'https' is the only allowed URL scheme${FORM}`);
  if (url.host === "") errors.invalid(path, url.host, `host must be specified${FORM}`);
  if (url.username || url.password) errors.invalid(path, url.username, "user information is not permitted in the URL");
  if (url.hash) errors.invalid(path, url.hash.slice(1), "fragments are not permitted in the URL");
  if (url.search) errors.invalid(path, url.search.slice(1), "query parameters are not permitted in the URL");
}

function validateService(service: NonNullable<WebhookClientConfig["service"]>, at: string, errors: FieldErrors): void {
  const { name, namespace, path, port = 443 } = service;
  if (!name) errors.required(`${at}.name`);
  if (!namespace) errors.required(`${at}.namespace`);
  const wrong = portNumber(port);
  if (wrong.length > 0) errors.invalid(`${at}.port`, port, `port is not valid: ${wrong.join(",")}`);
  if (path === undefined || path === "" || path === "/") return;
  if (path === "//") {
    errors.invalid(`${at}.path`, path, "segment[0] may not be empty");
    return;
  }
  if (!path.startsWith("/")) errors.invalid(`${at}.path`, path, "must start with a '/'");
  for (const [index, step] of path.slice(1).replace(/\/$/, "").split("/").entries()) {
    if (step === "") errors.invalid(`${at}.path`, path, `segment[${index}] may not be empty`);
    else for (const one of dns1123Subdomain(step)) errors.invalid(`${at}.path`, path, `segment[${index}]: ${one}`);
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
