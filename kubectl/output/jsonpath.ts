/**
 * JSONPath as commands use it: a fault in a path or in its use is the user's, and told as such.
 *
 * Syntax and evaluation are shared with the server's printer columns: machinery/objects/jsonpath.ts.
 */
import * as paths from "../../machinery/objects/jsonpath.ts";
import { JsonPathError } from "../../machinery/objects/jsonpath-parse.ts";
import { CommandError } from "../errors.ts";
import { ordered } from "./ordered.ts";

export { textOf } from "../../machinery/objects/jsonpath.ts";

/** Prints an object by a template. */
export function compileTemplate(template: string): (object: unknown) => string {
  const print = told(() => paths.compileTemplate(template));
  return (object) => told(() => print(ordered(object)));
}

/** All values that a path finds. Takes `{.a.b}`, `.a.b` and `a.b` alike. */
export function compilePath(text: string): (object: unknown) => readonly unknown[] {
  const find = told(() => paths.compilePath(text));
  return (object) => told(() => find(object));
}

function told<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof JsonPathError) throw new CommandError(error.message);
    throw error;
  }
}
