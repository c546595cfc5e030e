/** describe of claims, volumes and storage classes. */
import type {
  NodeSelectorTerm,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
} from "../../machinery/objects/kinds.ts";
import { canonicalQuantity } from "../../machinery/objects/quantity.ts";
import { claimNames, classOf } from "../../machinery/objects/volume-claims.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { type Describer, related } from "./describer.ts";
import type { Document } from "./document.ts";
import { writeEvents } from "./events.ts";
import { ago, longTime, writeAnnotations, writeLabels } from "./fields.ts";

/** In the order in which they are shown. */
const ACCESS_MODES = [
  ["ReadWriteOnce", "RWO"],
  ["ReadOnlyMany", "ROX"],
  ["ReadWriteMany", "RWX"],
  ["ReadWriteOncePod", "RWOP"],
] as const;

const modesOf = (modes: readonly string[] = []): string =>
  ACCESS_MODES.flatMap(([mode, short]) => (modes.includes(mode) ? [short] : [])).join(",");

const amount = (storage: string | undefined): string => (storage === undefined ? "0" : canonicalQuantity(storage));

function writeStatus(document: Document, { metadata }: KubeObject, phase: string | undefined, now: number): void {
  const { deletionTimestamp } = metadata;
  const text = deletionTimestamp ? `Terminating (lasts ${ago(deletionTimestamp, now)})` : (phase ?? "");
  document.write(0, `Status:\t${text}\n`);
}

export const describeClaim: Describer = async (object, document, context) => {
  const claim = object as unknown as PersistentVolumeClaim;
  const { metadata, spec, status } = claim;
  document.write(0, `Name:\t${metadata.name}\n`);
  document.write(0, `Namespace:\t${metadata.namespace}\n`);
  document.write(0, `StorageClass:\t${classOf(claim)}\n`);
  writeStatus(document, object, status?.phase, context.now);
  document.write(0, `Volume:\t${spec?.volumeName ?? ""}\n`);
  writeLabels(document, "Labels", metadata.labels);
  writeAnnotations(document, "Annotations", metadata.annotations);
  document.write(0, `Finalizers:\t[${(metadata.finalizers ?? []).join(" ")}]\n`);
  const bound = Boolean(spec?.volumeName);
  document.write(0, `Capacity:\t${bound ? amount(status?.capacity?.["storage"]) : ""}\n`);
  document.write(0, `Access Modes:\t${bound ? modesOf(status?.accessModes) : ""}\n`);
  if (spec?.volumeMode) document.write(0, `VolumeMode:\t${spec.volumeMode}\n`);
  writeDataSource(document, spec?.dataSource);
  const pods = await related<Pod>(context, "pods", metadata.namespace, {});
  writeUsers(
    document,
    pods.filter((pod) => claimNames(pod).some(({ name }) => name === metadata.name)),
  );
  writeConditions(document, status?.conditions);
  await writeEvents(object, document, context);
};

type DataSource = NonNullable<PersistentVolumeClaim["spec"]>["dataSource"];

function writeDataSource(document: Document, source: DataSource): void {
  if (!source) return;
  document.write(0, "DataSource:\n");
  if (source.apiGroup !== undefined) document.write(1, `APIGroup:\t${source.apiGroup}\n`);
  document.write(1, `Kind:\t${source.kind}\n`);
  document.write(1, `Name:\t${source.name}\n`);
}

function writeUsers(document: Document, pods: readonly Pod[]): void {
  const [first = "<none>", ...rest] = pods.map(({ metadata }) => metadata.name);
  document.write(0, `Used By:\t${first}\n`);
  for (const name of rest) document.write(0, `\t${name}\n`);
}

function writeConditions(
  document: Document,
  conditions: NonNullable<PersistentVolumeClaim["status"]>["conditions"],
): void {
  if (!conditions?.length) return;
  document.write(0, "Conditions:\n");
  document.write(1, "Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage\n");
  document.write(1, "----\t------\t-----------------\t------------------\t------\t-------\n");
  for (const { type, status, lastProbeTime, lastTransitionTime, reason = "", message = "" } of conditions)
    document.write(
      1,
      `${type} \t${status} \t${time(lastProbeTime)} \t${time(lastTransitionTime)} \t${reason} \t${message}\n`,
    );
}

/** A time that is not set is the first of all times. */
const time = (at: string | undefined): string => (at ? longTime(at) : "Mon, 01 Jan 0001 00:00:00 +0000");

export const describeVolume: Describer = async (object, document, context) => {
  const volume = object as unknown as PersistentVolume;
  const { metadata, spec, status } = volume;
  const claim = spec?.claimRef;
  document.write(0, `Name:\t${metadata.name}\n`);
  writeLabels(document, "Labels", metadata.labels);
  writeAnnotations(document, "Annotations", metadata.annotations);
  document.write(0, `Finalizers:\t[${(metadata.finalizers ?? []).join(" ")}]\n`);
  document.write(0, `StorageClass:\t${classOf(volume)}\n`);
  writeStatus(document, object, status?.phase, context.now);
  document.write(0, `Claim:\t${claim ? `${claim.namespace}/${claim.name}` : ""}\n`);
  document.write(0, `Reclaim Policy:\t${spec?.persistentVolumeReclaimPolicy ?? ""}\n`);
  document.write(0, `Access Modes:\t${modesOf(spec?.accessModes)}\n`);
  if (spec?.volumeMode) document.write(0, `VolumeMode:\t${spec.volumeMode}\n`);
  document.write(0, `Capacity:\t${amount(spec?.capacity?.["storage"])}\n`);
  writeNodeAffinity(document, spec?.nodeAffinity);
  document.write(0, `Message:\t${status?.message ?? ""}\n`);
  document.write(0, "Source:\n");
  for (const line of sourceOf(spec ?? {})) document.write(2, `${line}\n`);
  await writeEvents(object, document, context);
};

type VolumeSpec = NonNullable<PersistentVolume["spec"]>;
type Source<K extends keyof VolumeSpec> = (source: NonNullable<VolumeSpec[K]>) => readonly string[];

/** What is told of where a volume lies. */
const sources: { readonly [K in "hostPath" | "local" | "nfs" | "csi" | "fc"]: Source<K> } = {
  hostPath: ({ path, type }) => [
    "Type:\tHostPath (bare host directory volume)",
    `Path:\t${path}`,
    `HostPathType:\t${type ?? "<none>"}`,
  ],
  local: ({ path }) => ["Type:\tLocalVolume (a persistent volume backed by local storage on a node)", `Path:\t${path}`],
  nfs: ({ server, path, readOnly }) => [
    "Type:\tNFS (an NFS mount that lasts the lifetime of a pod)",
    `Server:\t${server}`,
    `Path:\t${path}`,
    `ReadOnly:\t${readOnly === true}`,
  ],
  csi: ({ driver, fsType = "", volumeHandle, readOnly, volumeAttributes }) => [
    "Type:\tCSI (a Container Storage Interface (CSI) volume source)",
    `Driver:\t${driver}`,
    `FSType:\t${fsType}`,
    `VolumeHandle:\t${volumeHandle}`,
    `ReadOnly:\t${readOnly === true}`,
    ...attributes(volumeAttributes),
  ],
  fc: ({ targetWWNs = [], lun, fsType = "", readOnly }) => [
    "Type:\tFC (a Fibre Channel disk)",
    `TargetWWNs:\t${targetWWNs.join(", ")}`,
    `LUN:\t${lun ?? "<none>"}`,
    `FSType:\t${fsType}`,
    `ReadOnly:\t${readOnly === true}`,
  ],
};

function sourceOf(spec: VolumeSpec): readonly string[] {
  const name = Object.keys(sources).find((one) => one in spec) as keyof typeof sources | undefined;
  return name ? (sources[name] as (value: unknown) => readonly string[])(spec[name]) : ["<unknown>"];
}

function attributes(values: Readonly<Record<string, string>> = {}): readonly string[] {
  const keys = Object.keys(values).sort();
  if (keys.length === 0) return ["VolumeAttributes:\t<none>"];
  return keys.map((key, index) => `${index === 0 ? "VolumeAttributes:" : ""}\t    ${key}=${values[key]}`);
}

function writeNodeAffinity(document: Document, affinity: VolumeSpec["nodeAffinity"]): void {
  const terms = affinity?.required?.nodeSelectorTerms;
  document.write(0, `Node Affinity:\t${terms ? "" : "<none>"}\n`);
  if (!terms) return;
  document.write(1, `Required Terms:\t${terms.length > 0 ? "" : "<none>"}\n`);
  for (const [index, term] of terms.entries()) writeRequirements(document, 2, `Term ${index}`, requirementsOf(term));
}

const requirementsOf = ({ matchExpressions = [] }: NodeSelectorTerm): readonly string[] =>
  matchExpressions.map(
    ({ key, operator, values = [] }) =>
      `${key} ${operator.toLowerCase()}${values.length > 0 ? ` [${values.join(", ")}]` : ""}`,
  );

function writeRequirements(document: Document, level: number, title: string, lines: readonly string[]): void {
  const [first = "<none>", ...rest] = lines;
  document.write(level, `${title}:\t${first}\n`);
  for (const line of rest) document.write(level, `\t${line}\n`);
}

const DEFAULT_CLASS = [
  "storageclass.kubernetes.io/is-default-class",
  "storageclass.beta.kubernetes.io/is-default-class",
];

export const describeStorageClass: Describer = async (object, document, context) => {
  const { metadata, provisioner, parameters, allowVolumeExpansion, mountOptions, reclaimPolicy, ...rest } =
    object as unknown as StorageClass;
  const isDefault = DEFAULT_CLASS.some((key) => metadata.annotations?.[key] === "true");
  document.write(0, `Name:\t${metadata.name}\n`);
  document.write(0, `IsDefaultClass:\t${isDefault ? "Yes" : "No"}\n`);
  document.write(0, `Annotations:\t${onOneLine(metadata.annotations)}\n`);
  document.write(0, `Provisioner:\t${provisioner}\n`);
  document.write(0, `Parameters:\t${onOneLine(parameters)}\n`);
  const expands = allowVolumeExpansion === undefined ? "<unset>" : allowVolumeExpansion ? "True" : "False";
  document.write(0, `AllowVolumeExpansion:\t${expands}\n`);
  document.write(0, `MountOptions:${mountOptions?.length ? "" : "\t<none>"}\n`);
  for (const option of mountOptions ?? []) document.write(1, `${option}\n`);
  if (reclaimPolicy) document.write(0, `ReclaimPolicy:\t${reclaimPolicy}\n`);
  if (rest.volumeBindingMode) document.write(0, `VolumeBindingMode:\t${rest.volumeBindingMode}\n`);
  writeTopologies(document, rest.allowedTopologies);
  await writeEvents(object, document, context);
};

function writeTopologies(document: Document, terms: StorageClass["allowedTopologies"]): void {
  if (!terms) return;
  document.write(0, `AllowedTopologies:\t${terms.length === 0 ? "<none>" : ""}\n`);
  for (const [index, { matchLabelExpressions = [] }] of terms.entries()) {
    const lines = matchLabelExpressions.map(({ key, values }) => `${key} in [${values.join(", ")}]`);
    writeRequirements(document, 1, `Term ${index}`, lines);
  }
}

const onOneLine = (values: Readonly<Record<string, string>> = {}): string =>
  Object.keys(values)
    .sort()
    .map((key) => `${key}=${values[key]}`)
    .join(",") || "<none>";
