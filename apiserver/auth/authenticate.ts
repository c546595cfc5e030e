/**
 * Authentication: whom a request comes from.
 *
 * A certificate, a token, or the identity that a component in this process was started with; nothing
 * brought makes the request anonymous, something bad brought is 401, never anonymous.
 * Impersonation (Impersonate-User and so on) comes on top and is authorized like any verb.
 */
import type { RequestRecord } from "../../machinery/client/transport/contract.ts";
import { TOKEN_PROTOCOL } from "../../machinery/client/transport/contract.ts";
import { ApiError, badRequest } from "../../machinery/objects/status.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { bootstrapUser } from "./bootstrap-tokens.ts";
import {
  type Attributes,
  AUTHENTICATED,
  type Authorizer,
  anonymous,
  type CachedObjects,
  UNAUTHENTICATED,
  type User,
} from "./contract.ts";
import { forbidden } from "./forbidden.ts";
import { type Tokens, unauthorized } from "./tokens.ts";

export function createAuthenticate(
  tokens: Tokens,
  objects: CachedObjects,
  clock: Pick<Clock, "now">,
): (request: RequestRecord) => User {
  return (request) => {
    const { peer } = request;
    if (peer.kind !== "anonymous") return { name: peer.user, groups: withAuthenticated(peer.groups) };
    const token = bearerToken(request);
    if (token === undefined) return anonymous;
    const verified = tokens.verify(token, tokens.audiences, objects);
    const user = verified?.user ?? bootstrapUser(token, objects, clock.now());
    if (!user) throw unauthorized();
    return user;
  };
}

/** In the header, or among the sub-protocols of a WebSocket, since browsers can set nothing else. */
function bearerToken({ headers, upgrade }: RequestRecord): string | undefined {
  const { authorization, "sec-websocket-protocol": protocols } = headers;
  const given = authorization && /^bearer +(\S+) *$/i.exec(authorization)?.[1];
  return given || (upgrade && protocols ? tokenProtocol(protocols) : undefined);
}

/** The token has to come with the protocol that is meant, or the client would wait for an answer to it. */
function tokenProtocol(header: string): string | undefined {
  const protocols = header.split(",").map((one) => one.trim());
  const [token, ...more] = protocols.filter((one) => one.startsWith(TOKEN_PROTOCOL));
  if (token === undefined) return undefined;
  if (more.length > 0) throw badRequest("multiple base64.bearer.authorization tokens specified");
  if (protocols.length === 1) throw badRequest("missing additional subprotocol");
  return Buffer.from(token.slice(TOKEN_PROTOCOL.length), "base64url").toString("utf8");
}

function withAuthenticated(groups: readonly string[]): readonly string[] {
  return groups.includes(AUTHENTICATED) ? groups : [...groups, AUTHENTICATED];
}

const USER = "impersonate-user";
const GROUP = "impersonate-group";
const UID = "impersonate-uid";
const EXTRA = "impersonate-extra-";

/** The user that the request wants to act as: `user` itself unless impersonation headers say otherwise. */
export function impersonate(user: User, headers: RequestRecord["headers"], authorize: Authorizer): User {
  if (!isImpersonated(headers)) return user;
  const name = headers[USER];
  const groups = listOf(headers[GROUP]);
  const extra = Object.entries(headers).filter(([key]) => key.startsWith(EXTRA));
  if (!name) {
    if (groups.length > 0 || headers[UID] !== undefined || extra.length > 0)
      throw new ApiError("BadRequest", "requested impersonation of groups, uid or extra without a user");
    return user;
  }

  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  if (account)
    check(authorize, user, { resource: "serviceaccounts", namespace: account[1] ?? "", name: account[2] ?? "" });
  else check(authorize, user, { resource: "users", name });
  for (const group of groups) check(authorize, user, { resource: "groups", name: group });
  const uid = headers[UID];
  if (uid) check(authorize, user, { group: "authentication.k8s.io", resource: "uids", name: uid });
  const extras: Record<string, string[]> = {};
  for (const [key, value] of extra) {
    const field = decodeURIComponent(key.slice(EXTRA.length));
    extras[field] = listOf(value);
    for (const one of extras[field])
      check(authorize, user, {
        group: "authentication.k8s.io",
        resource: "userextras",
        subresource: field,
        name: one,
      });
  }
  return { name, groups: impersonatedGroups(name, groups, account?.[1]), ...(uid ? { uid } : {}), extra: extras };
}

function isImpersonated(headers: RequestRecord["headers"]): boolean {
  for (const name in headers) if (name.startsWith("impersonate-")) return true;
  return false;
}

function impersonatedGroups(name: string, groups: readonly string[], namespace: string | undefined): readonly string[] {
  const own =
    namespace !== undefined && groups.length === 0
      ? ["system:serviceaccounts", `system:serviceaccounts:${namespace}`]
      : groups;
  if (name === anonymous.name) return own.includes(UNAUTHENTICATED) ? own : [...own, UNAUTHENTICATED];
  return own.includes(UNAUTHENTICATED) ? own : withAuthenticated(own);
}

function check(authorize: Authorizer, user: User, what: Partial<Attributes> & { resource: string }): void {
  const asked: Attributes = {
    user,
    verb: "impersonate",
    isResource: true,
    group: "",
    version: "v1",
    subresource: "",
    namespace: "",
    name: "",
    path: "",
    ...what,
  };
  const decision = authorize(asked);
  if (decision.kind !== "allow") throw forbidden(asked, decision.reason);
}

/** Several headers of one name come as lines: see http.ts. A comma is part of a value. */
const listOf = (header: string | undefined): string[] => (header === undefined ? [] : header.split("\n"));
