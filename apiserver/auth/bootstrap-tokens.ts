/**
 * Bootstrap tokens as proof of identity: who brings one is system:bootstrap:ID, in the groups that its Secret names.
 *
 * A text that is no good token has no opinion here, so that the answer tells nothing about which tokens there are.
 * What such a user may do is RBAC's; the tokens' end is controllers/token-cleaner.ts.
 */
import { timingSafeEqual } from "node:crypto";
import {
  BOOTSTRAP_USER,
  groupsOf,
  parseBootstrapToken,
  TOKEN_NAMESPACE,
  TOKEN_PREFIX,
  tokenIn,
} from "../../machinery/objects/bootstrap-token.ts";
import type { Secret } from "../../machinery/objects/kinds.ts";
import { AUTHENTICATED, type CachedObjects, type User } from "./contract.ts";

export function bootstrapUser(token: string, objects: CachedObjects, now: number): User | undefined {
  const asked = parseBootstrapToken(token);
  if (!asked) return undefined;
  const secret = objects.get("secrets", TOKEN_NAMESPACE, TOKEN_PREFIX + asked.id) as unknown as Secret | undefined;
  const known = secret && tokenIn(secret, "authentication", now);
  const groups = secret && groupsOf(secret);
  if (!known || !groups || !same(known.secret, asked.secret)) return undefined;
  return { name: BOOTSTRAP_USER + known.id, groups: [...groups, AUTHENTICATED] };
}

/** In a time that does not tell how much of it is right. */
function same(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
