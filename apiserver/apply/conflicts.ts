/**
 * Conflicts: an applied configuration would change what others own.
 */
import { ApiError } from "../../machinery/objects/status.ts";
import type { Fields } from "./contract.ts";
import { elementText } from "./elements.ts";
import { paths } from "./field-sets.ts";
import type { Owner } from "./owners.ts";

export interface Conflict {
  readonly owner: Owner;
  readonly fields: Fields;
}

export function applyConflict(conflicts: readonly Conflict[]): ApiError {
  const found = conflicts
    .flatMap(({ owner, fields }) => [...paths(fields)].map((path) => ({ who: described(owner), path: textOf(path) })))
    .sort((a, b) => (a.who === b.who ? 0 : a.who < b.who ? -1 : 1));
  const causes = found.map(({ who, path }) => ({
    reason: "FieldManagerConflict",
    message: `conflict with ${who}`,
    field: path,
  }));
  return new ApiError("Conflict", messageOf(found), { causes });
}

function messageOf(found: readonly { readonly who: string; readonly path: string }[]): string {
  const [first] = found;
  if (first && found.length === 1) return `Apply failed with 1 conflict: conflict with ${first.who}: ${first.path}`;
  const lines = [...new Set(found.map(({ who }) => who))].flatMap((who) => [
    `conflicts with ${who}:`,
    ...found.filter((one) => one.who === who).map(({ path }) => `- ${path}`),
  ]);
  return `Apply failed with ${found.length} conflicts: ${lines.join("\n")}`;
}

/** `"kubectl" with subresource "scale" using apps/v1` */
function described({ manager, subresource, operation, apiVersion }: Owner): string {
  const name = JSON.stringify(manager);
  const whole = subresource ? `${name} with subresource ${JSON.stringify(subresource)}` : name;
  return operation === "Update" ? `${whole} using ${apiVersion}` : whole;
}

const textOf = (path: readonly string[]): string => path.map(elementText).join("");
