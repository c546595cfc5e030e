/**
 * List options: what resourceVersion, resourceVersionMatch, limit and continue mean together.
 *
 * One table of meanings, as in https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
 */
import { ApiError, badRequest } from "../../machinery/objects/status.ts";
import { type Continuation, decodeContinue } from "./continue-token.ts";
import type { ListQuery, WatchQuery } from "./contract.ts";

/** Which state a list shows. resourceVersions are numbers here. */
export type ListMeaning =
  | { readonly kind: "consistent" }
  | { readonly kind: "any" }
  | { readonly kind: "notOlderThan"; readonly resourceVersion: number }
  | { readonly kind: "exact"; readonly resourceVersion: number }
  | ({ readonly kind: "continue" } & Continuation);

export function listMeaning(query: ListQuery): ListMeaning {
  const { resourceVersion = "", resourceVersionMatch = "", limit = 0 } = query;
  checkMatch(resourceVersion, resourceVersionMatch, query.continue ?? "");
  if (query.continue) {
    if (resourceVersion !== "" && resourceVersion !== "0") {
      throw badRequest("specifying resource version is not allowed when using continue");
    }
    return { kind: "continue", ...decodeContinue(query.continue) };
  }
  if (resourceVersion === "") return { kind: "consistent" };
  const asked = parseVersion(resourceVersion);
  if (asked === 0) return { kind: "any" };
  const exact = resourceVersionMatch === "Exact" || (resourceVersionMatch === "" && limit > 0);
  return { kind: exact ? "exact" : "notOlderThan", resourceVersion: asked };
}

/** resourceVersion of a watch: undefined for "from now, consistent". */
export function watchVersion({ resourceVersion = "" }: Pick<WatchQuery, "resourceVersion">): number | undefined {
  return resourceVersion === "" ? undefined : parseVersion(resourceVersion);
}

export function parseVersion(resourceVersion: string): number {
  const value = /^\d{1,16}$/.test(resourceVersion) ? Number(resourceVersion) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw invalid("resourceVersion", `Invalid value: ${JSON.stringify(resourceVersion)}: must be a number`);
}

function checkMatch(resourceVersion: string, match: string, token: string): void {
  if (match === "") return;
  const field = "resourceVersionMatch";
  if (resourceVersion === "") {
    throw invalid(field, "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided");
  }
  if (token !== "") throw invalid(field, "Forbidden: resourceVersionMatch is forbidden when continue is provided");
  if (match !== "Exact" && match !== "NotOlderThan") {
    throw invalid(
      field,
      `Unsupported value: ${JSON.stringify(match)}: supported values: "Exact", "NotOlderThan"`,
      "FieldValueNotSupported",
    );
  }
  if (match === "Exact" && resourceVersion === "0") {
    throw invalid(field, 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
  }
}

function invalid(field: string, problem: string, reason?: string): ApiError {
  const type = reason ?? (problem.startsWith("Forbidden") ? "FieldValueForbidden" : "FieldValueInvalid");
  return new ApiError("Invalid", `ListOptions.meta.k8s.io "" is invalid: ${field}: ${problem}`, {
    group: "meta.k8s.io",
    kind: "ListOptions",
    causes: [{ reason: type, message: problem, field }],
  });
}
