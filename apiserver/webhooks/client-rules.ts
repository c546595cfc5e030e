/**
 * Client rules: how a configuration may say where its webhook is.
 *
 * Wording: k8s.io/apiserver/pkg/util/webhook/validation.go.
 */
import { dns1123Subdomain, portNumber } from "../../machinery/objects/names.ts";
import type { FieldErrors } from "../resources/field-errors.ts";
import type { WebhookClientConfig } from "./contract.ts";

const FORM = "; desired format: https://host[/path]";

export function validateWebhookUrl(text: string, path: string, errors: FieldErrors): void {
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

export function validateWebhookService(
  service: NonNullable<WebhookClientConfig["service"]>,
  at: string,
  errors: FieldErrors,
): void {
  const { name, namespace, path, port = 443 } = service;
  if (!name) errors.required(`${at}.name`, "service name is required");
  if (!namespace) errors.required(`${at}.namespace`, "service namespace is required");
  const wrong = portNumber(port);
  if (wrong.length > 0) errors.invalid(`${at}.port`, port, `port is not valid: ${wrong.join(", ")}`);
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
