/**
 * Patch types: what each content type of a patch means, and how a patch becomes the next object.
 *
 * The object's managedFields stand aside while a patch is applied that does not touch them: they are large, and the
 * very same list afterwards says that nobody meant to change it. In a patch of the status so does all the rest.
 * Server-side apply is no patch: apply-patch.ts.
 */
import { applyJsonPatch, PatchError, type PatchOperation } from "../../machinery/objects/json-patch.ts";
import { cloneJson } from "../../machinery/objects/json-value.ts";
import { applyMergePatch } from "../../machinery/objects/merge-patch.ts";
import { ApiError, badRequest } from "../../machinery/objects/status.ts";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import { limits } from "../../machinery/process/limits.ts";
import { FieldErrors } from "../resources/field-errors.ts";
import { goFormat, goKindOf } from "../schema/go-types.ts";
import { applyStrategicMergePatch } from "../schema/strategic-merge.ts";
import { decodeObject, type Expected, mediaType, type ReadValue, readJsonText, textOf } from "./body.ts";
import type { ResourceExchange } from "./contract.ts";
import type { FieldValidation } from "./options.ts";
import { OWN_OF_STATUS } from "./update.ts";

export const APPLY = "application/apply-patch+yaml";

interface PatchType {
  /** Applies a patch to an object, which it must not change. The result shares nothing with either. */
  apply(exchange: ResourceExchange, object: KubeObject, patch: unknown): unknown;
  /** Throws for what is no patch of this type, whatever the object. */
  check(patch: unknown): void;
  touchesManagedFields(patch: unknown): boolean;
  /** Whether it has anything to say beyond the fields named. */
  touchesOthers(patch: unknown, than: ReadonlySet<string>): boolean;
  /** What is shown of a patch whose result is no object of its kind. */
  shown(patch: unknown, result: unknown): string;
}

const JSON_PATCH: PatchType = {
  apply(_exchange, object, patch) {
    try {
      return cloneJson(applyJsonPatch(object, patch as PatchOperation[], { copiedBytes: limits.jsonPatchCopiedBytes }));
    } catch (error) {
      if (!(error instanceof PatchError)) throw error;
      const message = "the server rejected our request due to an error in our request";
      throw new ApiError("Invalid", `${message}: ${error.message}`);
    }
  },
  check: checkOperations,
  touchesManagedFields: (patch) =>
    (patch as PatchOperation[]).some(({ path, from = "/-" }) => MANAGED.test(path) || MANAGED.test(from)),
  touchesOthers: () => true,
  shown: (_patch, result) => JSON.stringify(result),
};

const MANAGED = /^(\/metadata(\/managedFields(\/.*)?)?)?$/s;

const MERGE: PatchType = {
  apply: (_exchange, object, patch) => cloneJson(applyMergePatch(object, patch)),
  check(patch) {
    if (!isRecord(patch))
      throw badRequest(
        `error decoding patch: json: cannot unmarshal ${goKindOf(patch)} into Go value of type map[string]interface {}`,
      );
  },
  touchesManagedFields: mentionsManagedFields,
  touchesOthers: mentionsOthers,
  shown: (_patch, result) => JSON.stringify(result),
};

const STRATEGIC: PatchType = {
  apply({ server, row }, object, patch) {
    const message = row.custom ? undefined : server.schema.kind(row.group, row.version, row.kind);
    if (!message) throw unsupported([APPLY]);
    return applyStrategicMergePatch(server.schema, message.name, object, patch);
  },
  check() {},
  touchesManagedFields: mentionsManagedFields,
  touchesOthers: mentionsOthers,
  shown: (patch) => goFormat(patch),
};

function mentionsManagedFields(patch: unknown): boolean {
  if (!isRecord(patch)) return true;
  const { metadata } = patch;
  if (metadata === null || hasDirective(patch)) return true;
  return isRecord(metadata) && ("managedFields" in metadata || hasDirective(metadata));
}

function mentionsOthers(patch: unknown, than: ReadonlySet<string>): boolean {
  return !isRecord(patch) || Object.keys(patch).some((key) => !than.has(key));
}

const hasDirective = (patch: Record<string, unknown>): boolean => "$patch" in patch || "$retainKeys" in patch;

const TYPES: Readonly<Record<string, PatchType>> = {
  "application/json-patch+json": JSON_PATCH,
  "application/merge-patch+json": MERGE,
  "application/strategic-merge-patch+json": STRATEGIC,
};
const STRATEGIC_TYPE = "application/strategic-merge-patch+json";

/** A patch that was read, ready to be applied to one version after the other. */
export interface Patch {
  /** The patched object, of the kind expected. Warnings go into `warnings`. Throws an ApiError. */
  patched(object: StoredObject | KubeObject, validation: FieldValidation, warnings: string[]): KubeObject;
}

/** What the content type of a PATCH says; throws 415 for what the kind does not take. */
export function patchTypeOf({ record, row }: Pick<ResourceExchange, "record" | "row">): string {
  const type = mediaType(record.headers);
  const isAccepted = (one: string) => !row.custom || one !== STRATEGIC_TYPE;
  if (type === APPLY || (Object.hasOwn(TYPES, type) && isAccepted(type))) return type;
  throw unsupported([...Object.keys(TYPES).filter(isAccepted), APPLY]);
}

/** `expected` is the kind that is patched: the resource's own, or Scale. */
export function readPatch(exchange: ResourceExchange, expected: Expected): Patch {
  const type = TYPES[patchTypeOf(exchange)];
  if (!type) throw unsupported(Object.keys(TYPES));
  const { value: patch, duplicates } = patchValue(exchange.record);
  type.check(patch);
  const touches = type.touchesManagedFields(patch);
  const statusAlone = exchange.info.subresource === "status" && !type.touchesOthers(patch, OWN_OF_STATUS);
  const target = expected === exchange.row ? exchange : { ...exchange, row: { ...exchange.row, ...expected } };
  return {
    patched(object, validation, warnings) {
      const { managedFields, ...metadata } = object.metadata;
      const whole = touches ? object : { ...object, metadata };
      const bare = statusAlone ? onlyStatus(whole) : whole;
      const value = type.apply(target, bare, patch);
      const shown = () => type.shown(patch, type.apply(target, whole, patch));
      const read = { value, duplicates: [] };
      const decoded = decodePatched(exchange, read, expected, { validation, duplicates, shown, warnings });
      if (!touches && managedFields) decoded.metadata.managedFields = managedFields;
      return decoded;
    },
  };
}

/** Of an update of the status, the rest stays as it is anyway (update.ts): it need not be copied and decoded. */
function onlyStatus({ kind, apiVersion, metadata, status }: KubeObject): KubeObject {
  return { kind, apiVersion, metadata, ...(status === undefined ? {} : { status }) };
}

interface Strictness {
  readonly validation: FieldValidation;
  /** Keys that the patch itself has twice. */
  readonly duplicates: readonly string[];
  readonly shown: () => string;
  readonly warnings: string[];
}

/** What a patch makes must be an object of the kind: else the patch is invalid (422). */
function decodePatched(
  { server }: ResourceExchange,
  read: ReadValue,
  expected: Expected,
  { validation, duplicates, shown, warnings }: Strictness,
): KubeObject {
  const own = validation === "Ignore" ? [] : duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`);
  const prefix = `${expected.kind} in version ${JSON.stringify(expected.version)} cannot be handled as a ${expected.kind}: `;
  const invalid = (why: string): never => {
    const errors = new FieldErrors();
    errors.invalid("patch", shown(), why);
    errors.throwIfAny("", "", "");
    throw new Error("a field error was expected");
  };
  if (validation === "Strict" && own.length > 0) invalid(`strict decoding error: ${own.join(", ")}`);
  const size = warnings.length;
  try {
    const object = decodeObject(server, read, expected, validation, warnings);
    warnings.splice(size, 0, ...own);
    return object;
  } catch (error) {
    if (error instanceof ApiError && error.reason === "BadRequest" && error.message.startsWith(prefix))
      invalid(error.message.slice(prefix.length));
    throw error;
  }
}

function patchValue({ body }: ResourceExchange["record"]): ReadValue {
  if (body.kind === "none") throw badRequest("the body of the request is empty: a patch is expected");
  return body.kind === "object" ? { value: body.value, duplicates: [] } : readJsonText(textOf(body));
}

function unsupported(accepted: readonly string[]): ApiError {
  return new ApiError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`,
  );
}

function checkOperations(patch: unknown): void {
  const undecodable = (what: string) => badRequest(`error decoding patch: json: cannot unmarshal ${what}`);
  if (!Array.isArray(patch)) throw undecodable(`${goKindOf(patch)} into Go value of type []handlers.jsonPatchOp`);
  if (patch.length > limits.jsonPatchOperations)
    throw new ApiError(
      "RequestEntityTooLarge",
      `The allowed maximum operations in a JSON patch is ${limits.jsonPatchOperations}, got ${patch.length}`,
    );
  for (const one of patch as unknown[]) {
    if (!isRecord(one)) throw undecodable(`${goKindOf(one)} into Go value of type handlers.jsonPatchOp`);
    for (const name of ["op", "path", "from"]) {
      const value = one[name];
      if (value !== undefined && typeof value !== "string")
        throw undecodable(`${goKindOf(value)} into Go struct field jsonPatchOp.${name} of type string`);
    }
    if (typeof one["op"] !== "string" || typeof one["path"] !== "string")
      throw badRequest("error decoding patch: each operation needs an op and a path");
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
