/**
 * Strategic merge patch: merges by what the type says of each field, and by directives inside the patch.
 *
 * Lists whose type has a merge key are merged item by item; all others are replaced. Directives: `$patch`,
 * `$retainKeys`, `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`. Neither argument is changed, and
 * the result shares nothing with them. How lists are merged and ordered: merge-lists.ts. The result still has to
 * be decoded (decode.ts), since a patch may hold anything. Errors are worded as in
 * k8s.io/apimachinery/pkg/util/strategicpatch.
 * https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
 */
import { badRequest } from "../../machinery/objects/status.ts";
import type { Field, FieldType, Schema } from "./contract.ts";
import { goKindOf } from "./go-types.ts";
import {
  badArgument,
  badPatchType,
  copyJson,
  DELETE_FROM_LIST,
  DIRECTIVE,
  isObject,
  type Json,
  type JsonObject,
  RETAIN_KEYS,
  SET_ORDER,
  set,
  withoutDirectives,
} from "./merge-directives.ts";
import { type ListRules, mergeList, orderList, removeScalars } from "./merge-lists.ts";

/** Throws an ApiError. `message` is the type's name: "io.k8s.api.core.v1.Pod". */
export function applyStrategicMergePatch(
  schema: Schema,
  message: string,
  original: Readonly<Record<string, unknown>>,
  patch: unknown,
): JsonObject {
  if (!isObject(patch)) {
    throw badRequest(`json: cannot unmarshal ${goKindOf(patch)} into Go value of type map[string]interface {}`);
  }
  const merger = new Merger(schema);
  return merger.mergeMap(copyJson(original) as JsonObject, copyJson(patch) as JsonObject, {
    kind: "message",
    name: message,
  });
}

class Merger {
  private readonly schema: Schema;

  constructor(schema: Schema) {
    this.schema = schema;
  }

  /** Both arguments are the merger's own, and change. */
  mergeMap(original: JsonObject, patch: JsonObject, type: FieldType): JsonObject {
    if (DIRECTIVE in patch) return directed(patch);
    retainKeys(original, patch);
    this.mergeOrderedLists(original, patch, type);
    for (const [key, value] of Object.entries(patch)) {
      const list = nameAfter(key, DELETE_FROM_LIST);
      if (list !== undefined) deleteFromList(original, list, value);
      else if (value === null) delete original[key];
      else set(original, key, this.mergeValue(own(original, key), value, this.fieldOf(type, key)));
    }
    return original;
  }

  private mergeValue(original: Json | undefined, patch: Json, field: FieldRules): Json {
    if (isObject(original) && isObject(patch)) {
      return field.replaced ? withoutDirectives(patch) : this.mergeMap(original, patch, field.type);
    }
    if (Array.isArray(original) && Array.isArray(patch)) return this.mergeLists(original, patch, field);
    return withoutDirectives(patch);
  }

  private mergeLists(original: Json[], patch: Json[], field: FieldRules): Json[] {
    return field.merged ? mergeList(original, patch, this.listRules(field)) : (withoutDirectives(patch) as Json[]);
  }

  /** `$setElementOrder/x` brings the order that list x shall have, whether the patch changes x or not. */
  private mergeOrderedLists(original: JsonObject, patch: JsonObject, type: FieldType): void {
    for (const [key, order] of Object.entries(patch)) {
      const name = nameAfter(key, SET_ORDER);
      if (name === undefined) continue;
      const before = own(original, name);
      const changes = own(patch, name);
      delete patch[key];
      if (before === undefined && (changes === undefined || changes === null)) continue;
      if (changes === null) continue;
      delete patch[name];
      const field = this.fieldOf(type, name, true);
      const lists = [order, before ?? [], changes ?? []].map(asList) as [Json[], Json[], Json[]];
      set(original, name, orderList(...lists, this.listRules(field), field.merged));
    }
  }

  private listRules(field: FieldRules): ListRules {
    const items = field.type.kind === "list" ? field.type.of : ANYTHING;
    return { mergeKey: field.mergeKey, mergeItems: (original, patch) => this.mergeMap(original, patch, items) };
  }

  private fieldOf(type: FieldType, key: string, mustExist = false): FieldRules {
    if (type.kind === "map") return { type: type.of, merged: false, replaced: false, mergeKey: undefined };
    const field = type.kind === "message" ? this.schema.message(type.name)?.fields.get(key) : undefined;
    if (field) return rulesOf(field);
    if (mustExist && type.kind === "message") {
      const struct = type.name.slice(type.name.lastIndexOf(".") + 1);
      throw badRequest(`unable to find api field in struct ${struct} for the json field ${JSON.stringify(key)}`);
    }
    return { type: ANYTHING, merged: false, replaced: false, mergeKey: undefined };
  }
}

/** Inside values that hold any JSON, maps are merged and everything else is replaced. */
const ANYTHING: FieldType = { kind: "raw", name: "" };

interface FieldRules {
  readonly type: FieldType;
  /** A list whose items are merged. */
  readonly merged: boolean;
  /** A map that is replaced as a whole. */
  readonly replaced: boolean;
  readonly mergeKey: string | undefined;
}

function rulesOf({ type, patchStrategy, patchMergeKey }: Field): FieldRules {
  return {
    type,
    merged: patchStrategy?.includes("merge") ?? false,
    replaced: patchStrategy?.includes("replace") ?? false,
    mergeKey: patchMergeKey,
  };
}

function directed(patch: JsonObject): JsonObject {
  const { [DIRECTIVE]: directive, ...rest } = patch;
  if (directive === "replace") return withoutDirectives(rest) as JsonObject;
  if (directive === "delete") return {};
  throw badPatchType(directive, patch);
}

/** `$retainKeys` lists the keys that may stay; the patch may bring no others. */
function retainKeys(original: JsonObject, patch: JsonObject): void {
  const keys = patch[RETAIN_KEYS];
  if (keys === undefined) return;
  delete patch[RETAIN_KEYS];
  const malformed = () => badRequest("invalid patch format of retainKeys");
  if (!Array.isArray(keys)) throw malformed();
  const kept = new Set(keys);
  for (const [key, value] of Object.entries(patch)) {
    const free = value === null || key.startsWith(`${DELETE_FROM_LIST}/`) || key.startsWith(`${SET_ORDER}/`);
    if (!free && !kept.has(key)) throw malformed();
  }
  for (const key of Object.keys(original)) if (!kept.has(key)) delete original[key];
}

function deleteFromList(original: JsonObject, name: string, values: Json): void {
  const list = own(original, name);
  if (values === null) delete original[name];
  else if (!Array.isArray(values)) throw badRequest("invalid patch format of primitive list");
  else if (Array.isArray(list)) set(original, name, removeScalars(list, values));
}

/** "$setElementOrder/env" ► "env" */
function nameAfter(key: string, directive: string): string | undefined {
  return key.startsWith(`${directive}/`) ? key.slice(directive.length + 1) : undefined;
}

function asList(value: Json): Json[] {
  if (!Array.isArray(value)) throw badArgument("slice", value);
  return value;
}

/** What every object inherits is no part of it: merging into that would change all objects of the process. */
const own = (object: JsonObject, key: string): Json | undefined =>
  Object.hasOwn(object, key) ? object[key] : undefined;
