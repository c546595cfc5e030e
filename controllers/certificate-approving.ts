/**
 * Certificate approving: approves what nodes ask for themselves, where they may.
 *
 * Only requests for a kubelet's client certificate are looked at, and only who has the right on
 * `certificatesigningrequests/nodeclient` (a new node) or `/selfnodeclient` (a node that renews) is served. It never
 * denies: what it does not approve waits for somebody else. Signing: certificate-signing.ts.
 * https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/#kube-controller-manager-configuration
 */
import type { Client } from "../machinery/client/client.ts";
import { pathOf } from "../machinery/client/create-client.ts";
import { again, defineController, done, enqueueSelf, type Outcome } from "../machinery/loop/controller.ts";
import type { CertificateSigningRequest } from "../machinery/objects/kinds.ts";
import { wireTime } from "../machinery/process/clock.ts";
import { askedBy, isDecided, KUBELET_CLIENT, wrongInKubeletClient } from "./certificate-rules.ts";

/** The right may be given later. */
const ASK_AGAIN_MS = 30_000;

export const certificateApprovingController = defineController({
  name: "certificate-approver",
  watches: { certificatesigningrequests: enqueueSelf },

  async reconcile(name, { certificatesigningrequests, client, clock }): Promise<Outcome> {
    const request = certificatesigningrequests.get(name);
    if (!request || request.status?.certificate || isDecided(request)) return done;

    const rights = rightsFor(request);
    for (const right of rights)
      if (await mayRequester(request, right.subresource, client)) {
        await approve(request, right.message, client, wireTime(clock.now()));
        return done;
      }
    return rights.length > 0 ? again(ASK_AGAIN_MS) : done;
  },
});

interface Right {
  readonly subresource: string;
  readonly message: string;
}

const SELF: Right = {
  subresource: "selfnodeclient",
  message: "Auto approving self kubelet client certificate after SubjectAccessReview.",
};
const NEW: Right = {
  subresource: "nodeclient",
  message: "Auto approving kubelet client certificate after SubjectAccessReview.",
};

/** Rights of which one is enough; none for what is not a kubelet's client certificate. */
export function rightsFor(request: CertificateSigningRequest): readonly Right[] {
  const { signerName, usages = [], username } = request.spec;
  if (signerName !== KUBELET_CLIENT) return [];
  const asked = askedBy(request);
  if (wrongInKubeletClient(asked, usages)) return [];
  return username === asked.commonName ? [SELF, NEW] : [NEW];
}

async function mayRequester(
  { spec }: CertificateSigningRequest,
  subresource: string,
  client: Client,
): Promise<boolean> {
  const { username, uid, groups, extra } = spec;
  const answer = await client.raw({
    method: "POST",
    path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
    body: {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: {
        user: username,
        ...(uid ? { uid } : {}),
        ...(groups ? { groups } : {}),
        ...(extra ? { extra } : {}),
        resourceAttributes: {
          group: "certificates.k8s.io",
          resource: "certificatesigningrequests",
          verb: "create",
          subresource,
          version: "*",
        },
      },
    },
  });
  return (answer as { readonly status?: { readonly allowed?: boolean } }).status?.allowed === true;
}

async function approve(
  request: CertificateSigningRequest,
  message: string,
  client: Client,
  now: string,
): Promise<void> {
  const approved = {
    type: "Approved",
    status: "True",
    reason: "AutoApproved",
    message,
    lastUpdateTime: now,
    lastTransitionTime: now,
  };
  const status = { ...request.status, conditions: [...(request.status?.conditions ?? []), approved] };
  const path = `${pathOf("certificatesigningrequests", { name: request.metadata.name })}/approval`;
  await client.raw({ method: "PUT", path, body: { ...request, status } });
}
