/**
 * Connect: the plugins' say about connections to Pods, Services and nodes, before the first byte goes through.
 *
 * What they see is the options of the connection (PodExecOptions …), as the query says them. A step of
 * subresources.ts that connects is wrapped here, so that none can be forgotten in another place.
 */
import { cloneJson, equalJson } from "../../machinery/objects/json-value.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { FieldType, Schema } from "../schema/contract.ts";
import { admitted } from "./admission-request.ts";
import type { ResourceExchange, Step } from "./contract.ts";
import { mayCreate } from "./node-connect.ts";
import { isTrue } from "./path.ts";

export function connection(step: Step): Step {
  return async (exchange) => {
    const { record, subresource: kind, info } = exchange;
    if (record.upgrade) mayCreate(exchange);
    // the name of a Service or Pod to be reached by proxy may say scheme and port, as in Kubernetes
    if (!kind) return step(exchange);
    const object = options(exchange);
    const before = cloneJson(object);
    await admitted(exchange, { operation: "CONNECT", kind, name: info.name, object, dryRun: false });
    if (equalJson(before, object)) return step(exchange);
    return step({ ...exchange, record: { ...record, query: queryOf(record.query, before, object) } });
  };
}

/** The query with what the plugins have changed. */
function queryOf(query: URLSearchParams, before: KubeObject, after: KubeObject): URLSearchParams {
  const changed = new URLSearchParams(query);
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (name === "kind" || name === "apiVersion" || name === "path") continue;
    changed.delete(name);
    const value = after[name];
    for (const one of Array.isArray(value) ? value : value === undefined ? [] : [value])
      changed.append(name, String(one));
  }
  return changed;
}

function options({ record, info, subresource, server }: ResourceExchange): KubeObject {
  const { group = "", version = "", kind = "" } = subresource ?? {};
  const found: Record<string, unknown> = { kind, apiVersion: group ? `${group}/${version}` : version };
  for (const [name, type] of fieldsOf(server.schema, group, version, kind)) {
    const values = name === "path" && info.rest ? [info.rest] : record.query.getAll(name);
    const value = values.length > 0 ? optionOf(type, values) : undefined;
    if (value !== undefined) found[name] = value;
  }
  return found as KubeObject;
}

function fieldsOf(schema: Schema, group: string, version: string, kind: string): (readonly [string, FieldType])[] {
  const fields = schema.kind(group, version, kind)?.fields.values() ?? [];
  return [...fields]
    .filter(({ name }) => name !== "kind" && name !== "apiVersion")
    .map(({ name, type }) => [name, type]);
}

/** What is empty is left out. */
function optionOf(type: FieldType, values: readonly string[]): unknown {
  const [first = ""] = values;
  switch (type.kind) {
    case "list":
      return values.map((value) => optionOf(type.of, [value]));
    case "boolean":
      return isTrue(first) || undefined;
    case "int32":
    case "int64":
      return Number.isSafeInteger(Number(first)) ? Number(first) : undefined;
    default:
      return first || undefined;
  }
}
