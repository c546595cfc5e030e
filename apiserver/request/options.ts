/**
 * Options: what query parameters ask of a request, checked once, in Kubernetes' words.
 */
import { ApiError, badRequest } from "../../machinery/objects/status.ts";
import { checkFieldManager } from "./field-manager.ts";
import { isTrue } from "./path.ts";

export type FieldValidation = "Ignore" | "Warn" | "Strict";

export interface WriteOptions {
  readonly dryRun: boolean;
  readonly fieldValidation: FieldValidation;
}

const FIELD_VALIDATIONS: ReadonlySet<string> = new Set(["Ignore", "Warn", "Strict"]);

/** `kind` is CreateOptions, UpdateOptions or PatchOptions: it names the culprit. `applies`: by server-side apply. */
export function writeOptions(query: URLSearchParams, kind: string, applies = false): WriteOptions {
  checkFieldManager(query, kind, applies);
  const validation = query.get("fieldValidation") || "Warn";
  if (!FIELD_VALIDATIONS.has(validation))
    throw invalidOption(
      kind,
      "fieldValidation",
      `Invalid value: ${JSON.stringify(validation)}: must be one of: "", "Ignore", "Warn", "Strict"`,
    );
  return { dryRun: dryRunOf(query.getAll("dryRun"), kind), fieldValidation: validation as FieldValidation };
}

export function dryRunOf(values: readonly string[], kind: string): boolean {
  const given = values.filter((one) => one !== "");
  const wrong = given.find((one) => one !== "All");
  if (wrong !== undefined)
    throw invalidOption(kind, "dryRun", `Unsupported value: ${JSON.stringify(wrong)}: supported values: "All"`);
  return given.length > 0;
}

export function invalidOption(kind: string, field: string, message: string): ApiError {
  return new ApiError("Invalid", `${kind}.meta.k8s.io "" is invalid: ${field}: ${message}`, {
    group: "meta.k8s.io",
    kind,
    causes: [{ reason: "FieldValueInvalid", message, field }],
  });
}

/** A number of the query; undefined when absent or 0. */
export function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (!text) return undefined;
  if (!/^-?\d{1,18}$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  const value = Number(text);
  return value > 0 ? value : undefined;
}

export const flag = (query: URLSearchParams, name: string): boolean => isTrue(query.get(name));

export const text = (query: URLSearchParams, name: string): string | undefined => query.get(name) || undefined;
