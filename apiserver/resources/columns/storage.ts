/**
 * Columns of volumes, claims and storage classes.
 */
import type * as models from "@kubernetes/client-node";
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from "../../../machinery/objects/kinds.ts";
import type { Stored } from "../../../machinery/objects/wire.ts";
import { ageColumn, type ColumnOf, columns, nameColumn, number, text, unset, wideText } from "./column.ts";

const MODES: Readonly<Record<string, string>> = {
  ReadWriteOnce: "RWO",
  ReadOnlyMany: "ROX",
  ReadWriteMany: "RWX",
  ReadWriteOncePod: "RWOP",
};

/** In the order of the table above, each once. */
function shortModes(modes: readonly string[] | undefined): string {
  return Object.keys(MODES)
    .filter((mode) => modes?.includes(mode))
    .map((mode) => MODES[mode])
    .join(",");
}

const DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class";

export const persistentVolumeColumns = columns<PersistentVolume>(
  nameColumn,
  text<PersistentVolume>("Capacity", "Size", ({ spec }) => spec?.capacity?.["storage"] ?? ""),
  text<PersistentVolume>("Access Modes", "How it may be mounted", ({ spec }) => shortModes(spec?.accessModes)),
  text<PersistentVolume>(
    "Reclaim Policy",
    "What happens after its claim is gone",
    ({ spec }) => spec?.persistentVolumeReclaimPolicy ?? "",
  ),
  text<PersistentVolume>("Status", "Phase", ({ metadata, status }) =>
    metadata.deletionTimestamp ? "Terminating" : (status?.phase ?? ""),
  ),
  text<PersistentVolume>("Claim", "Who uses it", ({ spec }) =>
    spec?.claimRef ? `${spec.claimRef.namespace ?? ""}/${spec.claimRef.name ?? ""}` : "",
  ),
  text<PersistentVolume>("StorageClass", "Class", ({ spec }) => spec?.storageClassName ?? ""),
  text<PersistentVolume>(
    "VolumeAttributesClass",
    "Class of attributes",
    ({ spec }) => spec?.volumeAttributesClassName ?? unset,
  ),
  text<PersistentVolume>("Reason", "Why it is in its phase", ({ status }) => status?.reason ?? ""),
  ageColumn,
  wideText<PersistentVolume>("VolumeMode", "File system or block device", ({ spec }) => spec?.volumeMode ?? unset),
);

export const persistentVolumeClaimColumns = columns<PersistentVolumeClaim>(
  nameColumn,
  text<PersistentVolumeClaim>("Status", "Phase", ({ metadata, status }) =>
    metadata.deletionTimestamp ? "Terminating" : (status?.phase ?? ""),
  ),
  text<PersistentVolumeClaim>("Volume", "The volume it got", ({ spec }) => spec?.volumeName ?? ""),
  text<PersistentVolumeClaim>("Capacity", "Size", ({ spec, status }) =>
    spec?.volumeName ? (status?.capacity?.["storage"] ?? "0") : "",
  ),
  text<PersistentVolumeClaim>("Access Modes", "How it may be mounted", ({ spec, status }) =>
    spec?.volumeName ? shortModes(status?.accessModes) : "",
  ),
  text<PersistentVolumeClaim>("StorageClass", "Class", ({ spec }) => spec?.storageClassName ?? ""),
  text<PersistentVolumeClaim>(
    "VolumeAttributesClass",
    "Class of attributes",
    ({ spec }) => spec?.volumeAttributesClassName ?? unset,
  ),
  ageColumn,
  wideText<PersistentVolumeClaim>("VolumeMode", "File system or block device", ({ spec }) => spec?.volumeMode ?? unset),
);

export const storageClassColumns = columns<StorageClass>(
  {
    ...text<StorageClass>("Name", "Name, with a mark where it is the default", ({ metadata }) =>
      metadata.annotations?.[DEFAULT_CLASS] === "true" ? `${metadata.name} (default)` : metadata.name,
    ),
    format: "name",
  },
  text<StorageClass>("Provisioner", "Who makes volumes of it", ({ provisioner }) => provisioner),
  text<StorageClass>(
    "ReclaimPolicy",
    "What happens after a claim is gone",
    ({ reclaimPolicy }) => reclaimPolicy ?? "Delete",
  ),
  text<StorageClass>(
    "VolumeBindingMode",
    "When a volume is bound",
    ({ volumeBindingMode }) => volumeBindingMode ?? unset,
  ),
  flag<StorageClass>("AllowVolumeExpansion", "Whether volumes may grow", (one) => one.allowVolumeExpansion === true),
  ageColumn,
);

function flag<T>(name: string, description: string, cell: (object: T) => boolean): ColumnOf<T> {
  return { ...text<T>(name, description, cell), type: "boolean" };
}

type Attachment = Stored<models.V1VolumeAttachment>;

export const volumeAttachmentColumns = columns<Attachment>(
  nameColumn,
  text<Attachment>("Attacher", "Driver", ({ spec }) => spec?.attacher ?? ""),
  text<Attachment>("PV", "Volume", ({ spec }) => spec?.source?.persistentVolumeName ?? ""),
  text<Attachment>("Node", "Node", ({ spec }) => spec?.nodeName ?? ""),
  flag<Attachment>("Attached", "Whether it is attached", ({ status }) => status?.attached === true),
  ageColumn,
);

type CsiDriver = Stored<models.V1CSIDriver>;

export const csiDriverColumns = columns<CsiDriver>(
  nameColumn,
  flag<CsiDriver>("AttachRequired", "Whether volumes must be attached", ({ spec }) => spec?.attachRequired ?? true),
  flag<CsiDriver>("PodInfoOnMount", "Whether it is told about the Pod", ({ spec }) => spec?.podInfoOnMount ?? false),
  flag<CsiDriver>("StorageCapacity", "Whether its capacity counts", ({ spec }) => spec?.storageCapacity ?? false),
  text<CsiDriver>(
    "TokenRequests",
    "Audiences of the tokens it gets",
    ({ spec }) => (spec?.tokenRequests ?? []).map(({ audience }) => audience).join(",") || unset,
  ),
  flag<CsiDriver>("RequiresRepublish", "Whether it is called again", ({ spec }) => spec?.requiresRepublish ?? false),
  text<CsiDriver>("Modes", "Kinds of volumes", ({ spec }) => (spec?.volumeLifecycleModes ?? []).join(",") || "<none>"),
  ageColumn,
);

type CsiNode = Stored<models.V1CSINode>;

export const csiNodeColumns = columns<CsiNode>(
  nameColumn,
  number<CsiNode>("Drivers", "Number of drivers", ({ spec }) => spec?.drivers?.length ?? 0),
  ageColumn,
);

type AttributesClass = Stored<models.V1VolumeAttributesClass>;

export const volumeAttributesClassColumns = columns<AttributesClass>(
  nameColumn,
  text<AttributesClass>("DriverName", "Driver", ({ driverName }) => driverName ?? ""),
  ageColumn,
);
