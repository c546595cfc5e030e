/**
 * Certificate rules: what the cluster's own signers sign, and in which state a request is. Pure.
 *
 * Approving alone does not make a request good: its signer looks at the subject, the other names and the usages again.
 * https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
 */
import { isTrue } from "../machinery/objects/conditions.ts";
import type { CertificateSigningRequest } from "../machinery/objects/kinds.ts";
import { readSigningRequest, type SigningRequest } from "../machinery/pki/signing-request.ts";

export const CLIENT = "kubernetes.io/kube-apiserver-client";
export const KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet";
export const KUBELET_SERVING = "kubernetes.io/kubelet-serving";
export const LEGACY_UNKNOWN = "kubernetes.io/legacy-unknown";

const NODE_GROUP = "system:nodes";
const NODE_USER = "system:node:";
const SIGNATURE = "digital signature";
const ENCIPHERMENT = "key encipherment";
const CLIENT_AUTH = "client auth";
const SERVER_AUTH = "server auth";

type Usages = readonly string[];
/** What is wrong with a request; undefined when nothing is. */
type Rule = (asked: SigningRequest, usages: Usages) => string | undefined;

/** Signer ► what it refuses to sign. */
export const SIGNERS: Readonly<Record<string, Rule>> = {
  [CLIENT]: wrongInClient,
  [KUBELET_CLIENT]: wrongInKubeletClient,
  [KUBELET_SERVING]: wrongInKubeletServing,
  [LEGACY_UNKNOWN]: () => undefined,
};

export const requestOf = ({ spec }: CertificateSigningRequest): string =>
  Buffer.from(spec.request, "base64").toString("latin1");

/** Throws where the request cannot be read. */
export const askedBy = (request: CertificateSigningRequest): SigningRequest => readSigningRequest(requestOf(request));

export function isDecided({ status }: CertificateSigningRequest): boolean {
  return status?.conditions?.some(({ type }) => type === "Approved" || type === "Denied") ?? false;
}

/** Approved, and neither signed nor given up. */
export function isToBeSigned({ status }: CertificateSigningRequest): boolean {
  const { conditions, certificate } = status ?? {};
  return (
    isTrue(conditions, "Approved") && !isTrue(conditions, "Denied") && !isTrue(conditions, "Failed") && !certificate
  );
}

export function wrongInKubeletClient(asked: SigningRequest, usages: Usages): string | undefined {
  if (asked.organizations.join() !== NODE_GROUP) return "subject organization is not system:nodes";
  if (asked.dnsNames.length > 0) return "DNS subjectAltNames are not allowed";
  if (asked.emails.length > 0) return "email subjectAltNames are not allowed";
  if (asked.addresses.length > 0) return "IP subjectAltNames are not allowed";
  if (asked.uris.length > 0) return "URI subjectAltNames are not allowed";
  if (!asked.commonName.startsWith(NODE_USER)) return "subject common name does not begin with system:node:";
  return wrongUsages(usages, CLIENT_AUTH);
}

export function wrongInKubeletServing(asked: SigningRequest, usages: Usages): string | undefined {
  if (asked.organizations.join() !== NODE_GROUP) return "subject organization is not system:nodes";
  if (asked.dnsNames.length + asked.addresses.length === 0) return "DNS or IP subjectAltName is required";
  if (asked.emails.length > 0) return "email subjectAltNames are not allowed";
  if (asked.uris.length > 0) return "URI subjectAltNames are not allowed";
  if (!asked.commonName.startsWith(NODE_USER)) return "subject common name does not begin with system:node:";
  return wrongUsages(usages, SERVER_AUTH);
}

/** Keys that cannot encrypt do not ask for it. */
function wrongUsages(usages: Usages, auth: string): string | undefined {
  const wanted = [auth, SIGNATURE, ENCIPHERMENT].sort();
  const given = new Set(usages);
  const exact = given.has(auth) && given.has(SIGNATURE) && [...given].every((usage) => wanted.includes(usage));
  return exact ? undefined : `usages did not match [${wanted.join(" ")}]`;
}

function wrongInClient(_asked: SigningRequest, usages: Usages): string | undefined {
  const wrong = usages.find((usage) => ![SIGNATURE, ENCIPHERMENT, CLIENT_AUTH].includes(usage));
  if (wrong) return `invalid usage for client certificate: ${wrong}`;
  return usages.includes(CLIENT_AUTH) ? undefined : `missing required usage for client certificate: ${CLIENT_AUTH}`;
}
