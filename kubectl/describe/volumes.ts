/** Volumes of a Pod or a template, one row of the table a source. */
import type { Volume } from "../../machinery/objects/kinds.ts";
import { canonicalQuantity } from "../../machinery/objects/quantity.ts";
import type { Document } from "./document.ts";

export function writeVolumes(document: Document, volumes: readonly Volume[] = [], space = ""): void {
  document.write(0, `${space}Volumes:${volumes.length === 0 ? "\t<none>" : ""}\n`);
  for (const volume of volumes) {
    document.write(1, `${space === "" ? "" : " "}${volume.name}:\n`);
    const source = Object.keys(sources).find(
      (name) => volume[name as keyof Volume] !== undefined,
    ) as keyof typeof sources;
    const lines = source ? (sources[source] as (value: unknown) => string[])(volume[source]) : ["<unknown>"];
    for (const line of lines) document.write(2, `${line}\n`);
  }
}

type Source<K extends keyof Volume> = (value: NonNullable<Volume[K]>) => string[];

const sources: {
  readonly [K in
    | "hostPath"
    | "emptyDir"
    | "secret"
    | "configMap"
    | "persistentVolumeClaim"
    | "downwardAPI"
    | "projected"
    | "nfs"
    | "csi"
    | "ephemeral"]: Source<K>;
} = {
  hostPath: ({ path, type }) => [
    "Type:\tHostPath (bare host directory volume)",
    `Path:\t${path}`,
    `HostPathType:\t${type ?? "<none>"}`,
  ],
  emptyDir: ({ medium = "", sizeLimit }) => [
    "Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)",
    `Medium:\t${medium}`,
    `SizeLimit:\t${sizeLimit === undefined ? "<unset>" : canonicalQuantity(sizeLimit)}`,
  ],
  secret: ({ secretName = "", optional }) => [
    "Type:\tSecret (a volume populated by a Secret)",
    `SecretName:\t${secretName}`,
    `Optional:\t${optional === true}`,
  ],
  configMap: ({ name = "", optional }) => [
    "Type:\tConfigMap (a volume populated by a ConfigMap)",
    `Name:\t${name}`,
    `Optional:\t${optional === true}`,
  ],
  persistentVolumeClaim: ({ claimName, readOnly }) => [
    "Type:\tPersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
    `ClaimName:\t${claimName}`,
    `ReadOnly:\t${readOnly === true}`,
  ],
  downwardAPI: ({ items = [] }) => [
    "Type:\tDownwardAPI (a volume populated by information about the pod)",
    "Items:",
    ...items.map(
      ({ fieldRef, resourceFieldRef, path }) =>
        `  ${fieldRef?.fieldPath ?? resourceFieldRef?.resource ?? ""} -> ${path}`,
    ),
  ],
  projected: ({ sources: parts = [] }) => [
    "Type:\tProjected (a volume that contains injected data from multiple sources)",
    ...parts.flatMap(({ secret, downwardAPI, configMap, serviceAccountToken }) => [
      ...(secret ? [`SecretName:\t${secret.name ?? ""}`, `Optional:\t${secret.optional === true}`] : []),
      ...(downwardAPI ? ["DownwardAPI:\ttrue"] : []),
      ...(configMap ? [`ConfigMapName:\t${configMap.name ?? ""}`, `Optional:\t${configMap.optional === true}`] : []),
      ...(serviceAccountToken ? [`TokenExpirationSeconds:\t${serviceAccountToken.expirationSeconds ?? 3600}`] : []),
    ]),
  ],
  nfs: ({ server, path, readOnly }) => [
    "Type:\tNFS (an NFS mount that lasts the lifetime of a pod)",
    `Server:\t${server}`,
    `Path:\t${path}`,
    `ReadOnly:\t${readOnly === true}`,
  ],
  csi: ({ driver, fsType = "", readOnly }) => [
    "Type:\tCSI (a Container Storage Interface (CSI) volume source)",
    `Driver:\t${driver}`,
    `FSType:\t${fsType}`,
    `ReadOnly:\t${readOnly === true}`,
  ],
  ephemeral: () => [
    "Type:\tEphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)",
  ],
};
