/**
 * Tokens: service account tokens as signed JWTs (ES256), bound to an account and possibly a Pod.
 *
 * Signed by one key; others are taken too, so that keys and issuers can change while old tokens live. Who else
 * wants to check a token finds the keys at request/issuer-discovery.ts.
 * A token is good only while what it is bound to exists with the same uid: checked with every use
 * against the cache, so deleting a Pod ends its token. Issued by request/token-request.ts.
 * https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
 */
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { ApiError } from "../../machinery/objects/status.ts";
import { createJwtSigner, keyId } from "../../machinery/pki/jwt.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { AUTHENTICATED, type CachedObjects, type User } from "./contract.ts";
import { LASTING_ISSUER, type LastingClaims, lastingUser } from "./lasting-tokens.ts";

export const ISSUER = "https://kubernetes.default.svc.cluster.local";

export interface TokenOptions {
  /** The first is in new tokens; those of all are taken. Absent: ISSUER. */
  readonly issuers?: readonly string[] | undefined;
  /** Whom a token must be meant for to be taken here. Absent: the issuers. */
  readonly audiences?: readonly string[] | undefined;
  /** PEM of more keys, public or private, whose tokens are taken: EC P-256 or RSA. */
  readonly keys?: readonly string[] | undefined;
}

export interface Reference {
  readonly name: string;
  readonly uid: string;
}

/** What is said under "kubernetes.io". */
export interface Binding {
  readonly namespace: string;
  readonly serviceaccount: Reference;
  readonly pod?: Reference;
  readonly secret?: Reference;
  readonly node?: Reference;
}

interface Claims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: readonly string[];
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
  readonly jti: string;
  readonly "kubernetes.io": Binding;
}

export interface VerifiedToken {
  readonly user: User;
  readonly audiences: readonly string[];
}

export interface Tokens {
  issue(binding: Binding, audiences: readonly string[], seconds: number): { token: string; expires: number };
  /**
   * Undefined for what is no token of ours; throws Unauthorized for one that is, but is not good any more.
   * `audiences`: at least one of them must be among the token's.
   */
  verify(token: string, audiences: readonly string[], objects: CachedObjects): VerifiedToken | undefined;
  /** What is in new tokens. */
  readonly issuer: string;
  /** For whom tokens are that say nothing else, and one of whom a request's token must be for. */
  readonly audiences: readonly string[];
  /** How the keys sign: "ES256". */
  readonly algorithms: readonly string[];
  /** The public keys as a JSON Web Key Set; the one that signs comes first. */
  readonly keySet: unknown;
}

export function createTokens(clock: Clock, privateKeyPem: string, options: TokenOptions = {}): Tokens {
  const { issuers = [ISSUER], audiences: own = issuers, keys: more = [] } = options;
  const signed = createJwtSigner(privateKeyPem);
  const keys = [privateKeyPem, ...more].map(verifyingKey);
  const byId = new Map(keys.map((one) => [one.id, one]));
  const [issuer = ISSUER] = issuers;

  return {
    issuer,
    audiences: own,
    algorithms: [...new Set(keys.map(({ algorithm }) => algorithm))].sort(),
    keySet: { keys: [...byId.values()].map(({ jwk }) => jwk) },

    issue(binding, audiences, seconds) {
      const now = Math.floor(clock.now() / 1000);
      const claims: Claims = {
        aud: audiences,
        exp: now + seconds,
        iat: now,
        iss: issuer,
        jti: clock.uuid(),
        "kubernetes.io": binding,
        nbf: now,
        sub: `system:serviceaccount:${binding.namespace}:${binding.serviceaccount.name}`,
      };
      return { token: signed(claims), expires: claims.exp * 1000 };
    },

    verify(token, audiences, objects) {
      const claims = signedClaims(token, byId);
      if (claims?.iss === LASTING_ISSUER) {
        const shared = own.filter((one) => audiences.includes(one));
        const user = lastingUser(token, claims as unknown as LastingClaims, objects);
        if (!user || shared.length === 0) throw invalidated();
        return { user, audiences: shared };
      }
      if (!claims || !issuers.includes(claims.iss)) return undefined;
      const seconds = clock.now() / 1000;
      if (claims.exp <= seconds || claims.nbf > seconds + 60) throw unauthorized("service account token has expired");
      const shared = claims.aud.filter((one) => audiences.includes(one));
      if (shared.length === 0) throw unauthorized("token audiences are invalid for the target audiences");
      checkBinding(claims["kubernetes.io"], objects, clock.now());
      return { user: userOf(claims), audiences: shared };
    },
  };
}

interface VerifyingKey {
  readonly id: string;
  readonly algorithm: "ES256" | "RS256";
  readonly key: KeyObject;
  readonly jwk: unknown;
}

function verifyingKey(pem: string): VerifyingKey {
  const key = createPublicKey(pem);
  const { namedCurve } = key.asymmetricKeyDetails ?? {};
  const algorithm = key.asymmetricKeyType === "rsa" ? "RS256" : namedCurve === "prime256v1" ? "ES256" : undefined;
  if (!algorithm) throw new Error("a key of service account tokens must be EC P-256 or RSA");
  const id = keyId(key);
  return { id, algorithm, key, jwk: { use: "sig", alg: algorithm, kid: id, ...key.export({ format: "jwk" }) } };
}

function signedClaims(token: string, keys: ReadonlyMap<string, VerifyingKey>): Claims | undefined {
  const parts = token.split(".");
  const [head = "", body = "", signature = ""] = parts;
  if (parts.length !== 3) return undefined;
  const { alg, kid } = (decode(head) ?? {}) as { alg?: unknown; kid?: unknown };
  const known = typeof kid === "string" ? keys.get(kid) : undefined;
  if (!known || known.algorithm !== alg) return undefined;
  const bytes = Buffer.from(signature, "base64url");
  const how = { key: known.key, dsaEncoding: "ieee-p1363" } as const;
  return verify("sha256", Buffer.from(`${head}.${body}`), how, bytes)
    ? (decode(body) as Claims | undefined)
    : undefined;
}

/** What is being deleted may end its work: a Pod that terminates still needs its token for a while. */
const DELETION_LEEWAY_MS = 60_000;

function checkBinding({ namespace, serviceaccount, pod, secret }: Binding, objects: CachedObjects, now: number): void {
  const good = (resource: string, { name, uid }: Reference) => {
    const metadata = objects.get(resource, namespace, name)?.metadata;
    if (metadata?.uid !== uid) return false;
    const { deletionTimestamp } = metadata;
    return deletionTimestamp === undefined || now <= Date.parse(String(deletionTimestamp)) + DELETION_LEEWAY_MS;
  };
  if (!good("serviceaccounts", serviceaccount)) throw invalidated();
  if (pod && !good("pods", pod)) throw invalidated();
  if (secret && !good("secrets", secret)) throw invalidated();
}

const invalidated = (): ApiError => unauthorized("service account token has been invalidated");

function userOf({ sub, jti, "kubernetes.io": binding }: Claims): User {
  const { namespace, serviceaccount, pod, node } = binding;
  const info = (key: string, value: string | undefined) =>
    value ? { [`authentication.kubernetes.io/${key}`]: [value] } : {};
  return {
    name: sub,
    uid: serviceaccount.uid,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, AUTHENTICATED],
    extra: {
      ...info("credential-id", `JTI=${jti}`),
      ...info("node-name", node?.name),
      ...info("node-uid", node?.uid),
      ...info("pod-name", pod?.name),
      ...info("pod-uid", pod?.uid),
    },
  };
}

export const unauthorized = (why?: string): ApiError =>
  new ApiError("Unauthorized", why ? `Unauthorized: ${why}` : "Unauthorized");

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}
