/**
 * DefaultStorageClass: a claim that names no class gets the cluster's. One that names "" wants none.
 */
import type { PersistentVolumeClaim } from "../../machinery/objects/kinds.ts";
import type { AdmissionPlugin } from "./contract.ts";
import { newestDefault } from "./newest-default.ts";

const OLD_NAME = "volume.beta.kubernetes.io/storage-class";

export function defaultStorageClass(): AdmissionPlugin {
  const defaultOf = newestDefault("storageclasses.storage.k8s.io", [
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
  ]);
  return {
    name: "DefaultStorageClass",
    mutate({ operation, row, subresource, object }, { objects }) {
      if (operation !== "CREATE" || row.group !== "" || row.plural !== "persistentvolumeclaims" || subresource !== "")
        return;
      const { metadata, spec } = object as unknown as PersistentVolumeClaim;
      if (!spec || spec.storageClassName !== undefined || metadata.annotations?.[OLD_NAME] !== undefined) return;
      const name = defaultOf(objects);
      if (name !== undefined) spec.storageClassName = name;
    },
  };
}
