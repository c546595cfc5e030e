/**
 * Expression rules: the rules in a schema compile, cost no more than a kind may cost, and name oldSelf only where the old
 * value can be found.
 *
 * What a rule costs is its own worst case, times how often the value that has it may stand in an object. A number made
 * text may be endless to the estimate, so "'a is ' + string(self.a)" is refused as in Kubernetes; `format` is not.
 */
import { type CelType, celLimits } from "../cel/contract.ts";
import { FieldErrors } from "../resources/field-errors.ts";
import { itemsOf, type SchemaProps, type ValidationRule, valuesOf } from "./contract.ts";
import { fieldAt } from "./field-path.ts";
import { compileMessage, compileRule, typeOf } from "./rules.ts";

const REASONS = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
/** Largest object that a request may bring, in bytes. */
const REQUEST_BYTES = 3 * 1024 * 1024;
/** Rules that are told of when all together cost too much. */
const TOLD = 4;

interface Place {
  readonly resource: boolean;
  /** How often the value may stand in an object; undefined where nothing bounds it. */
  readonly times: number | undefined;
  /** The part of the schema in which old and new values cannot be matched. */
  readonly uncorrelated: string | undefined;
}

export class ExpressionRules {
  readonly errors = new FieldErrors();
  private readonly unchanged: boolean;
  private readonly costs: { readonly path: string; readonly cost: number }[] = [];

  constructor(unchanged: boolean) {
    this.unchanged = unchanged;
  }

  validate(schema: SchemaProps, path: string): void {
    this.visit(schema, path, { resource: true, times: 1, uncorrelated: undefined });
    const total = this.costs.reduce((sum, { cost }) => sum + cost, 0);
    if (total <= celLimits.kindEstimate) return;
    const most = [...this.costs].sort((a, b) => b.cost - a.cost).slice(0, TOLD);
    for (const one of most) {
      const detail = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
      this.errors.forbidden(one.path, detail);
    }
    const name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
    this.errors.forbidden(path, tooCostly(name, total, celLimits.kindEstimate));
  }

  private visit(schema: SchemaProps, path: string, place: Place): void {
    const rules = schema["x-kubernetes-validations"] ?? [];
    if (rules.length > 0) this.rules(rules, schema, path, place);
    const values = valuesOf(schema);
    const times = (size: number | undefined) =>
      place.times === undefined || size === undefined ? undefined : place.times * size;
    if (values)
      this.visit(values, `${path}.additionalProperties`, this.inside(values, place, times(schema.maxProperties)));
    for (const [key, property] of Object.entries(schema.properties ?? {})) {
      this.visit(property, `${path}.properties[${key}]`, this.inside(property, place, place.times));
    }
    const items = itemsOf(schema);
    if (!items) return;
    const lost = schema["x-kubernetes-list-type"] === "map" ? {} : { uncorrelated: place.uncorrelated ?? path };
    this.visit(items, `${path}.items`, { ...this.inside(items, place, times(schema.maxItems)), ...lost });
  }

  private inside(schema: SchemaProps, place: Place, times: number | undefined): Place {
    return { ...place, times, resource: schema["x-kubernetes-embedded-resource"] === true };
  }

  private rules(rules: readonly ValidationRule[], schema: SchemaProps, path: string, place: Place): void {
    const before = this.errors.causes.length;
    for (const [at, rule] of rules.entries()) this.words(rule, schema, `${path}.x-kubernetes-validations[${at}]`);
    if (this.errors.causes.length > before) return;
    const type = typeOf(schema, place.resource);
    const times = place.times ?? Math.floor(REQUEST_BYTES / (smallest(type) + 1));
    for (const [at, rule] of rules.entries())
      this.expression(rule, type, times, `${path}.x-kubernetes-validations[${at}]`, place);
  }

  private words(rule: ValidationRule, schema: SchemaProps, at: string): void {
    const { message, messageExpression, reason, fieldPath } = rule;
    const lines = /[\n\r]/;
    if (!rule.rule?.trim()) this.errors.required(`${at}.rule`, "rule is not specified");
    else if (message && !message.trim())
      this.errors.invalid(`${at}.message`, message, "message must be non-empty if specified");
    else if (message && lines.test(message.trim()))
      this.errors.invalid(`${at}.message`, message, "message must not contain line breaks");
    else if (lines.test(rule.rule.trim()) && !message?.trim())
      this.errors.required(`${at}.message`, "message must be specified if rule contains line breaks");
    if (messageExpression && !messageExpression.trim())
      this.errors.required(`${at}.messageExpression`, "messageExpression must be non-empty if specified");
    if (reason !== undefined && !REASONS.includes(reason)) this.errors.notSupported(`${at}.reason`, reason, REASONS);
    if (!fieldPath) return;
    if (!fieldPath.trim())
      this.errors.invalid(`${at}.fieldPath`, fieldPath, "fieldPath must be non-empty if specified");
    if (lines.test(fieldPath))
      this.errors.invalid(`${at}.fieldPath`, fieldPath, "fieldPath must not contain line breaks");
    if (typeof fieldAt(fieldPath, schema, { brackets: true }) === "string")
      this.errors.invalid(`${at}.fieldPath`, fieldPath, "fieldPath must be a valid path");
  }

  private expression(rule: ValidationRule, type: CelType, times: number, at: string, place: Place): void {
    const compiled = this.compiled(() => compileRule(rule, type), rule, `${at}.rule`);
    if (compiled) {
      this.cost("estimated rule cost", compiled.program.estimate().max * times, `${at}.rule`);
      if (compiled.transition && place.uncorrelated) {
        const detail = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${place.uncorrelated}`;
        this.errors.invalid(`${at}.rule`, rule.rule, detail);
      }
      if (!compiled.transition && rule.optionalOldSelf !== undefined) {
        const detail = "may not be set if oldSelf is not used in rule";
        this.errors.invalid(`${at}.optionalOldSelf`, rule.optionalOldSelf, detail);
      }
    }
    const message = this.compiled(() => compileMessage(rule, type), rule, `${at}.messageExpression`);
    // of a text that is made, one is taken into account, as in Kubernetes
    if (message) this.cost("estimated messageExpression cost", message.estimate().max, `${at}.messageExpression`);
  }

  private compiled<T>(compile: () => T, rule: ValidationRule, path: string): T | undefined {
    try {
      return compile();
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "CelCompileError") throw error;
      this.errors.invalid(path, rule, error.message);
      return undefined;
    }
  }

  private cost(name: string, cost: number, path: string): void {
    this.costs.push({ path, cost });
    if (cost > celLimits.ruleEstimate && !this.unchanged)
      this.errors.forbidden(path, tooCostly(name, cost, celLimits.ruleEstimate));
  }
}

function tooCostly(name: string, cost: number, limit: number): string {
  const times = cost / limit;
  const factor = times > 100 ? "more than 100x" : times < 1.5 ? `${times.toFixed(6)}x` : `${times.toFixed(1)}x`;
  return `${name} exceeds budget by factor of ${factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`;
}

/** Bytes of the smallest value of a type, as JSON. */
function smallest(type: CelType): number {
  switch (type.kind) {
    case "object":
      return type.minSerializedSize ?? 2;
    case "bool":
      return 4;
    case "timestamp":
      return 21;
    case "duration":
      return 3;
    case "int":
    case "uint":
    case "double":
      return 1;
    default:
      return 2;
  }
}
