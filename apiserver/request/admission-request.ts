/**
 * Admission request: what the plugins are told of a request, made here for every step that asks them.
 *
 * `admitted` asks both kinds of plugins at once: for what is created under an object (a token, an eviction, a binding)
 * and for connections, where nothing of ours comes in between.
 */
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import type { AdmissionOperation, AdmissionRequest } from "../admission/contract.ts";
import type { GroupVersionKind } from "../schema/contract.ts";
import type { ResourceExchange } from "./contract.ts";

export interface Asked {
  readonly operation: AdmissionOperation;
  /** Absent: those of the path. */
  readonly subresource?: string;
  readonly name?: string;
  readonly namespace?: string;
  /** Of what is sent, where that is not the resource's own kind. */
  readonly kind?: GroupVersionKind | undefined;
  readonly object?: KubeObject;
  readonly old?: StoredObject;
  readonly dryRun: boolean;
  /** In place of what the query says: a delete's come in its body. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
}

export function admissionRequest(exchange: ResourceExchange, asked: Asked): AdmissionRequest {
  const { row, info, user, warnings, annotate, record } = exchange;
  const { operation, object, old, kind, dryRun } = asked;
  return {
    operation,
    row,
    kind,
    subresource: asked.subresource ?? info.subresource,
    namespace: asked.namespace ?? info.namespace,
    name: asked.name ?? info.name,
    ...(object ? { object } : {}),
    ...(old ? { old } : {}),
    user,
    dryRun,
    warnings,
    annotate,
    signal: record.signal,
    options: () => optionsOf(record, operation, dryRun, asked.options),
  };
}

export async function admitted(exchange: ResourceExchange, asked: Asked): Promise<void> {
  const { admission } = exchange.server;
  const request = admissionRequest(exchange, asked);
  await admission.mutate(request);
  await admission.validate(request);
}

const KINDS: Readonly<Record<AdmissionOperation, string>> = {
  CREATE: "CreateOptions",
  UPDATE: "UpdateOptions",
  DELETE: "DeleteOptions",
  CONNECT: "",
};

/** The options of the request as an object of their kind; a connection has none. */
function optionsOf(
  { query, method, headers }: ResourceExchange["record"],
  operation: AdmissionOperation,
  dryRun: boolean,
  more: Asked["options"] = {},
): Readonly<Record<string, unknown>> | undefined {
  if (operation === "CONNECT") return undefined;
  const applies = method === "PATCH" && (headers["content-type"] ?? "").startsWith("application/apply-patch");
  const kind = method === "PATCH" ? "PatchOptions" : KINDS[operation];
  const manager = query.get("fieldManager");
  const validation = query.get("fieldValidation");
  return {
    kind,
    apiVersion: "meta.k8s.io/v1",
    ...(dryRun ? { dryRun: ["All"] } : {}),
    ...(applies && query.get("force") === "true" ? { force: true } : {}),
    ...(manager ? { fieldManager: manager } : {}),
    ...(validation ? { fieldValidation: validation } : {}),
    ...more,
  };
}
