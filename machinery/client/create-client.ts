/**
 * Client over a transport: turns typed calls into requests by the table of kinds.
 *
 * It changes nothing that it is given: objects from the direct transport are shared and frozen.
 */
import { apiVersionOf, type Kinds, kinds, type ResourceName } from "../objects/kinds.ts";
import { isNotFound } from "../objects/status.ts";
import type { KubeObject } from "../objects/wire.ts";
import type { Cause, Client, DeleteOptions, List, ListOptions, ObjectRef, PatchType, WatchOptions } from "./client.ts";
import {
  CAUSE_CONTROLLER_HEADER,
  CAUSE_REVISION_HEADER,
  type ClientRequest,
  type Transport,
} from "./transport/contract.ts";

const PATCH_CONTENT: Readonly<Record<PatchType, string>> = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
};

export function createClient(transport: Transport, cause?: Cause): Client {
  const headers = causeHeaders(cause);
  const write = async <T>(request: ClientRequest): Promise<T> =>
    (await transport.request({ ...request, headers: { ...headers, ...request.headers } })) as T;

  const client: Client = {
    transport,
    because: (next) => createClient(transport, next),

    async get(resource, ref) {
      return (await transport.request({ method: "GET", path: pathOf(resource, ref) })) as never;
    },

    async find(resource, ref) {
      try {
        return await client.get(resource, ref);
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },

    async list(resource, options = {}) {
      const request = {
        method: "GET",
        path: collectionPath(resource, options.namespace),
        query: query(options),
      } as const;
      const list = await transport.request({ ...request, ...(options.signal ? { signal: options.signal } : {}) });
      return typed(resource, list as List<Kinds[typeof resource]>);
    },

    watch(resource, options = {}) {
      return transport.watch({
        method: "GET",
        path: collectionPath(resource, options.namespace),
        query: { ...query(options), watch: "true" },
        ...(options.signal ? { signal: options.signal } : {}),
      }) as never;
    },

    create: (resource, object) =>
      write({
        method: "POST",
        path: collectionPath(resource, object.metadata.namespace),
        body: labelled(resource, object),
      }),

    update: (resource, object) =>
      write({ method: "PUT", path: pathOf(resource, refOf(object)), body: labelled(resource, object) }),

    updateStatus: (resource, object) =>
      write({ method: "PUT", path: `${pathOf(resource, refOf(object))}/status`, body: labelled(resource, object) }),

    patch: (resource, ref, patch, { type = "merge", subresource } = {}) =>
      write({
        method: "PATCH",
        path: subresource ? `${pathOf(resource, ref)}/${subresource}` : pathOf(resource, ref),
        headers: { "content-type": PATCH_CONTENT[type] },
        body: patch,
      }),

    async delete(resource, ref, options = {}) {
      await write({ method: "DELETE", path: pathOf(resource, ref), body: deleteBody(options) });
    },

    createSub: (resource, ref, subresource, body) =>
      write<KubeObject>({ method: "POST", path: `${pathOf(resource, ref)}/${subresource}`, body }),

    raw: (request) => (request.method === "GET" ? transport.request(request) : write(request)),
  };
  return client;
}

/** "/api/v1/namespaces/default/pods", or of all namespaces without one. */
export function collectionPath(resource: ResourceName, namespace?: string): string {
  const { group, version, namespaced } = kinds[resource];
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  return namespaced && namespace
    ? `${root}/namespaces/${encodeURIComponent(namespace)}/${resource}`
    : `${root}/${resource}`;
}

export function pathOf(resource: ResourceName, { namespace, name }: ObjectRef): string {
  return `${collectionPath(resource, namespace)}/${encodeURIComponent(name)}`;
}

/** The body of a DELETE, as DeleteOptions of meta/v1. */
export function deleteBody({ preconditions, propagation, gracePeriodSeconds }: DeleteOptions): Record<string, unknown> {
  return {
    kind: "DeleteOptions",
    apiVersion: "v1",
    ...(preconditions ? { preconditions } : {}),
    ...(propagation ? { propagationPolicy: propagation } : {}),
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
  };
}

function causeHeaders(cause: Cause | undefined): Record<string, string> {
  if (!cause) return {};
  return {
    [CAUSE_CONTROLLER_HEADER]: cause.controller,
    ...(cause.revision ? { [CAUSE_REVISION_HEADER]: cause.revision } : {}),
  };
}

function query(options: WatchOptions & ListOptions): Record<string, string> {
  const result: Record<string, string> = {};
  for (const name of QUERY) {
    const value = options[name];
    if (value !== undefined && value !== "") result[name] = String(value);
  }
  return result;
}

const QUERY = [
  "labelSelector",
  "fieldSelector",
  "resourceVersion",
  "limit",
  "continue",
  "allowWatchBookmarks",
  "timeoutSeconds",
] as const;

function refOf(object: { readonly metadata: { readonly namespace?: string; readonly name?: string } }): ObjectRef {
  const { namespace, name } = object.metadata;
  if (!name) throw new TypeError("an object without a name cannot be written");
  return { namespace, name };
}

function labelled(resource: ResourceName, object: object): object {
  return { ...object, apiVersion: apiVersionOf(kinds[resource]), kind: kinds[resource].kind };
}

/** Items of a list may come without apiVersion and kind, as in Kubernetes. */
function typed<T extends object>(resource: ResourceName, list: List<T>): List<T> {
  if (list.items?.every((item) => "kind" in item)) return list;
  return { ...list, items: (list.items ?? []).map((item) => labelled(resource, item) as T) };
}
