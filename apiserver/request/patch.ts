/**
 * Patch: a client's description of a change, applied to the object as it is now.
 *
 * A patch that meets a concurrent change is applied again to the newer version; only one that names a
 * resourceVersion conflicts. Server-side apply is not built and answered with 415.
 */
import { applyJsonPatch, PatchError, type PatchOperation } from "../../machinery/objects/json-patch.ts";
import { cloneJson } from "../../machinery/objects/json-value.ts";
import { applyMergePatch } from "../../machinery/objects/merge-patch.ts";
import { ApiError, badRequest } from "../../machinery/objects/status.ts";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import { limits } from "../../machinery/process/limits.ts";
import { applyStrategicMergePatch } from "../schema/strategic-merge.ts";
import { decodeObject, mediaType, type ReadValue, readJsonText, textOf } from "./body.ts";
import { changeObject } from "./commit.ts";
import type { ResourceExchange, Step } from "./contract.ts";
import { placeAtName, placeInNamespace } from "./metadata.ts";
import { writeOptions } from "./options.ts";
import { respondObject } from "./respond.ts";
import { changed, checkVersion } from "./update.ts";

/** Applies a patch to an object, which it must not change. The result may share parts with it. */
export type Applier = (exchange: ResourceExchange, object: StoredObject, patch: unknown) => unknown;

/** Content type ► what it means. Clients that ask for another one learn these names. */
const appliers: Readonly<Record<string, Applier>> = {
  "application/json-patch+json": (_exchange, object, patch) => {
    try {
      return applyJsonPatch(object, operations(patch));
    } catch (error) {
      if (error instanceof PatchError)
        throw new ApiError(
          "Invalid",
          `the server rejected our request due to an error in our request: ${error.message}`,
        );
      throw error;
    }
  },
  "application/merge-patch+json": (_exchange, object, patch) => {
    if (typeof patch !== "object" || patch === null || Array.isArray(patch))
      throw badRequest("Invalid JSON Patch: the patch must be an object");
    return applyMergePatch(object, patch);
  },
  "application/strategic-merge-patch+json": ({ server, row }, object, patch) => {
    const message = server.schema.kind(row.group, row.version, row.kind);
    if (!message) throw unsupported();
    return applyStrategicMergePatch(server.schema, message.name, object, patch);
  },
};

export const patch: Step = async (exchange) => {
  const { record, row, info, server, warnings } = exchange;
  const { dryRun, fieldValidation } = writeOptions(record.query, "PatchOptions");
  const { apply, patch, duplicates } = readPatch(record);
  const name = { namespace: info.namespace, name: info.name };

  const outcome = await changeObject(exchange, name, dryRun, (current) => {
    const found: string[] = [];
    const value = cloneJson(apply(exchange, current.object, patch));
    const object: KubeObject = decodeObject(server, { value, duplicates }, row, fieldValidation, found);
    placeInNamespace(row, object, info.namespace);
    placeAtName(object, info.name);
    checkVersion(exchange, object, current);
    warnings.splice(0, warnings.length, ...found);
    return changed(exchange, object, current, dryRun);
  });
  return respondObject(exchange, outcome);
};

/** The patch of a request, and how its content type says that it is to be applied. */
export function readPatch(record: ResourceExchange["record"]): {
  apply: Applier;
  patch: unknown;
  duplicates: readonly string[];
} {
  const type = mediaType(record.headers);
  const apply = Object.hasOwn(appliers, type) ? appliers[type] : undefined;
  if (!apply) throw unsupported();
  const { value, duplicates } = patchValue(record);
  return { apply, patch: value, duplicates };
}

function patchValue({ body }: ResourceExchange["record"]): ReadValue {
  if (body.kind === "none") throw badRequest("the body of the request is empty: a patch is expected");
  return body.kind === "object" ? { value: body.value, duplicates: [] } : readJsonText(textOf(body));
}

function unsupported(): ApiError {
  return new ApiError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${Object.keys(appliers).join(", ")}`,
  );
}

function operations(patch: unknown): readonly PatchOperation[] {
  if (!Array.isArray(patch))
    throw badRequest("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch");
  if (patch.length > limits.jsonPatchOperations)
    throw new ApiError(
      "RequestEntityTooLarge",
      `The allowed maximum operations in a JSON patch is ${limits.jsonPatchOperations}, got ${patch.length}`,
    );
  for (const one of patch as unknown[]) {
    const { op, path, from } = (one ?? {}) as Record<string, unknown>;
    if (typeof op !== "string" || typeof path !== "string" || (from !== undefined && typeof from !== "string"))
      throw badRequest("error decoding patch: each operation needs an op and a path");
  }
  return patch as PatchOperation[];
}
