/**
 * Field errors: what is wrong with an object, with the field's path, in Kubernetes' words.
 *
 * Validation collects all of them and answers once, with 422 Invalid.
 * Wording: k8s.io/apimachinery/pkg/util/validation/field/errors.go
 */
import { ApiError, type StatusCause } from "../../machinery/objects/status.ts";
import type { At } from "./path.ts";

export class FieldErrors {
  readonly causes: StatusCause[] = [];

  required(path: At, detail = ""): void {
    this.add("FieldValueRequired", path, detail ? `Required value: ${detail}` : "Required value");
  }
  invalid(path: At, value: unknown, detail: string): void {
    this.add("FieldValueInvalid", path, `Invalid value: ${shown(value)}: ${detail}`);
  }
  /** `allowed` is shown in its order; Kubernetes' sets are sorted. */
  notSupported(path: At, value: unknown, allowed: readonly string[]): void {
    const list = allowed.map((one) => JSON.stringify(one)).join(", ");
    this.add("FieldValueNotSupported", path, `Unsupported value: ${shown(value)}: supported values: ${list}`);
  }
  /** Invalid, and the value itself says nothing: a whole object, or a secret. */
  invalidPart(path: At, detail: string): void {
    this.add("FieldValueInvalid", path, `Invalid value: ${detail}`);
  }
  /** A value of another type than the schema of a custom kind says. */
  typeInvalid(path: At, value: unknown, detail: string): void {
    this.add("FieldValueTypeInvalid", path, `Invalid value: ${shown(value)}: ${detail}`);
  }
  duplicate(path: At, value: unknown, detail = ""): void {
    this.add("FieldValueDuplicate", path, `Duplicate value: ${shown(value)}${detail ? `: ${detail}` : ""}`);
  }
  forbidden(path: At, detail: string): void {
    this.add("FieldValueForbidden", path, `Forbidden: ${detail}`);
  }
  notFound(path: At, value: unknown, detail = ""): void {
    this.add("FieldValueNotFound", path, `Not found: ${shown(value)}${detail ? `: ${detail}` : ""}`);
  }
  tooLong(path: At, limit: number): void {
    this.add("FieldValueTooLong", path, `Too long: may not be more than ${limit} bytes`);
  }
  tooMany(path: At, count: number, limit: number): void {
    this.add("FieldValueTooMany", path, `Too many: ${count}: must have at most ${limit} items`);
  }

  /** A rule could not be judged. */
  internal(path: At, detail: string): void {
    this.add("InternalError", path, `Internal error: ${detail}`);
  }

  /** Forgets what was found: where one reason stands for all others. */
  clear(): void {
    this.causes.length = 0;
  }

  get empty(): boolean {
    return this.causes.length === 0;
  }

  /** All that others found, too. */
  take(others: FieldErrors): void {
    this.causes.push(...others.causes);
  }

  /** The same of a part, whose own paths begin at it. */
  takeUnder(path: At, others: FieldErrors): void {
    for (const { reason = "", message = "", field = "" } of others.causes)
      this.add(reason, `${path}.${field}`, message);
  }

  /** Throws 422 when anything was found. `kind` and `group` are the object's. */
  throwIfAny(group: string, kind: string, name: string): void {
    if (this.empty) return;
    const texts = [...new Set(this.causes.map(({ field, message }) => `${field}: ${message}`))];
    const list = texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
    const full = group ? `${kind}.${group}` : kind;
    throw new ApiError("Invalid", `${full} ${JSON.stringify(name)} is invalid: ${list}`, {
      ...(name ? { name } : {}),
      ...(group ? { group } : {}),
      kind,
      causes: this.causes,
    });
  }

  private add(reason: string, path: At, message: string): void {
    this.causes.push({ reason, message, field: String(path) });
  }
}

function shown(value: unknown): string {
  return value === undefined ? "null" : JSON.stringify(value);
}
