/**
 * PersistentVolumeClaimResize: a claim grows only where its storage class says that volumes can.
 */
import type { PersistentVolumeClaim, StorageClass } from "../../machinery/objects/kinds.ts";
import { compareQuantities, parseQuantity, zeroQuantity } from "../../machinery/objects/quantity.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices } from "./contract.ts";
import { refused } from "./refused.ts";

const CLASSES = "storageclasses.storage.k8s.io";
const OLD_NAME = "volume.beta.kubernetes.io/storage-class";

export const claimResize: AdmissionPlugin = {
  name: "PersistentVolumeClaimResize",

  validate(request, services) {
    const { operation, row, subresource } = request;
    const asks = operation === "UPDATE" && row.group === "" && row.plural === "persistentvolumeclaims";
    return asks && subresource === "" ? checkGrowth(request, services) : undefined;
  },
};

async function checkGrowth(request: AdmissionRequest, { objects, read }: AdmissionServices): Promise<void> {
  const claim = request.object as unknown as PersistentVolumeClaim;
  const old = request.old as unknown as PersistentVolumeClaim;
  if (compareQuantities(askedBy(claim), askedBy(old)) <= 0) return;
  if (old.status?.phase !== "Bound") throw refused(request, "Only bound persistent volume claims can be expanded");
  const name = claim.metadata.annotations?.[OLD_NAME] ?? claim.spec?.storageClassName;
  const found = name ? (objects.get(CLASSES, "", name) ?? (await read(CLASSES, "", name))) : undefined;
  if (!(found as StorageClass | undefined)?.allowVolumeExpansion)
    throw refused(
      request,
      "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
    );
}

const askedBy = ({ spec }: PersistentVolumeClaim) => {
  const storage = spec?.resources?.requests?.["storage"];
  return storage === undefined ? zeroQuantity : parseQuantity(storage);
};
