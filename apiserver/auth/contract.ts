/**
 * Auth contract: who asks (User), what for (Attributes), and the functions that decide.
 *
 * Authentication answers "who" or throws 401; authorization answers from cached objects, at once,
 * and never by I/O, so it stands in the path of every request without cost.
 */
import type { RequestRecord } from "../../machinery/client/transport/contract.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";

export interface User {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export const ANONYMOUS = "system:anonymous";
export const AUTHENTICATED = "system:authenticated";
export const UNAUTHENTICATED = "system:unauthenticated";
export const MASTERS = "system:masters";
export const NODES = "system:nodes";

export const anonymous: User = { name: ANONYMOUS, groups: [UNAUTHENTICATED] };

/** What is asked for. Resource requests use the middle fields, all others `path`. */
export interface Attributes {
  readonly user: User;
  readonly verb: string;
  readonly isResource: boolean;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  /** "" for none. */
  readonly subresource: string;
  /** "" for cluster-scoped requests and for lists over all namespaces. */
  readonly namespace: string;
  readonly name: string;
  readonly path: string;
  /** As sent with a list or watch: what a node may see depends on it. */
  readonly fieldSelector?: string;
}

export type Decision =
  | { readonly kind: "allow"; readonly reason: string }
  /** Someone after this one may allow it. */
  | { readonly kind: "noOpinion"; readonly reason: string }
  | { readonly kind: "deny"; readonly reason: string };

export type Authorizer = (attributes: Attributes) => Decision;

/** Undefined when the request brings nothing that this one knows; throws Unauthorized when what it brings is bad. */
export type Authenticator = (request: RequestRecord) => Promise<User | undefined> | User | undefined;

export const allow = (reason = ""): Decision => ({ kind: "allow", reason });
export const deny = (reason: string): Decision => ({ kind: "deny", reason });
export const noOpinion: Decision = { kind: "noOpinion", reason: "" };

/** Read access to the watch cache: at once, and possibly a moment behind the store. Objects are frozen. */
export interface CachedObjects {
  /** `resource` is the plural, with its group where that is not core: "pods", "roles.rbac.authorization.k8s.io". */
  get(resource: string, namespace: string, name: string): StoredObject | undefined;
  list(resource: string, namespace?: string): Iterable<StoredObject>;
  /** The Pods that are bound to a node. */
  podsOn(node: string): Iterable<StoredObject>;
  /** Grows with every change of the resource: for what is derived from it and kept. */
  generation(resource: string): number;
}
