/**
 * Certificate approving: approves what nodes ask for themselves, where they may.
 *
 * Only who has the right on `certificatesigningrequests/nodeclient` (a new node), `/selfnodeclient` (a node that renews)
 * and so on is served; what is asked for, and which right that takes: certificate-requesters.ts. One thing is denied: a
 * name that another machine has. What else is not approved waits for somebody else. Signing: certificate-signing.ts.
 * https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/#kube-controller-manager-configuration
 */
import type { Client } from "../machinery/client/client.ts";
import { pathOf } from "../machinery/client/create-client.ts";
import { again, defineController, done, enqueueSelf, type Outcome } from "../machinery/loop/controller.ts";
import type { CertificateSigningRequest } from "../machinery/objects/kinds.ts";
import { wireTime } from "../machinery/process/clock.ts";
import { namesAnother, rightsFor, withoutItsNames } from "./certificate-requesters.ts";
import { isDecided } from "./certificate-rules.ts";

/** The right may be given later, or the node tell its addresses. */
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
        const node = await client.find("nodes", { name: right.node });
        const at = wireTime(clock.now());
        const taken = namesAnother(request, node);
        if (taken) await decide(request, { type: "Denied", reason: "NodeNameTaken", message: taken }, client, at);
        else if (withoutItsNames(request, node)) return again(ASK_AGAIN_MS);
        else await decide(request, { type: "Approved", reason: "AutoApproved", message: right.message }, client, at);
        return done;
      }
    return rights.length > 0 ? again(ASK_AGAIN_MS) : done;
  },
});

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

async function decide(
  request: CertificateSigningRequest,
  decision: { readonly type: string; readonly reason: string; readonly message: string },
  client: Client,
  now: string,
): Promise<void> {
  const condition = { ...decision, status: "True", lastUpdateTime: now, lastTransitionTime: now };
  const status = { ...request.status, conditions: [...(request.status?.conditions ?? []), condition] };
  const path = `${pathOf("certificatesigningrequests", { name: request.metadata.name })}/approval`;
  await client.raw({ method: "PUT", path, body: { ...request, status } });
}
