/**
 * Obtain: asks the cluster for a certificate (CertificateSigningRequest) and waits until it is there.
 *
 * The private key never leaves this machine. Whoever is killed meanwhile asks anew: an answered request is removed by
 * controllers/certificate-cleaning.ts. Who approves: controllers/certificate-approving.ts.
 */
import type { Client } from "../client/client.ts";
import type { CertificateSigningRequest } from "../objects/kinds.ts";
import { ApiError } from "../objects/status.ts";
import type { Subject } from "../pki/certificates.ts";
import { makeSigningRequest } from "../pki/make-request.ts";
import type { Clock } from "../process/clock.ts";
import { JoinError } from "./join-error.ts";

export const SIGNERS = {
  node: "kubernetes.io/kube-apiserver-client-kubelet",
  client: "kubernetes.io/kube-apiserver-client",
  serving: "kubernetes.io/kubelet-serving",
} as const;

export interface CertificateWish extends Subject {
  /** EC private key, PEM. */
  readonly key: string;
  readonly signer: keyof typeof SIGNERS;
  readonly dnsNames?: readonly string[];
  readonly addresses?: readonly string[];
  /** How long it should be good; the cluster may give less. */
  readonly seconds?: number | undefined;
}

export interface ObtainContext {
  readonly client: Client;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** How long an approval may take before it is said that nobody approves. */
const PATIENCE_MS = 120_000;
const FIRST_LOOK_MS = 50;
const LONGEST_LOOK_MS = 1_000;

/** The certificate, PEM. Rejects with a JoinError where the cluster refuses, with an ApiError where it is not reached. */
export async function obtainCertificate(wish: CertificateWish, context: ObtainContext): Promise<string> {
  const { client, clock, signal } = context;
  const { key, signer, seconds } = wish;
  const made = await client.create("certificatesigningrequests", {
    metadata: { generateName: `${wish.commonName.split(":").slice(1, 3).join("-").toLowerCase()}-` },
    spec: {
      request: Buffer.from(makeSigningRequest(key, wish)).toString("base64"),
      signerName: SIGNERS[signer],
      usages: ["digital signature", signer === "serving" ? "server auth" : "client auth"],
      ...(seconds === undefined ? {} : { expirationSeconds: seconds }),
    },
  });
  const { name } = made.metadata;
  const until = clock.monotonic() + PATIENCE_MS;
  for (let pause = FIRST_LOOK_MS; ; pause = Math.min(2 * pause, LONGEST_LOOK_MS)) {
    await clock.sleep(pause, signal);
    const certificate = answerTo(await client.get("certificatesigningrequests", { name }));
    if (certificate) return certificate;
    if (clock.monotonic() > until)
      throw new JoinError(
        `nobody has approved this node's certificate within ${PATIENCE_MS / 1000} s`,
        `look whether the controllers run on the server, or approve it yourself: kubectl certificate approve ${name}`,
      );
  }
}

/** Throws where the answer is no. */
function answerTo({ metadata, status }: CertificateSigningRequest): string | undefined {
  if (status?.certificate) return Buffer.from(status.certificate, "base64").toString("latin1");
  const no = status?.conditions?.find(({ type }) => type === "Denied" || type === "Failed");
  if (!no) return undefined;
  if (no.reason === "NodeNameTaken") throw new JoinError(`the cluster refuses this machine: ${no.message}`);
  throw new JoinError(
    `the cluster refuses the certificate (${no.type}, ${no.reason}): ${no.message}`,
    `ask who looks after the cluster: kubectl describe csr ${metadata.name}`,
  );
}

/** A refused token is 401: not known, ended, or of another cluster. */
export const isTokenRefused = (error: unknown): boolean => error instanceof ApiError && error.reason === "Unauthorized";
