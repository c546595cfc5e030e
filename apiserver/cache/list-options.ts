/**
 * List options: what resourceVersion, resourceVersionMatch, limit, continue and sendInitialEvents mean together.
 *
 * One table of meanings, as in https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
 * What makes no sense is refused with everything that is wrong about it in one answer.
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

/** Where a watch begins. */
export type WatchMeaning =
  /** With everything that there is, at this resourceVersion or later; without one: as of now. */
  | { readonly kind: "state"; readonly notBefore: number | undefined; readonly marked: boolean }
  /** With what happens from now on, or from whatever the cache has. */
  | { readonly kind: "now" | "any" }
  /** After this resourceVersion. */
  | { readonly kind: "after"; readonly resourceVersion: number };

type ListOptions = Pick<
  ListQuery,
  "resourceVersion" | "resourceVersionMatch" | "limit" | "continue" | "sendInitialEvents"
>;
type WatchOptions = Pick<WatchQuery, "resourceVersion" | "resourceVersionMatch" | "continue" | "sendInitialEvents">;

export function listMeaning(query: ListOptions): ListMeaning {
  const { resourceVersion = "", resourceVersionMatch = "", limit = 0 } = query;
  refuse(problemsOfList(query));
  if (query.continue) {
    const continuation = decodeContinue(query.continue);
    if (resourceVersion !== "" && resourceVersion !== "0") {
      throw badRequest("specifying resource version is not allowed when using continue");
    }
    return { kind: "continue", ...continuation };
  }
  if (resourceVersion === "") return { kind: "consistent" };
  const asked = parseVersion(resourceVersion);
  if (asked === 0) return { kind: "any" };
  const exact = resourceVersionMatch === "Exact" || (resourceVersionMatch === "" && limit > 0);
  return { kind: exact ? "exact" : "notOlderThan", resourceVersion: asked };
}

export function watchMeaning(query: WatchOptions): WatchMeaning {
  const { resourceVersion = "", resourceVersionMatch = "", sendInitialEvents } = query;
  refuse(problemsOfWatch(query));
  const asked = resourceVersion === "" ? undefined : parseVersion(resourceVersion);
  // A watch of old that names no version has always begun with what there is.
  const silent = sendInitialEvents === undefined && resourceVersionMatch === "" && !asked;
  if (sendInitialEvents || silent) return { kind: "state", notBefore: asked, marked: true };
  if (asked === undefined) return { kind: "now" };
  return asked === 0 ? { kind: "any" } : { kind: "after", resourceVersion: asked };
}

export function parseVersion(resourceVersion: string): number {
  const value = /^\d{1,16}$/.test(resourceVersion) ? Number(resourceVersion) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  const text = JSON.stringify(resourceVersion);
  const why = /^\d+$/.test(resourceVersion) ? "value out of range" : "invalid syntax";
  throw badRequest(
    `invalid resource version: resourceVersion: Invalid value: ${text}: strconv.ParseUint: parsing ${text}: ${why}`,
  );
}

interface Problem {
  readonly field: string;
  readonly reason: "FieldValueForbidden" | "FieldValueNotSupported";
  readonly message: string;
}

const MATCH = "resourceVersionMatch";

const forbidden = (field: string, why: string): Problem => ({
  field,
  reason: "FieldValueForbidden",
  message: `Forbidden: ${why}`,
});

const unsupported = (value: string, supported: readonly string[]): Problem => ({
  field: MATCH,
  reason: "FieldValueNotSupported",
  message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported.map((one) => JSON.stringify(one)).join(", ")}`,
});

function problemsOfList({
  resourceVersion = "",
  resourceVersionMatch: match = "",
  continue: token = "",
  sendInitialEvents,
}: ListOptions): Problem[] {
  const problems: Problem[] = [];
  if (match !== "") {
    if (resourceVersion === "")
      problems.push(forbidden(MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
    if (token !== "") problems.push(forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided"));
    if (match !== "Exact" && match !== "NotOlderThan") problems.push(unsupported(match, ["Exact", "NotOlderThan", ""]));
    if (match === "Exact" && resourceVersion === "0")
      problems.push(forbidden(MATCH, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
  }
  if (sendInitialEvents !== undefined)
    problems.push(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  return problems;
}

function problemsOfWatch({
  resourceVersionMatch: match = "",
  continue: token = "",
  sendInitialEvents,
}: WatchOptions): Problem[] {
  const problems: Problem[] = [];
  if (sendInitialEvents !== undefined && match !== "NotOlderThan")
    problems.push(forbidden(MATCH, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
  if (match === "") return problems;
  if (sendInitialEvents === undefined)
    problems.push(forbidden(MATCH, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
  if (match !== "NotOlderThan") problems.push(unsupported(match, ["NotOlderThan"]));
  if (token !== "") problems.push(forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided"));
  return problems;
}

function refuse(problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const texts = problems.map(({ field, message }) => `${field}: ${message}`);
  const all = texts.length === 1 ? texts[0] : `[${[...new Set(texts)].join(", ")}]`;
  throw new ApiError("Invalid", `ListOptions.meta.k8s.io "" is invalid: ${all}`, {
    group: "meta.k8s.io",
    kind: "ListOptions",
    causes: problems,
  });
}
