/**
 * Validation of a value by its schema, in Kubernetes' words.
 *
 * A walker of our own and not a general validator: errors must have the fields, reasons and texts that clients
 * know; what an update leaves as it was is not judged again (`old`); and a definition whose kind nobody writes
 * costs nothing. Rules in CEL: rules.ts; lists that are sets and maps: list-types.ts.
 */
import { isBigInteger } from "../../machinery/objects/json.ts";
import { equalJson } from "../../machinery/objects/json-value.ts";
import { FieldErrors } from "../resources/field-errors.ts";
import { isObject } from "../schema/compile-decoder.ts";
import { itemsOf, propertyOf, type SchemaProps, valuesOf } from "./contract.ts";
import { hasFormat } from "./formats.ts";
import { oldItems } from "./list-types.ts";
import { compareNumbers, isMultipleOf, rangeProblem } from "./numbers.ts";
import { patternOf } from "./patterns.ts";

/** Nothing stood there before, or it cannot be told which. */
export const NOTHING: unique symbol = Symbol("nothing");

/** `old`: the value that stood there, or NOTHING. What equals it is taken as it is. */
export function validateValue(value: unknown, schema: SchemaProps, old: unknown, errors: FieldErrors): void {
  new Validation(errors).check(value, schema, "", old);
}

/** How many checks were made: of alternatives that all fail, the one that got furthest is told. */
class Validation {
  readonly errors: FieldErrors;
  count = 0;

  constructor(errors: FieldErrors) {
    this.errors = errors;
  }

  check(value: unknown, schema: SchemaProps, path: string, old: unknown): void {
    if (old !== NOTHING && equalJson(value, old)) return;
    this.count++;
    if (value === null) {
      if (!schema.nullable) this.wrongType(value, schema, path);
      return;
    }
    if (!hasType(value, schema)) this.wrongType(value, schema, path);
    if (schema.enum && !schema.enum.some((one) => equalJson(one, value)))
      this.errors.notSupported(fieldOf(path), value, schema.enum.map(textOf));
    if (typeof value === "string") this.text(value, schema, path);
    else if (typeof value === "number" || isBigInteger(value)) this.number(value, schema, path);
    else if (Array.isArray(value)) this.list(value, schema, path, old);
    else if (isObject(value)) this.object(value, schema, path, old);
    this.junctors(value, schema, path);
  }

  private wrongType(value: unknown, schema: SchemaProps, path: string): void {
    const found = typeOf(value);
    const wanted = schema["x-kubernetes-int-or-string"] ? "integer,string" : (schema.type ?? "");
    if (wanted === "") return;
    this.errors.typeInvalid(
      fieldOf(path),
      found,
      `${path} in body must be of type ${wanted}: ${JSON.stringify(found)}`,
    );
  }

  private text(value: string, schema: SchemaProps, path: string): void {
    const { maxLength, minLength, pattern, format } = schema;
    if (maxLength !== undefined || minLength !== undefined) {
      const length = [...value].length;
      if (maxLength !== undefined && length > maxLength) this.errors.tooLong(fieldOf(path), maxLength);
      if (minLength !== undefined && length < minLength)
        this.invalid(path, value, `should be at least ${minLength} chars long`);
    }
    if (pattern !== undefined && patternOf(schema)?.test(value) === false)
      this.invalid(path, value, `should match '${pattern}'`);
    if (format !== undefined && schema.type === "string" && !hasFormat(value, format))
      this.errors.typeInvalid(
        fieldOf(path),
        value,
        `${path} in body must be of type ${format}: ${JSON.stringify(value)}`,
      );
  }

  private number(value: unknown, schema: SchemaProps, path: string): void {
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
    if (maximum !== undefined) {
      const over = compareNumbers(value, maximum);
      if (over > 0 || (exclusiveMaximum && over === 0))
        this.invalid(path, value, `should be less than ${exclusiveMaximum ? "" : "or equal to "}${maximum}`);
    }
    if (minimum !== undefined) {
      const over = compareNumbers(value, minimum);
      if (over < 0 || (exclusiveMinimum && over === 0))
        this.invalid(path, value, `should be greater than ${exclusiveMinimum ? "" : "or equal to "}${minimum}`);
    }
    if (multipleOf !== undefined && !isMultipleOf(value, multipleOf))
      this.invalid(path, value, `should be a multiple of ${multipleOf}`);
    const problem = schema.format && rangeProblem(value, schema.format);
    if (problem) this.errors.invalid(fieldOf(path), value, `Checked value must be ${problem} in ${path}`);
  }

  private list(value: readonly unknown[], schema: SchemaProps, path: string, old: unknown): void {
    const { maxItems, minItems } = schema;
    if (maxItems !== undefined && value.length > maxItems) this.errors.tooMany(fieldOf(path), value.length, maxItems);
    if (minItems !== undefined && value.length < minItems)
      this.invalid(path, value.length, `should have at least ${minItems} items`);
    const items = itemsOf(schema);
    if (!items) return;
    const before = old === NOTHING ? undefined : oldItems(schema, old);
    for (const [index, one] of value.entries()) {
      this.check(one, items, `${path}[${index}]`, before === undefined ? NOTHING : before(one, NOTHING));
    }
  }

  private object(value: Record<string, unknown>, schema: SchemaProps, path: string, old: unknown): void {
    const keys = Object.keys(value);
    const { maxProperties, minProperties, required } = schema;
    if (maxProperties !== undefined && keys.length > maxProperties)
      this.errors.tooMany(fieldOf(path), keys.length, maxProperties);
    if (minProperties !== undefined && keys.length < minProperties)
      this.invalid(path, keys.length, `should have at least ${minProperties} properties`);
    for (const name of required ?? []) {
      if (!Object.hasOwn(value, name)) this.errors.required(fieldOf(join(path, name)));
    }
    const values = valuesOf(schema);
    const before = isObject(old) ? old : undefined;
    for (const key of keys) {
      const property = propertyOf(schema, key) ?? values;
      if (!property) {
        if (schema.additionalProperties === false)
          this.invalid(join(path, key), "", "is a forbidden property", `${path}.${key} in body`);
        continue;
      }
      const known = before !== undefined && Object.hasOwn(before, key);
      this.check(value[key], property, join(path, key), known ? before[key] : NOTHING);
    }
  }

  private junctors(value: unknown, schema: SchemaProps, path: string): void {
    const { anyOf, oneOf, allOf, not } = schema;
    if (anyOf?.length) this.alternatives(value, anyOf, path, "anyOf");
    if (oneOf?.length) this.alternatives(value, oneOf, path, "oneOf");
    if (allOf?.length) {
      let good = 0;
      for (const one of allOf) {
        const tried = this.tried(value, one, path);
        if (tried.errors.empty) good++;
        else this.errors.take(tried.errors);
      }
      if (good !== allOf.length)
        this.failed(path, `must validate all the schemas (allOf)${good === 0 ? ". None validated" : ""}`);
    }
    if (not && this.tried(value, not, path).errors.empty) this.failed(path, "must not validate the schema (not)");
  }

  private alternatives(value: unknown, schemas: readonly SchemaProps[], path: string, kind: "anyOf" | "oneOf"): void {
    let good = 0;
    let best: Validation | undefined;
    for (const one of schemas) {
      const tried = this.tried(value, one, path);
      if (tried.errors.empty) {
        good++;
        if (kind === "anyOf") return;
      } else if (!best || tried.count > best.count) best = tried;
    }
    if (kind === "oneOf" && good === 1) return;
    const found = good === 0 ? "Found none valid" : `Found ${good} valid alternatives`;
    this.failed(
      path,
      kind === "anyOf"
        ? "must validate at least one schema (anyOf)"
        : `must validate one and only one schema (oneOf). ${found}`,
    );
    if (good === 0 && best) this.errors.take(best.errors);
  }

  private tried(value: unknown, schema: SchemaProps, path: string): Validation {
    const tried = new Validation(new FieldErrors());
    tried.check(value, schema, path, NOTHING);
    return tried;
  }

  private invalid(path: string, value: unknown, problem: string, name = `${path} in body`): void {
    this.errors.invalid(fieldOf(path), value, `${name} ${problem}`);
  }

  private failed(path: string, problem: string): void {
    this.errors.invalid("<nil>", "", `${JSON.stringify(path)} ${problem}`);
  }
}

const join = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`);
const fieldOf = (path: string): string => (path === "" ? "<nil>" : path);

function hasType(value: unknown, schema: SchemaProps): boolean {
  const found = typeOf(value);
  if (schema["x-kubernetes-int-or-string"]) return found === "integer" || found === "string";
  if (schema.type === undefined || schema.type === "") return true;
  return found === schema.type || (schema.type === "number" && found === "integer");
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (isBigInteger(value)) return "integer";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
