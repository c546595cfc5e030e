/**
 * Rules: x-kubernetes-validations of a custom kind's schema, in CEL, judged on each write.
 *
 * A rule that names oldSelf is judged only where the value stood there before; the others only where a value
 * has changed. All rules of an object share one budget. Nothing of CEL is loaded for kinds without rules.
 */
import { isBigInteger } from "../../machinery/objects/json.ts";
import { equalJson } from "../../machinery/objects/json-value.ts";
import {
  type Budget,
  type CelProgram,
  type CelRuntimeError,
  type CelType,
  celLimits,
  string,
} from "../cel/contract.ts";
import { cel } from "../cel/lazy.ts";
import type { FieldErrors } from "../resources/field-errors.ts";
import { isObject } from "../schema/compile-decoder.ts";
import { itemsOf, propertyOf, type SchemaProps, type ValidationRule, valuesOf } from "./contract.ts";
import { oldItems } from "./list-types.ts";
import { NOTHING } from "./validate.ts";

const MESSAGE_LENGTH = 5120;

export interface CompiledRule {
  readonly rule: ValidationRule;
  readonly program: CelProgram;
  readonly transition: boolean;
  readonly message: CelProgram | undefined;
}

/** Compiles one rule; throws a CelCompileError. `type` is that of the value that has it. */
export function compileRule(rule: ValidationRule, type: CelType): Omit<CompiledRule, "message"> {
  const program = cel().compile(rule.rule, { variables: variablesOf(rule, type), result: [{ kind: "bool" }] });
  return { rule, program, transition: program.uses("oldSelf") };
}

export function compileMessage(rule: ValidationRule, type: CelType): CelProgram | undefined {
  if (!rule.messageExpression) return undefined;
  return cel().compile(rule.messageExpression, { variables: variablesOf(rule, type), result: [string] });
}

const variablesOf = (rule: ValidationRule, type: CelType): Record<string, CelType> => ({
  self: type,
  oldSelf: rule.optionalOldSelf ? { kind: "optional", of: type } : type,
});

/** The type of what a schema describes. `resource`: it has metadata, kind and apiVersion. */
export const typeOf = (schema: SchemaProps, resource: boolean): CelType =>
  cel().schemaType(schema, { root: resource || schema["x-kubernetes-embedded-resource"] === true });

/** `old` is NOTHING on create. */
export function validateRules(value: unknown, old: unknown, schema: SchemaProps, errors: FieldErrors): void {
  if (!hasRules(schema)) return;
  const budget: Budget = { remaining: celLimits.objectCost };
  new Judgement(budget, errors).judge(value, old, schema, { path: "", resource: true });
}

interface Place {
  readonly path: string;
  readonly resource: boolean;
}

class Judgement {
  private readonly budget: Budget;
  private readonly errors: FieldErrors;
  private exhausted = false;

  constructor(budget: Budget, errors: FieldErrors) {
    this.budget = budget;
    this.errors = errors;
  }

  judge(value: unknown, old: unknown, schema: SchemaProps | undefined, place: Place): void {
    if (!schema || this.exhausted || value === null || !hasRules(schema)) return;
    if (schema["x-kubernetes-validations"]?.length) this.rulesAt(value, old, schema, place);
    if (Array.isArray(value)) this.items(value, old, schema, place.path);
    else if (isObject(value)) this.fields(value, old, schema, place.path);
  }

  private items(list: readonly unknown[], old: unknown, schema: SchemaProps, path: string): void {
    const items = itemsOf(schema);
    const before = old === NOTHING ? undefined : oldItems(schema, old);
    for (const [at, one] of list.entries()) {
      this.judge(one, before ? before(one, NOTHING) : NOTHING, items, { path: `${path}[${at}]`, resource: false });
    }
  }

  private fields(object: Record<string, unknown>, old: unknown, schema: SchemaProps, path: string): void {
    const values = valuesOf(schema);
    const before = isObject(old) ? old : {};
    for (const key in object) {
      const property = propertyOf(schema, key);
      const at = property ? (path === "" ? key : `${path}.${key}`) : `${path}[${key}]`;
      const was = Object.hasOwn(before, key) ? before[key] : NOTHING;
      this.judge(object[key], was, property ?? values, { path: at, resource: false });
    }
  }

  private rulesAt(value: unknown, old: unknown, schema: SchemaProps, place: Place): void {
    const same = old !== NOTHING && equalJson(value, old);
    for (const compiled of compiledRules(schema, place.resource)) {
      if (this.exhausted) return;
      const { rule, transition } = compiled;
      if (!transition && same) continue;
      if (transition && old === NOTHING && !rule.optionalOldSelf) continue;
      this.rule(compiled, value, old, schema, place);
    }
  }

  private rule(compiled: CompiledRule, value: unknown, old: unknown, schema: SchemaProps, { path }: Place): void {
    const { rule, program } = compiled;
    const bindings = { self: value, ...(old === NOTHING ? {} : { oldSelf: old }) };
    try {
      if (program.evaluate(bindings, this.budget).boolean() === true) return;
      const text = this.message(compiled, bindings) ?? defaultMessage(rule);
      this.fail(rule, path, typeName(schema, value), text);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "CelRuntimeError") throw error;
      this.broken(error as CelRuntimeError, rule, path, typeName(schema, value));
    }
  }

  private broken(error: CelRuntimeError, rule: ValidationRule, path: string, type: string): void {
    const text = defaultMessage(rule);
    if (error.budgetExceeded && this.budget.remaining <= 0) {
      this.exhausted = true;
      this.errors.internal(
        fieldOf(path),
        "validation failed due to running out of cost budget, no further validation rules will be run",
      );
    } else if (error.budgetExceeded) {
      this.exhausted = true;
      const detail = `'${error.message}': no further validation rules will be run due to call cost exceeds limit for rule: ${text}`;
      this.errors.invalid(fieldOf(path), type, detail);
    } else if (error.message.startsWith("no such overload")) {
      const detail = `'${error.message}': call arguments did not match a supported operator, function or macro signature for rule: ${text}`;
      this.errors.invalid(fieldOf(path), type, detail);
    } else this.errors.invalid(fieldOf(path), type, `${error.message} evaluating rule: ${text}`);
  }

  /** Undefined where the expression gives no usable text. */
  private message({ message }: CompiledRule, bindings: Readonly<Record<string, unknown>>): string | undefined {
    if (!message) return undefined;
    try {
      const text = message.evaluate(bindings, this.budget).string()?.trim();
      return text && text.length <= MESSAGE_LENGTH && !/[\n\r]/.test(text) ? text : undefined;
    } catch (error) {
      if (error instanceof Error && error.name === "CelRuntimeError") return undefined;
      throw error;
    }
  }

  private fail({ reason, fieldPath }: ValidationRule, path: string, type: string, text: string): void {
    const at = fieldOf(fieldPath ? path + (path === "" ? fieldPath.replace(/^\./, "") : fieldPath) : path);
    if (reason === "FieldValueForbidden") this.errors.forbidden(at, text);
    else if (reason === "FieldValueRequired") this.errors.required(at, text);
    else if (reason === "FieldValueDuplicate") this.errors.duplicate(at, type);
    else this.errors.invalid(at, type, text);
  }
}

const fieldOf = (path: string): string => (path === "" ? "<nil>" : path);

const defaultMessage = ({ message, rule }: ValidationRule): string => message?.trim() || `failed rule: ${rule.trim()}`;

/** What stands for the value in the error: the type in the schema. */
function typeName(schema: SchemaProps, value: unknown): string {
  if (schema.type) return schema.type;
  if (typeof value === "number" || isBigInteger(value)) return "integer";
  return Array.isArray(value) ? "array" : typeof value;
}

const compiled = new WeakMap<SchemaProps, readonly CompiledRule[]>();

/** The definition was checked, so its rules compile. */
function compiledRules(schema: SchemaProps, resource: boolean): readonly CompiledRule[] {
  const known = compiled.get(schema);
  if (known) return known;
  const type = typeOf(schema, resource);
  const rules = (schema["x-kubernetes-validations"] ?? []).map((rule) => ({
    ...compileRule(rule, type),
    message: compileMessage(rule, type),
  }));
  compiled.set(schema, rules);
  return rules;
}

const withRules = new WeakMap<SchemaProps, boolean>();

function hasRules(schema: SchemaProps): boolean {
  const found = withRules.get(schema);
  if (found !== undefined) return found;
  const parts = [...Object.values(schema.properties ?? {}), itemsOf(schema), valuesOf(schema)];
  const has =
    (schema["x-kubernetes-validations"]?.length ?? 0) > 0 || parts.some((part) => part !== undefined && hasRules(part));
  withRules.set(schema, has);
  return has;
}
