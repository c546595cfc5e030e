/**
 * Certificate requesters: which right a node's request for a certificate takes, and whose name it asks for. Pure.
 *
 * A node is who its key says: a name whose Node has another key is not given to who merely brings a token. What a node's
 * proxy and name server are is asked for by the node itself, and a kubelet serves under no name but its Node's own.
 */
import { NODE_KEY } from "../machinery/join/cluster-facts.ts";
import type { CertificateSigningRequest, Node } from "../machinery/objects/kinds.ts";
import { NODE_COMPONENTS } from "../machinery/pki/identities.ts";
import type { SigningRequest } from "../machinery/pki/signing-request.ts";
import {
  askedBy,
  CLIENT,
  KUBELET_CLIENT,
  KUBELET_SERVING,
  wrongInKubeletClient,
  wrongInKubeletServing,
} from "./certificate-rules.ts";

export interface Right {
  /** Of certificatesigningrequests, for "create". */
  readonly subresource: string;
  readonly message: string;
  /** The node that the certificate is for. */
  readonly node: string;
}

const NODE_USER = "system:node:";

type Rights = (asked: SigningRequest, request: CertificateSigningRequest) => readonly Omit<Right, "node">[];

const SELF = {
  subresource: "selfnodeclient",
  message: "Auto approving self kubelet client certificate after SubjectAccessReview.",
};
const NEW = {
  subresource: "nodeclient",
  message: "Auto approving kubelet client certificate after SubjectAccessReview.",
};
const SERVING = {
  subresource: "selfnodeserver",
  message: "Auto approving self kubelet server certificate after SubjectAccessReview.",
};
const COMPONENT = {
  subresource: "nodecomponent",
  message: "Auto approving client certificate of a node's component after SubjectAccessReview.",
};

/** Signer ► rights of which one is enough; none for what is not a node's. */
const BY_SIGNER: Readonly<Record<string, Rights>> = {
  [KUBELET_CLIENT]: (asked, { spec }) => {
    if (wrongInKubeletClient(asked, spec.usages ?? [])) return [];
    return spec.username === asked.commonName ? [SELF, NEW] : [NEW];
  },
  [KUBELET_SERVING]: (asked, { spec }) =>
    spec.username === asked.commonName && !wrongInKubeletServing(asked, spec.usages ?? []) ? [SERVING] : [],
  [CLIENT]: (asked, { spec }) => {
    const named = [asked.organizations, asked.dnsNames, asked.emails, asked.addresses, asked.uris].flat();
    const component = COMPONENT_USERS.has(asked.commonName) && named.length === 0;
    const usages = [...(spec.usages ?? [])].sort().join();
    return component && usages === "client auth,digital signature" && isNode(spec.username) ? [COMPONENT] : [];
  },
};

const COMPONENT_USERS: ReadonlySet<string> = new Set(Object.values(NODE_COMPONENTS));

const isNode = (user: string | undefined): user is string => user?.startsWith(NODE_USER) ?? false;

export function rightsFor(request: CertificateSigningRequest): readonly Right[] {
  const { signerName, username } = request.spec;
  const rights = Object.hasOwn(BY_SIGNER, signerName) ? BY_SIGNER[signerName] : undefined;
  if (!rights) return [];
  const asked = askedBy(request);
  const user = signerName === CLIENT ? username : asked.commonName;
  return rights(asked, request).map((right) => ({ ...right, node: (user ?? "").slice(NODE_USER.length) }));
}

/** Why a machine that joins does not get the name, where the node of that name is another machine. */
export function namesAnother(request: CertificateSigningRequest, node: Node | undefined): string | undefined {
  const { signerName, username } = request.spec;
  if (!node || signerName !== KUBELET_CLIENT || isNode(username)) return undefined;
  const key = node.metadata.annotations?.[NODE_KEY];
  if (key === undefined || key === askedBy(request).keyHash) return undefined;
  const name = node.metadata.name;
  return `node ${JSON.stringify(name)} is there already and is another machine: it has another key. Join under another name (--node-name), or, if this machine takes the place of that one, delete it first (kubectl delete node ${name})`;
}

/** Whether a kubelet asks to serve under names or addresses that are not its Node's. */
export function withoutItsNames(request: CertificateSigningRequest, node: Node | undefined): boolean {
  if (request.spec.signerName !== KUBELET_SERVING) return false;
  const { dnsNames, addresses } = askedBy(request);
  const known = node?.status?.addresses ?? [];
  const own = new Set(known.map(({ address }) => address));
  return dnsNames.some((name) => !own.has(name)) || addresses.some((address) => !own.has(textOf(address)));
}

/** From hex to how a Node writes it: IPv6 in its shortest form. */
function textOf(hex: string): string {
  const bytes = Buffer.from(hex, "hex");
  if (bytes.length === 4) return [...bytes].join(".");
  const groups = hex.match(/.{4}/g) ?? [];
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
