/**
 * StorageObjectInUseProtection: new claims and volumes get the finalizers that hold them while they are in use.
 *
 * Who takes these away again: controllers/volume-protection.ts.
 */
import { finalizers } from "../../machinery/objects/volume-claims.ts";
import type { AdmissionPlugin } from "./contract.ts";

const PROTECTED: Readonly<Record<string, string>> = {
  persistentvolumeclaims: finalizers.claim,
  persistentvolumes: finalizers.volume,
};

export const storageObjectInUseProtection: AdmissionPlugin = {
  name: "StorageObjectInUseProtection",

  mutate({ operation, row, subresource, object }) {
    if (operation !== "CREATE" || row.group !== "" || subresource !== "" || !object) return;
    const finalizer = PROTECTED[row.plural];
    if (finalizer === undefined || object.metadata.finalizers?.includes(finalizer)) return;
    object.metadata.finalizers = [...(object.metadata.finalizers ?? []), finalizer];
  },
};
