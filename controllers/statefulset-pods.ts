/**
 * Pods of a StatefulSet: their ordinals, names, labels and volumes. Pure.
 *
 * A name is made of the set's and an ordinal, so there are never two Pods of one ordinal. What of them is
 * made or deleted next: statefulset-plan.ts; who owns their claims: statefulset-claims.ts.
 */
import { kinds, type PersistentVolumeClaim, type Pod, type StatefulSet } from "../machinery/objects/kinds.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { REVISION_LABEL, templateOf } from "./controller-revision.ts";
import { podFromTemplate } from "./pod-from-template.ts";

const POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name";
const POD_INDEX_LABEL = "apps.kubernetes.io/pod-index";

export const replicasOf = ({ spec }: StatefulSet): number => spec?.replicas ?? 1;
export const firstOrdinal = ({ spec }: StatefulSet): number => spec?.ordinals?.start ?? 0;
export const podName = ({ metadata }: StatefulSet, ordinal: number): string => `${metadata.name}-${ordinal}`;
export const revisionOfPod = ({ metadata }: Pod): string => metadata.labels?.[REVISION_LABEL] ?? "";

/** The Pod's ordinal, undefined where its name is none of this set's. */
export function ordinalOf(
  set: StatefulSet,
  { metadata: { name } }: { metadata: { name: string } },
): number | undefined {
  const [, parent, digits] = /^(.*)-([0-9]+)$/.exec(name) ?? [];
  if (parent !== set.metadata.name || digits === undefined) return undefined;
  const ordinal = Number(digits);
  return ordinal <= MAX_INT32 ? ordinal : undefined;
}

const MAX_INT32 = 2 ** 31 - 1;

export function isInRange(set: StatefulSet, ordinal: number): boolean {
  const first = firstOrdinal(set);
  return ordinal >= first && ordinal < first + replicasOf(set);
}

type Revision = Parameters<typeof templateOf>[0];

export function draftPod(set: StatefulSet, ordinal: number, revision: Revision): Draft<Pod> {
  const name = podName(set, ordinal);
  const { metadata, spec } = podFromTemplate(templateOf(revision), set, kinds.statefulsets);
  const labels = { ...metadata.labels, ...identity(name, ordinal), [REVISION_LABEL]: revision.metadata.name };
  return {
    metadata: { ...metadata, name, labels },
    spec: {
      containers: [],
      ...spec,
      hostname: name,
      ...(set.spec?.serviceName ? { subdomain: set.spec.serviceName } : {}),
      ...withClaims(set, ordinal, spec?.volumes),
    },
  };
}

const identity = (name: string, ordinal: number) => ({ [POD_NAME_LABEL]: name, [POD_INDEX_LABEL]: String(ordinal) });

type Volumes = NonNullable<NonNullable<Pod["spec"]>["volumes"]>;

/** A volume for each claim, in the place of one of the same name, then the others. */
function withClaims(set: StatefulSet, ordinal: number, volumes: Volumes = []): { volumes?: Volumes } {
  const claims = claimNames(set, ordinal).map(({ volume, claimName }) => ({
    name: volume,
    persistentVolumeClaim: { claimName },
  }));
  const others = volumes.filter(({ name }) => !claims.some((claim) => claim.name === name));
  return claims.length + others.length > 0 ? { volumes: [...claims, ...others] } : {};
}

/** The Pod as it should be where its labels or volumes are not those of its ordinal. */
export function repaired(set: StatefulSet, pod: Pod, ordinal: number): Pod | undefined {
  const named = pod.metadata.labels?.[POD_NAME_LABEL] === pod.metadata.name;
  if (named && hasClaims(set, pod, ordinal)) return undefined;
  const labels = { ...pod.metadata.labels, ...identity(pod.metadata.name, ordinal) };
  const spec = { ...pod.spec!, ...withClaims(set, ordinal, pod.spec?.volumes) };
  return { ...pod, metadata: { ...pod.metadata, labels }, spec };
}

function hasClaims(set: StatefulSet, { spec }: Pod, ordinal: number): boolean {
  return claimNames(set, ordinal).every(({ volume, claimName }) =>
    spec?.volumes?.some((one) => one.name === volume && one.persistentVolumeClaim?.claimName === claimName),
  );
}

/** The claims of an ordinal: the volume's name, and the claim's. */
export function claimNames(set: StatefulSet, ordinal: number): { volume: string; claimName: string }[] {
  return (set.spec?.volumeClaimTemplates ?? []).map(({ metadata }) => {
    const volume = metadata?.name ?? "";
    return { volume, claimName: `${volume}-${podName(set, ordinal)}` };
  });
}

/** The claims of an ordinal, as they are made. */
export function draftClaims(set: StatefulSet, ordinal: number): Draft<PersistentVolumeClaim>[] {
  const { namespace } = set.metadata;
  return (set.spec?.volumeClaimTemplates ?? []).map(({ metadata, spec }) => ({
    metadata: {
      ...metadata,
      name: `${metadata?.name ?? ""}-${podName(set, ordinal)}`,
      ...(namespace ? { namespace } : {}),
      labels: { ...metadata?.labels, ...set.spec?.selector.matchLabels },
    },
    ...(spec ? { spec } : {}),
  }));
}
