/**
 * Field errors: what is wrong with an object, with the field's path, in Kubernetes' words.
 *
 * Validation collects all of them and answers once, with 422 Invalid.
 * Wording: k8s.io/apimachinery/pkg/util/validation/field/errors.go
 */
import { ApiError, type StatusCause } from "../../machinery/objects/status.ts";

export class FieldErrors {
  readonly causes: StatusCause[] = [];

  required(path: string, detail = ""): void {
    this.add("FieldValueRequired", path, detail ? `Required value: ${detail}` : "Required value");
  }
  invalid(path: string, value: unknown, detail: string): void {
    this.add("FieldValueInvalid", path, `Invalid value: ${shown(value)}: ${detail}`);
  }
  /** `allowed` is shown in its order; Kubernetes' sets are sorted. */
  notSupported(path: string, value: unknown, allowed: readonly string[]): void {
    const list = allowed.map((one) => JSON.stringify(one)).join(", ");
    this.add("FieldValueNotSupported", path, `Unsupported value: ${shown(value)}: supported values: ${list}`);
  }
  duplicate(path: string, value: unknown): void {
    this.add("FieldValueDuplicate", path, `Duplicate value: ${shown(value)}`);
  }
  forbidden(path: string, detail: string): void {
    this.add("FieldValueForbidden", path, `Forbidden: ${detail}`);
  }
  notFound(path: string, value: unknown): void {
    this.add("FieldValueNotFound", path, `Not found: ${shown(value)}`);
  }
  tooLong(path: string, limit: number): void {
    this.add("FieldValueTooLong", path, `Too long: may not be more than ${limit} bytes`);
  }
  tooMany(path: string, count: number, limit: number): void {
    this.add("FieldValueTooMany", path, `Too many: ${count}: must have at most ${limit} items`);
  }

  get empty(): boolean {
    return this.causes.length === 0;
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

  private add(reason: string, field: string, message: string): void {
    this.causes.push({ reason, message, field });
  }
}

function shown(value: unknown): string {
  return value === undefined ? "null" : JSON.stringify(value);
}
