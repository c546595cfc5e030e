/**
 * Namespace of a request: what selectors and expressions may look at.
 */
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { AdmissionRequest, AdmissionServices } from "./contract.ts";

export type ReadNamespace = () => Promise<StoredObject | undefined>;

export const isNamespace = ({ row }: Pick<AdmissionRequest, "row">): boolean =>
  row.group === "" && row.plural === "namespaces";

/** Read once, when it is first asked for; of a Namespace itself and of what has none: nothing. */
export function namespaceReader(request: AdmissionRequest, { objects, read }: AdmissionServices): ReadNamespace {
  const { namespace } = request;
  let found: StoredObject | undefined;
  return async () => {
    if (namespace === "" || isNamespace(request)) return undefined;
    found ??= objects.get("namespaces", "", namespace) ?? (await read("namespaces", "", namespace));
    return found;
  };
}
