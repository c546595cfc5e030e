/**
 * Pod references: what a Pod's spec names in its namespace, so that its node may read it.
 *
 * Pure. Who asks is node-authorizer.ts; a mirror Pod may not refer to anything: admission/node-restriction.ts.
 */
import type { PersistentVolume, Pod, Volume } from "../../machinery/objects/kinds.ts";

export const MIRROR = "kubernetes.io/config.mirror";

type Container = Pick<NonNullable<Pod["spec"]>["containers"][number], "env" | "envFrom">;

export const accountOf = ({ spec }: Pod): string => spec?.serviceAccountName || "default";

export function* configMapsOf(pod: Pod): Generator<string | undefined> {
  for (const { configMap, projected } of pod.spec?.volumes ?? []) {
    yield configMap?.name;
    for (const source of projected?.sources ?? []) yield source.configMap?.name;
  }
  for (const { env, envFrom } of containersOf(pod)) {
    for (const source of envFrom ?? []) yield source.configMapRef?.name;
    for (const { valueFrom } of env ?? []) yield valueFrom?.configMapKeyRef?.name;
  }
}

export function* secretsOf(pod: Pod): Generator<string | undefined> {
  for (const { name } of pod.spec?.imagePullSecrets ?? []) yield name;
  for (const volume of pod.spec?.volumes ?? []) {
    for (const read of volumeSecrets) yield read(volume);
    for (const source of volume.projected?.sources ?? []) yield source.secret?.name;
  }
  for (const { env, envFrom } of containersOf(pod)) {
    for (const source of envFrom ?? []) yield source.secretRef?.name;
    for (const { valueFrom } of env ?? []) yield valueFrom?.secretKeyRef?.name;
  }
}

const volumeSecrets: readonly ((volume: Volume) => string | undefined)[] = [
  ({ secret }) => secret?.secretName,
  ({ azureFile }) => azureFile?.secretName,
  ({ cephfs }) => cephfs?.secretRef?.name,
  ({ cinder }) => cinder?.secretRef?.name,
  ({ flexVolume }) => flexVolume?.secretRef?.name,
  ({ rbd }) => rbd?.secretRef?.name,
  ({ scaleIO }) => scaleIO?.secretRef?.name,
  ({ iscsi }) => iscsi?.secretRef?.name,
  ({ storageos }) => storageos?.secretRef?.name,
  ({ csi }) => csi?.nodePublishSecretRef?.name,
];

/** An ephemeral volume's claim is called after its Pod. */
export function* claimsOf({ metadata, spec }: Pod): Generator<string | undefined> {
  for (const { name, persistentVolumeClaim, ephemeral } of spec?.volumes ?? []) {
    yield persistentVolumeClaim?.claimName;
    if (ephemeral) yield `${metadata.name}-${name}`;
  }
}

/** Secrets that mounting a volume needs; those without a namespace of their own are in the claim's. */
export function* volumeSecretsOf({ spec }: PersistentVolume): Generator<{ namespace: string; name: string }> {
  const home = spec?.claimRef?.namespace ?? "";
  const csi = spec?.csi;
  const given = [
    csi?.nodePublishSecretRef,
    csi?.nodeStageSecretRef,
    csi?.nodeExpandSecretRef,
    spec?.cephfs?.secretRef,
    spec?.cinder?.secretRef,
    spec?.flexVolume?.secretRef,
    spec?.rbd?.secretRef,
    spec?.scaleIO?.secretRef,
    spec?.iscsi?.secretRef,
  ];
  for (const ref of given) if (ref?.name) yield { namespace: ref.namespace ?? home, name: ref.name };
  const azure = spec?.azureFile;
  if (azure) yield { namespace: azure.secretNamespace ?? home, name: azure.secretName };
}

export const isMirror = ({ metadata }: Pick<Pod, "metadata">): boolean => metadata.annotations?.[MIRROR] !== undefined;

function containersOf({ spec }: Pod): readonly Container[] {
  return [...(spec?.containers ?? []), ...(spec?.initContainers ?? []), ...(spec?.ephemeralContainers ?? [])];
}
