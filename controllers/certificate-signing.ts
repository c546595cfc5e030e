/**
 * Certificate signing: signs approved requests to the cluster's own signers by its authority.
 *
 * Only this controller knows the authority's key. A request that its signer must not sign is marked Failed, for good;
 * one that is signed is never signed again. What each signer takes: certificate-rules.ts.
 * https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
 */
import { type Controller, defineController, done, enqueueSelf, type Outcome } from "../machinery/loop/controller.ts";
import type { CertificateSigningRequest } from "../machinery/objects/kinds.ts";
import type { KeyPair } from "../machinery/pki/certificates.ts";
import { signRequest } from "../machinery/pki/sign.ts";
import { wireTime } from "../machinery/process/clock.ts";
import { askedBy, isToBeSigned, requestOf, SIGNERS } from "./certificate-rules.ts";

/** One for all four signers, since they share the authority. */
export function certificateSigningController(authority: KeyPair, longest: number): Controller {
  return defineController({
    name: "certificate-signer",
    watches: { certificatesigningrequests: enqueueSelf },

    async reconcile(name, { certificatesigningrequests, client, clock }): Promise<Outcome> {
      const request = certificatesigningrequests.get(name);
      if (!request || !isToBeSigned(request)) return done;
      const { signerName, usages = [], expirationSeconds } = request.spec;
      const rule = Object.hasOwn(SIGNERS, signerName) ? SIGNERS[signerName] : undefined;
      if (!rule) return done;

      const wrong = rule(askedBy(request), usages);
      const outcome = wrong
        ? { conditions: [...(request.status?.conditions ?? []), failed(wrong, wireTime(clock.now()))] }
        : {
            certificate: encoded(
              await signRequest(clock, authority, requestOf(request), {
                usages,
                seconds: lifetime(expirationSeconds, longest),
              }),
            ),
          };
      await client.updateStatus("certificatesigningrequests", {
        ...request,
        status: { ...request.status, ...outcome },
      });
      return done;
    },
  });
}

const SHORTEST_SECONDS = 10 * 60;

/** Who asks may have less than the longest, not more. */
export function lifetime(asked: CertificateSigningRequest["spec"]["expirationSeconds"], longest: number): number {
  return Math.min(Math.max(asked ?? longest, SHORTEST_SECONDS), longest);
}

const encoded = (pem: string): string => Buffer.from(pem).toString("base64");

const failed = (message: string, now: string) => ({
  type: "Failed",
  status: "True",
  reason: "SignerValidationFailure",
  message,
  lastUpdateTime: now,
  lastTransitionTime: now,
});
