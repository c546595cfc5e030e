/**
 * Refused: the 403 by which a plugin turns a write down.
 */
import { ApiError, type StatusCause } from "../../machinery/objects/status.ts";
import type { AdmissionRequest } from "./contract.ts";

export function refused(
  { row, name, object }: Pick<AdmissionRequest, "row" | "name" | "object">,
  why: string,
  causes?: readonly StatusCause[],
): ApiError {
  const resource = row.group ? `${row.plural}.${row.group}` : row.plural;
  const shown = name || object?.metadata.generateName || "";
  return new ApiError("Forbidden", `${resource} ${JSON.stringify(shown)} is forbidden: ${why}`, {
    ...(shown ? { name: shown } : {}),
    ...(row.group ? { group: row.group } : {}),
    kind: row.plural,
    ...(causes ? { causes } : {}),
  });
}
