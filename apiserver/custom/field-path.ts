/**
 * Field path: which field of a schema a path means, or why it means none, in Kubernetes' words.
 *
 * For what definitions are held to; paths that were accepted are read by paths.ts.
 */
import { propertyOf, type SchemaProps, valuesOf } from "./contract.ts";

export interface FoundField {
  readonly keys: readonly string[];
  readonly schema: SchemaProps;
}

/** A quoted text, one of the three delimiters, or what stands between them. */
const TOKEN = /'(?:[^'\\]|\\.)*'|[.[\]]|[^.[\]]+/g;

/** `brackets`: whether ".a['b']" may be written for ".a.b". */
export function fieldAt(path: string, schema: SchemaProps, { brackets }: { brackets: boolean }): FoundField | string {
  const tokens = path.match(TOKEN) ?? [];
  const keys: string[] = [];
  let at: SchemaProps = schema;
  for (let index = 0; index < tokens.length; ) {
    const token = tokens[index++];
    if (token !== "." && token !== "[") return `expected [ or . but got: ${token}`;
    if (token === "[" && !brackets) return "array notation is not allowed";
    const step = tokens[index++];
    if (step === undefined) return "unexpected end of JSON path";
    const key = token === "." ? step : unquoted(step);
    if (key === undefined) return `expected single quoted string but got ${step}`;
    const found = at.properties ? propertyOf(at, key) : valuesOf(at);
    if (!found) return "does not refer to a valid field";
    keys.push(key);
    at = found;
    if (token === ".") continue;
    const end = tokens[index++];
    if (end === undefined) return "unexpected end of JSON path";
    if (end !== "]") return `expected ] but got ${end}`;
  }
  return { keys, schema: at };
}

function unquoted(text: string): string | undefined {
  const inner = /^'(.*)'$/s.exec(text)?.[1];
  return inner?.replace(/\\(.)/g, "$1");
}
