/**
 * Misplaced: messages that an expression wrote where their names do not belong.
 *
 * The type of `Object{spec: Object.spec{…}}` says where in an object it is; lists and maps in between have no name.
 * The value of a patch's operation begins wherever it says.
 */
import { Message } from "./access.ts";
import { Dict, List, type Value } from "./values.ts";

export function misplaced(value: Value, place?: string): string[] {
  if (value instanceof Message) {
    const { typeName } = value;
    if (typeName === "JSONPatch") return misplaced(value.field("value") ?? null);
    const expected = place ?? typeName;
    const wrong = `unexpected type name "${typeName}", expected "${expected}", which matches field name path from root Object type`;
    const below = [...value.names()].flatMap((name) => misplaced(value.field(name) ?? null, `${expected}.${name}`));
    return typeName === expected ? below : [wrong, ...below];
  }
  if (value instanceof List) return [...value].flatMap((one) => misplaced(one, place));
  if (value instanceof Dict) return [...value.keys()].flatMap((key) => misplaced(value.get(key) ?? null, place));
  return [];
}
