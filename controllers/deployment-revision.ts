/**
 * Revisions of a Deployment: which ReplicaSet is the new one, how it is named and annotated. Pure.
 *
 * The ReplicaSet's name is a hash of the template, so creating it twice is impossible however far
 * the cache lags. `kubectl rollout undo` reads the annotations written here.
 */
import { type Deployment, kinds, type PodTemplateSpec, type ReplicaSet } from "../machinery/objects/kinds.ts";
import { ownerReferenceTo } from "../machinery/objects/owners.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { canonicalJson } from "./canonical-json.ts";

export const HASH_LABEL = "pod-template-hash";
export const REVISION = "deployment.kubernetes.io/revision";
const REVISION_HISTORY = "deployment.kubernetes.io/revision-history";
const DESIRED = "deployment.kubernetes.io/desired-replicas";
const MAX = "deployment.kubernetes.io/max-replicas";

/** Annotations of a Deployment that its ReplicaSets do not get. */
const OWN_ANNOTATIONS: ReadonlySet<string> = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  REVISION,
  REVISION_HISTORY,
  DESIRED,
  MAX,
  "deprecated.deployment.rollback.to",
]);

export const isOwnAnnotation = (name: string): boolean => OWN_ANNOTATIONS.has(name);

const HISTORY_CHARS = 2000;

/** The ReplicaSet that runs the Deployment's present template; the oldest, where there are several. */
export function findNew(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const wanted = templateText(deployment.spec?.template);
  return [...sets].sort(byAge).find(({ spec }) => templateText(spec?.template) === wanted);
}

export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const [one, other] = [a.metadata.creationTimestamp, b.metadata.creationTimestamp];
  return one === other ? compareText(a.metadata.name, b.metadata.name) : compareText(one, other);
}

const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** A template as text, without the label that ReplicaSets add. */
export function templateText(template: PodTemplateSpec | undefined): string {
  const { [HASH_LABEL]: _hash, ...labels } = template?.metadata?.labels ?? {};
  const { creationTimestamp: _time, ...metadata } = template?.metadata ?? {};
  return canonicalJson({ ...template, metadata: { ...metadata, labels } });
}

const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

/** A short name for a template; another one for each collision. */
export function templateHash(template: PodTemplateSpec | undefined, collisions = 0): string {
  const text = collisions > 0 ? `${templateText(template)}#${collisions}` : templateText(template);
  const digits = String(fnv32a(Buffer.from(text)));
  return [...digits].map((digit) => ALPHABET[digit.charCodeAt(0) % ALPHABET.length]).join("");
}

function fnv32a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

export function revisionOf({
  metadata,
}: {
  readonly metadata: { readonly annotations?: Record<string, string> };
}): number {
  return Number(metadata.annotations?.[REVISION] ?? 0) || 0;
}

/** The ReplicaSet to create for the Deployment's template. */
export function draftSet(
  deployment: Deployment,
  replicas: number,
  annotations: Record<string, string>,
): Draft<ReplicaSet> {
  const { name, namespace } = deployment.metadata;
  const { template, selector, minReadySeconds } = deployment.spec!;
  const hash = templateHash(template, deployment.status?.collisionCount);
  const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash };
  return {
    metadata: {
      name: `${name}-${hash}`,
      ...(namespace ? { namespace } : {}),
      labels,
      annotations,
      ownerReferences: [ownerReferenceTo(deployment, kinds.deployments)],
    },
    spec: {
      replicas,
      ...(minReadySeconds ? { minReadySeconds } : {}),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

/** The annotations that the new ReplicaSet should have: the Deployment's own, its revision, its former ones. */
export function annotationsOf(
  deployment: Deployment,
  set: ReplicaSet | undefined,
  revision: number,
): Record<string, string> {
  const copied = Object.entries(deployment.metadata.annotations ?? {}).filter(([name]) => !OWN_ANNOTATIONS.has(name));
  const next: Record<string, string> = { ...set?.metadata.annotations, ...Object.fromEntries(copied) };
  const former = next[REVISION];
  if (Number(former ?? 0) >= revision) return next;
  next[REVISION] = String(revision);
  if (former !== undefined) next[REVISION_HISTORY] = withFormer(next[REVISION_HISTORY], former);
  return next;
}

function withFormer(history: string | undefined, revision: string): string {
  const list = history ? [...history.split(","), revision] : [revision];
  while (list.length > 1 && list.join(",").length > HISTORY_CHARS) list.shift();
  return list.join(",");
}

/** What the Deployment wanted when the set was last scaled: by this a later change of scale is noticed. */
export function replicaAnnotations(desired: number, max: number): Record<string, string> {
  return { [DESIRED]: String(desired), [MAX]: String(max) };
}

export const desiredOf = (set: ReplicaSet): number | undefined => numeric(set.metadata.annotations?.[DESIRED]);
export const maxOf = (set: ReplicaSet): number | undefined => numeric(set.metadata.annotations?.[MAX]);

function numeric(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}

/** Old sets that the history limit lets go, oldest revision first. */
export function surplusSets(deployment: Deployment, old: readonly ReplicaSet[]): readonly ReplicaSet[] {
  const limit = deployment.spec?.revisionHistoryLimit ?? 10;
  const alive = old.filter(({ metadata }) => !metadata.deletionTimestamp);
  return alive
    .sort((a, b) => revisionOf(a) - revisionOf(b) || byAge(a, b))
    .slice(0, Math.max(0, alive.length - limit))
    .filter(isSpent);
}

function isSpent({ spec, status, metadata }: ReplicaSet): boolean {
  const observed = (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
  return spec?.replicas === 0 && (status?.replicas ?? 0) === 0 && observed;
}
