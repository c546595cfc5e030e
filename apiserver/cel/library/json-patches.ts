/**
 * JSON patches: what expressions need that write them.
 */
import { TEXT, walks } from "../costing.ts";
import { global, types } from "../declarations.ts";

const { string } = types;

export const jsonPatches = [
  global(
    "jsonpatch.escapeKey",
    "string_jsonpatch_escapeKey_string",
    [string],
    string,
    (key: string) => key.replaceAll("~", "~0").replaceAll("/", "~1"),
    walks(0, TEXT, (size) => ({ min: size.min, max: size.max * 2 })),
  ),
];
