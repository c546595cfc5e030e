/**
 * JWT: signs claims as compact JSON Web Tokens (ES256) by the cluster's key for service accounts.
 *
 * Who reads them, and what must hold for a token to be good, is apiserver/auth/tokens.ts. Only the API server and the
 * controller that fills Secrets with tokens hold the key.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";

/** Throws for what is no private key. */
export function createJwtSigner(privateKeyPem: string): (claims: object) => string {
  const key = createPrivateKey(privateKeyPem);
  const head = encode({ alg: "ES256", kid: keyId(createPublicKey(key)) });
  return (claims) => {
    const text = `${head}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" });
    return `${text}.${signature.toString("base64url")}`;
  };
}

/** How a token names the key that signed it: by the hash of the public one. */
export function keyId(publicKey: KeyObject): string {
  const spki = publicKey.export({ format: "der", type: "spki" });
  return createHash("sha256").update(spki).digest("base64url");
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
