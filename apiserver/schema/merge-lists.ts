/**
 * Merging lists: items by merge key, scalars as a set, and the order that comes out.
 *
 * Order: as the patch (or its `$setElementOrder`) says for the items it names; items only the server has
 * keep their place relative to those that both know. The values are the merger's own and may change.
 */
import { ApiError, badRequest } from "../../machinery/objects/status.ts";
import { goFormat, goKindOf } from "./go-types.ts";
import {
  badArgument,
  badPatchType,
  DIRECTIVE,
  isObject,
  type Json,
  type JsonObject,
  noMergeKey,
  SET_ORDER,
  withoutDirectives,
} from "./merge-directives.ts";

export interface ListRules {
  /** Undefined for lists of scalars. */
  readonly mergeKey: string | undefined;
  mergeItems(original: JsonObject, patch: JsonObject): JsonObject;
}

export function mergeList(original: Json[], patch: Json[], rules: ListRules): Json[] {
  if (original.length === 0 && patch.length === 0) return original;
  if (!holdsObjects(original, patch)) return inOrder([...new Set([...original, ...patch])], patch, original, rules);
  if (rules.mergeKey === undefined) throw badRequest("cannot merge lists without merge key for type struct");

  const { base, changes, replaced } = applyItemDirectives(original, patch, rules.mergeKey);
  if (replaced) return changes.map(withoutDirectives); // as it is: a node may have several addresses of one type
  for (const change of changes) {
    const key = keyOf(change, rules.mergeKey);
    const at = base.findIndex((item) => item[rules.mergeKey!] === key);
    if (at < 0) base.push(withoutDirectives(change) as JsonObject);
    else base[at] = rules.mergeItems(base[at]!, change);
  }
  return inOrder(base, changes, original, rules);
}

/** Merges `changes`, then brings the items named in `order` into that order. */
export function orderList(order: Json[], original: Json[], changes: Json[], rules: ListRules, merged: boolean): Json[] {
  checkOrder(order, changes, rules.mergeKey);
  const list = changes.length === 0 ? original : merged ? mergeList(original, changes, rules) : changes;
  return list.length === 0 ? list : inOrder(list, order, original, rules);
}

export function removeScalars(list: Json[], values: Json[]): Json[] {
  const gone = new Set(values);
  return list.filter((item) => !gone.has(item));
}

/** `$patch: delete` takes an item away, `$patch: replace` anywhere in the list replaces the whole list. */
function applyItemDirectives(original: Json[], patch: Json[], mergeKey: string) {
  let base = original as JsonObject[];
  const changes: JsonObject[] = [];
  let replace = false;
  for (const item of patch as JsonObject[]) {
    const directive = item[DIRECTIVE];
    if (directive === undefined) changes.push(item);
    else if (directive === "replace") replace = true;
    else if (directive === "delete") {
      const key = keyOf(item, mergeKey);
      base = base.filter((candidate) => candidate[mergeKey] !== key);
    } else if (directive === "merge") throw badRequest("merging lists cannot yet be specified in the patch");
    else throw badPatchType(directive, item);
  }
  return { base: [...base], changes, replaced: replace };
}

function inOrder(list: Json[], patchOrder: Json[], serverOrder: Json[], { mergeKey }: ListRules): Json[] {
  const identity = (item: Json): Json => (mergeKey === undefined ? item : keyOf(asObject(item), mergeKey));
  const patchPlace = places(patchOrder, identity);
  const serverPlace = places(serverOrder, identity);

  const named = list.filter((item) => patchPlace.has(identity(item)));
  const others = list.filter((item) => !patchPlace.has(identity(item)));
  const byPlace = (place: ReadonlyMap<Json, number>) => (a: Json, b: Json) =>
    (place.get(identity(a)) ?? 0) - (place.get(identity(b)) ?? 0);
  named.sort(byPlace(patchPlace));

  // An item that only the server has goes before a named one if it stood before it on the server.
  const result: Json[] = [];
  for (const item of named) {
    const limit = serverPlace.get(identity(item));
    while (limit !== undefined && others.length > 0 && (serverPlace.get(identity(others[0]!)) ?? limit) < limit) {
      result.push(others.shift()!);
    }
    result.push(item);
  }
  return [...result, ...others];
}

function places(order: Json[], identity: (item: Json) => Json): Map<Json, number> {
  const found = new Map<Json, number>();
  for (const [at, item] of order.entries()) if (!found.has(identity(item))) found.set(identity(item), at);
  return found;
}

/** The items of the patch must appear in the order list, in the same order. */
function checkOrder(order: Json[], changes: Json[], mergeKey: string | undefined): void {
  if (order.length === 0 || changes.length === 0) return;
  let at = 0;
  for (const change of changes) {
    if (isObject(change) && DIRECTIVE in change) continue;
    const key = (item: Json) => (mergeKey === undefined ? item : keyOf(asObject(item), mergeKey));
    while (at < order.length && key(order[at]!) !== key(change)) at++;
    if (at++ < order.length) continue;
    const text = `The order in patch list:\n${goFormat(changes)}\n doesn't match ${SET_ORDER} list:\n${goFormat(order)}\n`;
    throw badRequest(text);
  }
}

function holdsObjects(...lists: Json[][]): boolean {
  const items = lists.flat(1);
  if (lists.some((list) => list.some(Array.isArray))) {
    const why = "lists of lists are not supported";
    throw new ApiError("Invalid", "the server rejected our request due to an error in our request", {
      causes: [{ reason: "UnexpectedServerResponse", message: why }],
    });
  }
  const kinds = new Set(items.map(goKindOf));
  if (kinds.size > 1) throw badRequest(`list element types are not identical: ${goFormat(lists)}`);
  return isObject(items[0]);
}

function asObject(item: Json): JsonObject {
  if (!isObject(item)) throw badArgument("map", item);
  return item;
}

function keyOf(item: JsonObject, mergeKey: string): Json {
  const key = item[mergeKey];
  if (key === undefined) throw noMergeKey(item, mergeKey);
  return key;
}
