/**
 * Sign: answers a certificate request (PKCS #10) with a certificate of an authority.
 *
 * The certificate is for the subject, the key and the other names of the request, and for what the signer allows;
 * of the request's extensions nothing else is taken, and it never makes an authority. Whether to sign is the
 * caller's question; the requester's possession of the key is checked by signing-request.ts.
 */
import type { ExtendedKeyUsage, KeyUsageFlags } from "@peculiar/x509";
import type { Clock } from "../process/clock.ts";
import {
  ALGORITHM,
  BACKDATE_MS,
  importKey,
  type KeyPair,
  library,
  pem,
  SHORT_SECONDS,
  serial,
} from "./certificates.ts";
import { readSigningRequest } from "./signing-request.ts";

export interface SigningTerms {
  /** As the API names them: "client auth". */
  readonly usages: readonly string[];
  readonly seconds: number;
}

const KEY_USAGES: Readonly<Record<string, keyof typeof KeyUsageFlags>> = {
  signing: "digitalSignature",
  "digital signature": "digitalSignature",
  "content commitment": "nonRepudiation",
  "key encipherment": "keyEncipherment",
  "key agreement": "keyAgreement",
  "data encipherment": "dataEncipherment",
  "cert sign": "keyCertSign",
  "crl sign": "cRLSign",
  "encipher only": "encipherOnly",
  "decipher only": "decipherOnly",
};

const EXTENDED_USAGES: Readonly<Record<string, string>> = {
  any: "2.5.29.37.0",
  "server auth": "1.3.6.1.5.5.7.3.1",
  "client auth": "1.3.6.1.5.5.7.3.2",
  "code signing": "1.3.6.1.5.5.7.3.3",
  "email protection": "1.3.6.1.5.5.7.3.4",
  "s/mime": "1.3.6.1.5.5.7.3.4",
  "ipsec end system": "1.3.6.1.5.5.7.3.5",
  "ipsec tunnel": "1.3.6.1.5.5.7.3.6",
  "ipsec user": "1.3.6.1.5.5.7.3.7",
  timestamping: "1.3.6.1.5.5.7.3.8",
  "ocsp signing": "1.3.6.1.5.5.7.3.9",
  "microsoft sgc": "1.3.6.1.4.1.311.10.3.3",
  "netscape sgc": "2.16.840.1.113730.4.1",
};

const ALTERNATIVE_NAME = "2.5.29.17";

/** The certificate, PEM. */
export async function signRequest(
  clock: Clock,
  authority: KeyPair,
  request: string,
  { usages, seconds }: SigningTerms,
): Promise<string> {
  readSigningRequest(request);
  const x509 = await library();
  const issuer = new x509.X509Certificate(authority.certificate);
  const asked = new x509.Pkcs10CertificateRequest(request);
  const names = asked.extensions.find(({ type }) => type === ALTERNATIVE_NAME);
  const extended = [...new Set(usages.flatMap((usage) => EXTENDED_USAGES[usage] ?? []))].sort();
  const flags = usages.reduce((sum, usage) => sum | flagOf(x509.KeyUsageFlags, usage), 0);
  const now = Math.floor(clock.now() / 1000) * 1000;
  const start = seconds < SHORT_SECONDS ? now : now - BACKDATE_MS;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(clock),
    subject: asked.subjectName,
    issuer: issuer.subjectName,
    notBefore: new Date(start),
    notAfter: new Date(Math.min(start + seconds * 1000, issuer.notAfter.getTime())),
    publicKey: asked.publicKey,
    signingKey: await importKey(authority.key),
    signingAlgorithm: ALGORITHM,
    extensions: [
      ...(flags ? [new x509.KeyUsagesExtension(flags, true)] : []),
      ...(extended.length > 0 ? [new x509.ExtendedKeyUsageExtension(extended as ExtendedKeyUsage[])] : []),
      new x509.BasicConstraintsExtension(false, undefined, true),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      ...(names ? [names] : []),
    ],
  });
  return pem(certificate.toString("pem"));
}

function flagOf(flags: typeof KeyUsageFlags, usage: string): number {
  const name = KEY_USAGES[usage];
  return name ? flags[name] : 0;
}
