/**
 * Lasting tokens: tokens of service accounts that stand in a Secret and have no end.
 *
 * Such a token is good only as long as its Secret is there and holds it, and its account is the one it was made for.
 * They are made by controllers/serviceaccount-tokens.ts; tokens that end are tokens.ts.
 */
import { timingSafeEqual } from "node:crypto";
import type { Secret } from "../../machinery/objects/kinds.ts";
import { AUTHENTICATED, type CachedObjects, type User } from "./contract.ts";

export const LASTING_ISSUER = "kubernetes/serviceaccount";

export interface LastingClaims {
  readonly sub: string;
  readonly "kubernetes.io/serviceaccount/namespace": string;
  readonly "kubernetes.io/serviceaccount/secret.name": string;
  readonly "kubernetes.io/serviceaccount/service-account.name": string;
  readonly "kubernetes.io/serviceaccount/service-account.uid": string;
}

const INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since";

/** Undefined where the token is not good any more; its signature has been checked. */
export function lastingUser(token: string, claims: LastingClaims, objects: CachedObjects): User | undefined {
  const namespace = claims["kubernetes.io/serviceaccount/namespace"];
  const name = claims["kubernetes.io/serviceaccount/service-account.name"];
  const uid = claims["kubernetes.io/serviceaccount/service-account.uid"];
  const secretName = claims["kubernetes.io/serviceaccount/secret.name"];
  const secret = objects.get("secrets", namespace, secretName) as unknown as Secret | undefined;
  const account = objects.get("serviceaccounts", namespace, name)?.metadata;
  if (!secret || secret.metadata.deletionTimestamp || secret.metadata.labels?.[INVALID_SINCE]) return undefined;
  if (account?.uid !== uid || account.deletionTimestamp || !holds(secret, token)) return undefined;
  if (claims.sub !== `system:serviceaccount:${namespace}:${name}`) return undefined;
  return {
    name: claims.sub,
    uid,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, AUTHENTICATED],
  };
}

function holds({ data }: Secret, token: string): boolean {
  const [held, given] = [Buffer.from(data?.["token"] ?? "", "base64"), Buffer.from(token)];
  return held.length === given.length && timingSafeEqual(held, given);
}
