/**
 * Patches: of all four types, right in parts, and with every directive where it does not belong.
 */
import type { Choices } from "./choices.ts";
import { hostile, hostileKey } from "./hostile.ts";

type Json = Record<string, unknown>;

const PATHS: readonly string[] = [
  "/metadata/labels/a",
  "/metadata/labels/new",
  "/metadata/labels",
  "/metadata",
  "/metadata/annotations/x~1y",
  "/metadata/finalizers/-",
  "/metadata/finalizers",
  "/metadata/ownerReferences",
  "/metadata/managedFields",
  "/metadata/managedFields/0",
  "/metadata/resourceVersion",
  "/metadata/deletionTimestamp",
  "/spec",
  "/spec/replicas",
  "/spec/template",
  "/spec/containers/0",
  "/spec/containers/-",
  "/spec/containers/0/name",
  "/spec/containers/99999999999999999999",
  "/spec/containers/01",
  "/spec/containers/-1",
  "/spec/containers/1e0",
  "/status",
  "/data",
  "/kind",
  "/apiVersion",
  "",
  "/",
  "//",
  "/a/~2",
  "/~",
  "no-slash",
  "/__proto__/polluted",
  "/constructor/prototype/polluted",
  "/metadata/__proto__/polluted",
  "/metadata/labels/length",
  "/metadata/labels/a/b/c",
];

const OPERATIONS = ["add", "remove", "replace", "test", "move", "copy", "", "ADD", "increment", "__proto__"];

export function jsonPatch(choices: Choices): unknown {
  if (choices.chance(5)) return hostile(choices);
  return Array.from({ length: 1 + choices.below(4) }, () => {
    if (choices.chance(3)) return hostile(choices);
    const operation: Json = { op: choices.pick(OPERATIONS), path: choices.pick(PATHS) };
    if (!choices.chance(10)) operation["value"] = choices.mostly<unknown>("b", 60, [1, null, [], {}, hostile(choices)]);
    if (choices.chance(40)) operation["from"] = choices.pick(PATHS);
    return operation;
  });
}

const DIRECTIVES: readonly (readonly [string, readonly unknown[]])[] = [
  ["$patch", ["replace", "delete", "merge", "bogus", 5, null, {}, []]],
  ["$retainKeys", [["name"], [], "name", [1], null, {}, ["$patch"]]],
  ["$setElementOrder/containers", [[{ name: "c" }], [], ["c"], null, "c", [{}], [{ name: "x" }, { name: "c" }]]],
  ["$setElementOrder/finalizers", [["a", "b"], [], null, [{}], [1]]],
  ["$setElementOrder/ports", [[{ containerPort: 80 }], [{ port: 80 }], [null]]],
  ["$setElementOrder/nothing", [[], [1], "x"]],
  ["$deleteFromPrimitiveList/finalizers", [["a"], [], null, [{}], "a", [["a"]]]],
  ["$deleteFromPrimitiveList/containers", [["c"], [{ name: "c" }]]],
  ["$deleteFromPrimitiveList/nothing", [["c"], null]],
  ["$unknown", [1]],
];

/** Puts directives into some of the objects of a patch. */
export function misdirect(choices: Choices, patch: Json): Json {
  const objects = objectsOf(patch);
  for (let times = choices.below(3); times > 0; times--) {
    const [name, values] = choices.pick(DIRECTIVES);
    choices.pick(objects)[name] = structuredClone(choices.pick(values));
  }
  return patch;
}

function objectsOf(value: unknown): Json[] {
  if (typeof value !== "object" || value === null) return [];
  const inner = Object.values(value).flatMap(objectsOf);
  return Array.isArray(value) ? inner : [value as Json, ...inner];
}

/** Some of the object's members, as a patch would name them. */
export function partOf(choices: Choices, object: Json): Json {
  const part: Json = {};
  for (const [key, value] of Object.entries(object)) {
    if (choices.chance(35)) continue;
    part[key] = choices.chance(6) ? null : value;
  }
  if (choices.chance(8)) part[hostileKey(choices)] = hostile(choices, 1);
  return part;
}
