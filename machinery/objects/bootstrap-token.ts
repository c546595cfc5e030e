/**
 * Bootstrap tokens: Secrets by which machines that have no identity yet may speak to the API server.
 *
 * A token is "ID.SECRET"; its Secret is kube-system/bootstrap-token-ID. What is malformed, expired or meant for
 * something else is no token: nobody is told why. Used by who authenticates (apiserver/auth/bootstrap-tokens.ts), by
 * who signs cluster-info and by who removes what has expired (controllers/).
 * https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
 */
import type { Secret } from "./kinds.ts";

export const BOOTSTRAP_TOKEN = "bootstrap.kubernetes.io/token";
export const TOKEN_NAMESPACE = "kube-system";
export const TOKEN_PREFIX = "bootstrap-token-";
export const BOOTSTRAP_USER = "system:bootstrap:";
export const BOOTSTRAPPERS = "system:bootstrappers";

export type TokenUsage = "authentication" | "signing";

export interface BootstrapToken {
  readonly id: string;
  readonly secret: string;
}

const TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const NAME = /^bootstrap-token-([a-z0-9]{6})$/;
const EXTRA_GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/** Undefined for text that is no such token. */
export function parseBootstrapToken(text: string): BootstrapToken | undefined {
  const [, id, secret] = TOKEN.exec(text) ?? [];
  return id && secret ? { id, secret } : undefined;
}

/** The token in a Secret, where it may be used in this way now. */
export function tokenIn(secret: Secret, usage: TokenUsage, now: number): BootstrapToken | undefined {
  const { type, metadata } = secret;
  const name = NAME.exec(metadata.name)?.[1];
  if (type !== BOOTSTRAP_TOKEN || metadata.namespace !== TOKEN_NAMESPACE || metadata.deletionTimestamp)
    return undefined;
  const id = textOf(secret, "token-id");
  const value = textOf(secret, "token-secret");
  if (!name || id !== name || !value) return undefined;
  const ends = expiresAt(secret);
  if (ends !== undefined && ends <= now) return undefined;
  return textOf(secret, `usage-bootstrap-${usage}`) === "true" ? { id, secret: value } : undefined;
}

/** When the token ends, in ms; undefined: never. What cannot be read has ended. */
export function expiresAt(secret: Secret): number | undefined {
  const text = textOf(secret, "expiration");
  if (text === "") return undefined;
  const at = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? 0 : at;
}

/** The groups of who brings the token; undefined where a group is named that a token must not give. */
export function groupsOf(secret: Secret): readonly string[] | undefined {
  const extra = textOf(secret, "auth-extra-groups");
  const groups = extra === "" ? [] : extra.split(",").map((one) => one.trim());
  if (groups.some((one) => !EXTRA_GROUP.test(one))) return undefined;
  return [...new Set([BOOTSTRAPPERS, ...groups])].sort();
}

function textOf({ data }: Secret, key: string): string {
  return Buffer.from(data?.[key] ?? "", "base64").toString("utf8");
}
