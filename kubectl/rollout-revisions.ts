/**
 * Revisions of a rollout: the former templates of a Deployment, StatefulSet or DaemonSet, and the way back to one.
 *
 * A Deployment's are the ReplicaSets that it controls, numbered by an annotation; those of the other two are
 * ControllerRevisions, which keep a patch that puts the template back.
 */
import type { ControllerRevision, Deployment, PodTemplateSpec, ReplicaSet } from "../machinery/objects/kinds.ts";
import type { KubeObject } from "../machinery/objects/wire.ts";
import type { Cluster } from "./cluster.ts";
import { resolveType } from "./discovery.ts";
import { CommandError } from "./errors.ts";
import { equal } from "./merge/values.ts";
import { podSelector } from "./pods.ts";
import { type FoundObject, listAll } from "./selection.ts";

const REVISION = "deployment.kubernetes.io/revision";
const HASH_LABEL = "pod-template-hash";

export interface Revision {
  readonly number: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly template: PodTemplateSpec;
  /** What a PATCH has to send to go back to it. */
  readonly back: { readonly contentType: string; readonly body: unknown };
}

/** Oldest first. */
export async function revisionsOf(cluster: Cluster, found: FoundObject): Promise<Revision[]> {
  const { object, type: of } = found;
  const source = SOURCES[object.kind];
  if (!source) {
    const kind = of.group ? `${object.kind}.${of.group}` : object.kind;
    throw new CommandError(`no history viewer has been implemented for ${JSON.stringify(kind)}`);
  }
  const type = resolveType(await cluster.discovery(), source.resource);
  const all = await listAll(cluster, type, found.namespace, { selector: podSelector(found) });
  return all
    .map(({ object }) => object)
    .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === found.object.metadata.uid))
    .map((object) => source.read(object, found.object))
    .filter(({ number }) => number > 0)
    .sort((a, b) => a.number - b.number);
}

/** The revision asked for, or with 0 the one before the last. */
export function chosenRevision(revisions: readonly Revision[], asked: number, { name, object }: FoundObject): Revision {
  const target = asked > 0 ? revisions.find(({ number }) => number === asked) : revisions.at(-2);
  if (target) return target;
  if (asked > 0) throw new CommandError(`unable to find specified revision ${asked} in history`);
  if (object.kind !== "Deployment") throw new CommandError("no last revision to roll back to");
  throw new CommandError(`no rollout history found for deployment ${JSON.stringify(name)}`);
}

/** Whether the object runs the revision's template already. */
export function runs(object: KubeObject, { template }: Revision): boolean {
  const { spec } = object as unknown as Deployment;
  return equal(withoutHash(template), withoutHash((spec?.template ?? {}) as PodTemplateSpec));
}

interface Source {
  readonly resource: string;
  read(kept: KubeObject, owner: KubeObject): Revision;
}

const fromControllerRevisions: Source = {
  resource: "controllerrevisions.apps",
  read(kept) {
    const { metadata, revision, data } = kept as unknown as ControllerRevision;
    const { $patch: _how, ...template } = (data as Kept | undefined)?.spec?.template ?? {};
    return {
      number: revision,
      annotations: metadata.annotations ?? {},
      template,
      back: { contentType: "application/strategic-merge-patch+json", body: data },
    };
  },
};

interface Kept {
  readonly spec?: { readonly template?: PodTemplateSpec & { readonly $patch?: string } };
}

const fromReplicaSets: Source = {
  resource: "replicasets.apps",
  read(kept, owner) {
    const set = kept as unknown as ReplicaSet;
    const annotations = set.metadata.annotations ?? {};
    const template = set.spec?.template as PodTemplateSpec;
    const body = [
      { op: "replace", path: "/spec/template", value: withoutHash(template) },
      { op: "replace", path: "/metadata/annotations", value: annotationsFor(owner, annotations) },
    ];
    return {
      number: Number(annotations[REVISION] ?? 0),
      annotations,
      template,
      back: { contentType: "application/json-patch+json", body },
    };
  },
};

const SOURCES: Readonly<Record<string, Source>> = {
  Deployment: fromReplicaSets,
  StatefulSet: fromControllerRevisions,
  DaemonSet: fromControllerRevisions,
};

function withoutHash(template: PodTemplateSpec): PodTemplateSpec {
  const { [HASH_LABEL]: _, ...labels } = template.metadata?.labels ?? {};
  return { ...template, metadata: { ...template.metadata, labels } };
}

/** Annotations that belong to the Deployment itself and not to a revision. */
const OWN = [
  "kubectl.kubernetes.io/last-applied-configuration",
  REVISION,
  "deployment.kubernetes.io/revision-history",
  "deployment.kubernetes.io/desired-replicas",
  "deployment.kubernetes.io/max-replicas",
  "deprecated.deployment.rollback.to",
];

function annotationsFor({ metadata }: KubeObject, kept: Readonly<Record<string, string>>): Record<string, string> {
  const own = Object.entries(metadata.annotations ?? {}).filter(([key]) => OWN.includes(key));
  const taken = Object.entries(kept).filter(([key]) => !OWN.includes(key));
  return Object.fromEntries([...own, ...taken]);
}
