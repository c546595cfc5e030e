/**
 * Policy request: a write as the expressions of policies and webhooks see it.
 */
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import type { Attributes, Authorizer, User } from "../auth/contract.ts";
import type { AuthorizationCheck, AuthorizerBinding } from "../cel/contract.ts";
import { cel } from "../cel/lazy.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { GroupVersionKind } from "../schema/contract.ts";
import type { AdmissionRequest } from "./contract.ts";
import { isNamespace } from "./namespace-of.ts";

const optionKinds: Readonly<Record<string, string>> = {
  CREATE: "CreateOptions",
  UPDATE: "UpdateOptions",
  DELETE: "DeleteOptions",
};

const kindOf = ({ group, version, kind }: GroupVersionKind) => ({ group, version, kind });
const resourceOf = ({ group, version, plural }: ResourceRow) => ({ group, version, resource: plural });

/** The variable `request`; `row` is the one that the rules matched. */
export function requestValue(request: AdmissionRequest, row: ResourceRow): Readonly<Record<string, unknown>> {
  const { user, subresource, name, namespace, operation, dryRun } = request;
  const kind = optionKinds[operation];
  // as in Kubernetes, a Namespace is in itself
  const within = namespace || (isNamespace(request) ? name : "");
  const options = request.options?.() ?? (kind && { kind, apiVersion: "meta.k8s.io/v1" });
  return {
    kind: kindOf(request.kind ?? row),
    resource: resourceOf(row),
    ...(subresource && { subResource: subresource, requestSubResource: subresource }),
    requestKind: kindOf(request.kind ?? request.row),
    requestResource: resourceOf(request.row),
    ...(name && { name }),
    ...(within && { namespace: within }),
    operation,
    userInfo: userValue(user),
    dryRun,
    ...(options && { options }),
  };
}

export const userValue = ({ name, uid, groups, extra }: User) => ({
  ...(name && { username: name }),
  ...(uid && { uid }),
  groups: [...groups],
  ...(extra && { extra }),
});

/** An object of one row as another row of the same objects has it. */
export async function objectAs(object: KubeObject, from: ResourceRow, to: ResourceRow): Promise<KubeObject> {
  if (from === to) return object;
  if (to.custom) return to.custom.convert(object);
  const stored = from.storedAs ? from.storedAs.toStored(object) : object;
  return to.storedAs ? (to.storedAs.fromStored(stored as StoredObject) as KubeObject) : stored;
}

/** New and old object as the row that the rules matched has them; a subresource's own kind is the same in all. */
export async function objectsAs(request: AdmissionRequest, to: ResourceRow) {
  const { object, old, row, kind } = request;
  if (row === to || kind) return { object: object ?? null, oldObject: old ?? null };
  return {
    object: object ? await objectAs(object, row, to) : null,
    oldObject: old ? await objectAs(old as KubeObject, row, to) : null,
  };
}

/** What a policy may know of a namespace. */
export function namespaceValue(namespace: StoredObject | undefined): unknown {
  if (!namespace) return null;
  const { metadata, spec, status } = namespace as StoredObject & { readonly spec?: object; readonly status?: object };
  const { uid, ...rest } = metadata;
  return { metadata: { ...rest, UID: uid }, spec: spec ?? {}, status: status ?? {} };
}

/** The variables `authorizer` and `authorizer.requestResource`. */
export function authorizerValues(request: AdmissionRequest, authorize: Authorizer): Readonly<Record<string, unknown>> {
  const ask: AuthorizerBinding = (check) => {
    const decision = authorize(attributesOf(check, request.user));
    return { allowed: decision.kind === "allow", reason: decision.reason };
  };
  const { row, subresource, namespace, name } = request;
  const check = { group: row.group, resource: row.plural, subresource, namespace, name };
  return { authorizer: cel().authorizer(ask), "authorizer.requestResource": cel().resourceCheck(ask, check) };
}

function attributesOf(check: AuthorizationCheck, user: User): Attributes {
  const { serviceAccount, path = "", fieldSelector } = check;
  return {
    user: serviceAccount ? accountUser(serviceAccount) : user,
    verb: check.verb ?? "",
    isResource: check.resource !== undefined,
    group: check.group ?? "",
    version: "*",
    resource: check.resource ?? "",
    subresource: check.subresource ?? "",
    namespace: check.namespace ?? "",
    name: check.name ?? "",
    path,
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
}

const accountUser = ({ namespace, name }: { readonly namespace: string; readonly name: string }): User => ({
  name: `system:serviceaccount:${namespace}:${name}`,
  groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
});
