/**
 * Apply patch: server-side apply of a configuration, to an object that is there or is made by it.
 *
 * Who owns what and what conflicts is decided in ../apply; here it is put into the way of all writes. A configuration
 * that creates needs the permission to create.
 */
import type { ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { cloneJson } from "../../machinery/objects/json-value.ts";
import { badRequest, conflict, isAlreadyExists, isNotFound, notFound } from "../../machinery/objects/status.ts";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import { limits } from "../../machinery/process/limits.ts";
import { forbidden } from "../auth/forbidden.ts";
import { decodeObject, readBody } from "./body.ts";
import { changeObject } from "./commit.ts";
import { type Outcome, qualified, type ResourceExchange } from "./contract.ts";
import { createObject } from "./create.ts";
import { forced, writerOf } from "./field-manager.ts";
import { placeAtName, placeInNamespace } from "./metadata.ts";
import { writeOptions } from "./options.ts";
import { respondObject } from "./respond.ts";
import { changed, checkVersion } from "./update.ts";

export type Config = Record<string, unknown> & { metadata: Record<string, unknown> };

export async function applyPatch(exchange: ResourceExchange): Promise<ResponseRecord> {
  const { dryRun } = writeOptions(exchange.record.query, "PatchOptions", true);
  const config = readConfig(exchange);
  return respondObject(exchange, await applied(exchange, config, dryRun));
}

async function applied(exchange: ResourceExchange, config: Config, dryRun: boolean): Promise<Outcome> {
  const { info, cache, record } = exchange;
  const name = { namespace: info.namespace, name: info.name };
  // Another client may make or delete the object in between.
  for (let attempt = 1; ; attempt++) {
    const there = cache.peek(name) ?? (await cache.get(name, undefined, record.signal));
    try {
      return there ? await applyTo(exchange, config, dryRun) : await createBy(exchange, config, dryRun);
    } catch (error) {
      const raced = there ? isNotFound(error) && info.subresource === "" : isAlreadyExists(error);
      if (!raced || attempt >= limits.commitAttempts) throw error;
    }
  }
}

function applyTo(exchange: ResourceExchange, config: Config, dryRun: boolean): Promise<Outcome> {
  const { info, warnings } = exchange;
  const name = { namespace: info.namespace, name: info.name };
  const before = [...warnings];
  return changeObject(exchange, name, dryRun, (current) => {
    const found: string[] = [];
    const object = configured(exchange, config, current.object, found);
    checkVersion(exchange, object, current);
    warnings.splice(0, warnings.length, ...before, ...found);
    return changed(exchange, object, current, dryRun, { applied: true });
  });
}

function createBy(exchange: ResourceExchange, config: Config, dryRun: boolean): Promise<Outcome> {
  const { info, row, server, attributes, warnings } = exchange;
  if (info.subresource !== "") throw notFound(qualified(row), info.name);
  const create = { ...attributes, verb: "create" };
  const decision = server.authorize(create);
  if (decision.kind !== "allow") throw forbidden(create, decision.reason);
  const object = configured(exchange, config, undefined, warnings);
  const { uid } = object.metadata;
  if (uid)
    throw conflict(qualified(row), info.name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: `);
  return createObject(exchange, object, dryRun, true);
}

/** The object that the configuration makes of the live one. */
function configured(
  exchange: ResourceExchange,
  config: Config,
  live: StoredObject | undefined,
  warnings: string[],
): KubeObject {
  const { server, row, info, record } = exchange;
  const merged = server.fields.apply({
    kind: row,
    live,
    config,
    writer: writerOf(exchange, info.subresource),
    force: forced(record.query),
  });
  // It shares with the live object what nobody changed, and decoding changes in place.
  const object = decodeObject(server, { value: cloneJson(merged), duplicates: [] }, row, "Warn", warnings);
  placeInNamespace(row, object, info.namespace);
  placeAtName(object, info.name);
  return object;
}

/** The configuration that was sent, with the name and namespace that the path gives it. */
export function readConfig({ server, record, info, warnings }: ResourceExchange): Config {
  const { fieldValidation } = writeOptions(record.query, "PatchOptions", true);
  const read = readBody(server, { body: record.body, headers: { "content-type": "application/yaml" } });
  const config = read?.value;
  if (!isRecord(config)) throw badRequest("error decoding YAML: the body must be an object");
  const twice = fieldValidation === "Ignore" ? [] : (read?.duplicates ?? []);
  const told = `error converting YAML to JSON: yaml: unmarshal errors:\n  ${twice.join("\n  ")}`;
  if (twice.length > 0 && fieldValidation === "Strict") throw badRequest(`error strict decoding YAML: ${told}`);
  if (twice.length > 0) warnings.push(told);
  const metadata = config["metadata"] ?? {};
  if (!isRecord(metadata)) throw badRequest("error decoding YAML: metadata must be an object");
  const place = { name: info.name, ...(info.namespace ? { namespace: info.namespace } : {}) };
  return { ...config, metadata: { ...place, ...metadata } };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
