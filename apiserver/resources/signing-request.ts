/**
 * CertificateSigningRequest: who asks a signer for which certificate, and what became of it.
 *
 * What is asked never changes, and who asked is what the server knows, not what the request says. Approval and denial
 * are set through `approval`, the certificate through `status`; neither is ever taken back.
 * Who may do so: admission/certificates.ts.
 */
import type * as models from "@kubernetes/client-node";
import { cloneJson, equalJson } from "../../machinery/objects/json-value.ts";
import { dns1123Subdomain } from "../../machinery/objects/names.ts";
import type { Stored, Wire } from "../../machinery/objects/wire.ts";
import { readSigningRequest } from "../../machinery/pki/signing-request.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import type { CreateContext, Part, Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";

export type SigningRequest = Stored<models.V1CertificateSigningRequest>;
type Condition = Wire<models.V1CertificateSigningRequestCondition>;

const USAGES: readonly string[] = [
  "any",
  "cert sign",
  "client auth",
  "code signing",
  "content commitment",
  "crl sign",
  "data encipherment",
  "decipher only",
  "digital signature",
  "email protection",
  "encipher only",
  "ipsec end system",
  "ipsec tunnel",
  "ipsec user",
  "key agreement",
  "key encipherment",
  "microsoft sgc",
  "netscape sgc",
  "ocsp signing",
  "s/mime",
  "server auth",
  "signing",
  "timestamping",
];
const LEGACY_SIGNER = "kubernetes.io/legacy-unknown";
const LONGEST_SIGNER = 571;
const SHORTEST_SECONDS = 600;
/** Conditions that say something for good. */
const LASTING: readonly string[] = ["Approved", "Denied", "Failed"];
const CONDITIONS = "status.conditions";

export const signingRequestStrategy: Strategy<SigningRequest> = {
  prepareForCreate(request, { identity }) {
    request.spec = asked(request.spec, identity);
    request.status = {};
  },
  prepareForUpdate(request, old) {
    request.spec = cloneJson(old.spec) as SigningRequest["spec"];
  },
  prepareForStatusUpdate(request, old, now) {
    stamp(request, old, now);
  },
  validate: validateAsked,
  validateStatusUpdate(request, old, errors) {
    validateOutcome(request, errors);
    validateLasting(request, old, new Set(["Approved", "Denied"]), errors);
    const before = old.status?.certificate;
    if (before && request.status?.certificate !== before)
      errors.forbidden("status.certificate", "updates may not modify existing certificate content");
  },
  parts: { approval: approval() },
  selectableFields: ({ spec }) => ({ "spec.signerName": spec?.signerName ?? "" }),
  allowUnconditionalUpdate: true,
};

/** Only conditions may change, and of these only what says that it is approved or denied may come. */
function approval(): Part<SigningRequest> {
  return {
    inStatus: true,
    prepareForUpdate(request, old, now) {
      const conditions = request.status?.conditions;
      request.spec = cloneJson(old.spec) as SigningRequest["spec"];
      request.status = { ...(cloneJson(old.status) as SigningRequest["status"]), ...(conditions && { conditions }) };
      stamp(request, old, now);
    },
    validateUpdate(request, old, errors) {
      validateOutcome(request, errors);
      validateLasting(request, old, new Set(), errors);
    },
  };
}

function asked(spec: SigningRequest["spec"] | undefined, identity: CreateContext["identity"]): SigningRequest["spec"] {
  const {
    username: _name,
    uid: _uid,
    groups: _groups,
    extra: _extra,
    ...rest
  } = spec ?? ({} as SigningRequest["spec"]);
  const { name, uid, groups, extra } = identity;
  return {
    ...rest,
    username: name,
    ...(uid ? { uid } : {}),
    ...(groups.length > 0 ? { groups: [...groups] } : {}),
    ...(extra ? { extra: cloneJson(extra) as Record<string, string[]> } : {}),
  };
}

/** A condition that is as it was has been so since then; any other since now, where nothing else is said. */
function stamp({ status }: SigningRequest, { status: old }: SigningRequest, now: number): void {
  for (const condition of status?.conditions ?? []) {
    const before = old?.conditions?.find(({ type }) => type === condition.type);
    const since = before?.status === condition.status ? before.lastTransitionTime : undefined;
    condition.lastTransitionTime ??= since ?? wireTime(now);
  }
}

function validateAsked({ spec }: SigningRequest, errors: FieldErrors): void {
  if (!spec) {
    errors.required("spec");
    return;
  }
  try {
    readSigningRequest(Buffer.from(spec.request ?? "", "base64").toString("latin1"));
  } catch (error) {
    errors.invalid("spec.request", spec.request ?? "", (error as Error).message);
  }
  if (!spec.usages?.length) errors.required("spec.usages");
  for (const [index, usage] of (spec.usages ?? []).entries())
    if (!USAGES.includes(usage)) errors.notSupported(`spec.usages[${index}]`, usage, USAGES);
  for (const [index, usage] of (spec.usages ?? []).entries())
    if (spec.usages?.indexOf(usage) !== index) errors.duplicate(`spec.usages[${index}]`, usage);
  if (spec.signerName === LEGACY_SIGNER)
    errors.invalid("spec.signerName", spec.signerName, "the legacy signerName is not allowed via this API version");
  else validateSignerName(spec.signerName, errors);
  if (spec.expirationSeconds !== undefined && spec.expirationSeconds < SHORTEST_SECONDS)
    errors.invalid(
      "spec.expirationSeconds",
      spec.expirationSeconds,
      "may not specify a duration less than 600 seconds (10 minutes)",
    );
}

function validateSignerName(name: string | undefined, errors: FieldErrors): void {
  const path = "spec.signerName";
  const [domain = "", signer = "", ...more] = (name ?? "").split("/");
  if (!name) errors.required(path);
  else if (!signer || more.length > 0)
    errors.invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
  else {
    each(dns1123Subdomain(domain), path, domain, errors);
    if (!domain.includes("."))
      errors.invalid(path, domain, "should be a domain with at least two segments separated by dots");
    each(dns1123Subdomain(signer), path, signer, errors);
    if (name.length > LONGEST_SIGNER) errors.tooLong(path, LONGEST_SIGNER);
  }
}

function validateOutcome({ status }: SigningRequest, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [index, { type, status: value }] of (status?.conditions ?? []).entries()) {
    const at = `${CONDITIONS}[${index}]`;
    const allowed = LASTING.includes(type) ? ["True"] : ["False", "True", "Unknown"];
    if (!type) errors.required(`${at}.type`);
    if (!value) errors.required(`${at}.status`);
    else if (!allowed.includes(value)) errors.notSupported(`${at}.status`, value, allowed);
    if ((type === "Approved" && seen.has("Denied")) || (type === "Denied" && seen.has("Approved")))
      errors.invalid(`${at}.type`, type, "Approved and Denied conditions are mutually exclusive");
    if (seen.has(type)) errors.duplicate(`${at}.type`, type);
    seen.add(type);
  }
  const certificate = status?.certificate && Buffer.from(status.certificate, "base64").toString("latin1");
  if (certificate && !/-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----/.test(certificate))
    errors.invalid("status.certificate", "<certificate data>", "no CERTIFICATE PEM blocks found");
}

/** `fixed`: of which type no condition may come either. */
function validateLasting(
  request: SigningRequest,
  old: SigningRequest,
  fixed: ReadonlySet<string>,
  errors: FieldErrors,
): void {
  for (const type of LASTING) {
    const of = ({ status }: SigningRequest): Condition[] =>
      (status?.conditions ?? []).filter((one) => one.type === type);
    const [now, before] = [of(request), of(old)];
    if (now.length < before.length)
      errors.forbidden(CONDITIONS, `updates may not remove a condition of type "${type}"`);
    else if (now.length > before.length) {
      if (fixed.has(type)) errors.forbidden(CONDITIONS, `updates may not add a condition of type "${type}"`);
    } else if (!equalJson(now, before))
      errors.forbidden(CONDITIONS, `updates may not modify a condition of type "${type}"`);
  }
}
