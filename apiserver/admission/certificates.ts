/**
 * Certificates: who may approve, who may sign, and which subject nobody may ask for.
 *
 * Approving and signing are rights of their own on the signer's name (resource "signers"), or on "DOMAIN/*" for
 * all of its signers. Nobody becomes an administrator by a certificate that the cluster's own client signer issues.
 * https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/
 */
import type * as models from "@kubernetes/client-node";
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { Stored } from "../../machinery/objects/wire.ts";
import { readSigningRequest } from "../../machinery/pki/signing-request.ts";
import { type Authorizer, MASTERS } from "../auth/contract.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./contract.ts";
import { refused } from "./refused.ts";

type SigningRequest = Stored<models.V1CertificateSigningRequest>;

const GROUP = "certificates.k8s.io";
const CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client";

export function certificates(authorize: Authorizer): AdmissionPlugin {
  const may = ({ user }: AdmissionRequest, verb: string, signer: string): boolean => {
    const domain = `${signer.slice(0, signer.indexOf("/"))}/*`;
    return [signer, domain].some(
      (name) =>
        authorize({
          user,
          verb,
          isResource: true,
          group: GROUP,
          version: "*",
          resource: "signers",
          subresource: "",
          namespace: "",
          name,
          path: "",
        }).kind === "allow",
    );
  };

  return {
    name: "Certificates",
    validate(request) {
      const { operation, row, subresource } = request;
      if (row.group !== GROUP || row.plural !== "certificatesigningrequests") return;
      if (operation === "CREATE" && subresource === "") return checkSubject(request);
      if (operation !== "UPDATE") return;
      const old = request.old as unknown as SigningRequest;
      const { signerName } = old.spec;
      const check = (verb: string) => {
        if (!may(request, verb, signerName))
          throw refused(
            request,
            `user not permitted to ${verb} requests with signerName ${JSON.stringify(signerName)}`,
          );
      };
      if (subresource === "approval") check("approve");
      if (subresource === "status" && isSigned(request.object as unknown as SigningRequest, old)) check("sign");
    },
  };
}

/** A status that says something else than before about the certificate, or that signing failed. */
function isSigned({ status }: SigningRequest, { status: old }: SigningRequest): boolean {
  return status?.certificate !== old?.certificate || !equalJson(status?.conditions ?? [], old?.conditions ?? []);
}

function checkSubject(request: AdmissionRequest): void {
  const { spec } = request.object as unknown as SigningRequest;
  if (spec.signerName !== CLIENT_SIGNER) return;
  const { organizations } = readSigningRequest(Buffer.from(spec.request, "base64").toString("latin1"));
  if (organizations.includes(MASTERS))
    throw refused(request, `use of ${CLIENT_SIGNER} signer with ${MASTERS} group is not allowed`);
}
