/**
 * Controller revisions: the templates that a StatefulSet or DaemonSet has had, each kept as an object.
 *
 * What a revision keeps never changes; going back to a former template gives its revision the newest number.
 * A revision's name is a hash of its template, so none is made twice however far the cache lags. Pods say by a
 * label of which revision they are; `kubectl rollout history` and `undo` read what is kept here.
 */
import type { Client } from "../machinery/client/client.ts";
import { type Change, keyOf, type Lister } from "../machinery/client/informer.ts";
import { type ControllerRevision, kinds, type PodTemplateSpec } from "../machinery/objects/kinds.ts";
import { controllerOf, isControlledBy, ownerReferenceTo } from "../machinery/objects/owners.ts";
import { fromLabelSelector } from "../machinery/objects/selectors.ts";
import { isAlreadyExists, isNotFound } from "../machinery/objects/status.ts";
import type { Draft, LabelSelector, StoredMeta } from "../machinery/objects/wire.ts";
import { sameJson } from "./canonical-json.ts";
import { claim, claimable } from "./claim.ts";
import { templateHash } from "./deployment-revision.ts";
import { selects } from "./owners-concerned.ts";
import { isTerminatingNamespace } from "./replicaset.ts";

/** On Pods: of which revision they are. */
export const REVISION_LABEL = "controller-revision-hash";

/** An object whose templates are kept. */
export interface Revised {
  readonly metadata: StoredMeta;
  readonly spec?: {
    readonly template?: PodTemplateSpec;
    readonly selector?: LabelSelector;
    readonly revisionHistoryLimit?: number;
  };
  readonly status?: { readonly collisionCount?: number };
}

export interface RevisedKind {
  readonly resource: "statefulsets" | "daemonsets";
  /** On revisions: the hash that their name ends with. */
  readonly hashLabel: string;
}

interface Context {
  readonly client: Client;
  readonly controllerrevisions: Lister<ControllerRevision>;
}

/** The revision of the present template, and the number of names that were found taken. */
export interface Revision {
  readonly revision: ControllerRevision;
  readonly collisionCount: number;
}

/** The owner's revisions, oldest first; orphans that it selects become its own. */
export async function ownRevisions(
  { resource }: RevisedKind,
  owner: Revised,
  { client, controllerrevisions }: Context,
): Promise<ControllerRevision[]> {
  const own = await claim({
    client,
    ownerResource: resource,
    owner,
    selector: fromLabelSelector(owner.spec?.selector),
    resource: "controllerrevisions",
    candidates: claimable(owner, controllerrevisions),
  });
  return own.sort(byRevision);
}

/**
 * The revision of the owner's present template, with the newest number; made where there is none.
 * Undefined in a namespace that is going away, where none can be made.
 */
export async function presentRevision(
  kind: RevisedKind,
  owner: Revised,
  revisions: readonly ControllerRevision[],
  { client }: Context,
): Promise<Revision | undefined> {
  const collisionCount = owner.status?.collisionCount ?? 0;
  const present = equalRevisions(owner, revisions).at(-1);
  const number = 1 + newest(revisions.filter((one) => !isOf(one, owner)));
  if (!present) return create(kind, owner, number, collisionCount, client);
  if (present.revision >= number) return { revision: present, collisionCount };
  return {
    revision: await client.update("controllerrevisions", { ...present, revision: number }),
    collisionCount,
  };
}

/** Several only where a name was taken once and is free again. */
export const equalRevisions = (owner: Revised, revisions: readonly ControllerRevision[]): ControllerRevision[] =>
  revisions.filter((one) => isOf(one, owner));

async function create(
  kind: RevisedKind,
  owner: Revised,
  number: number,
  collisions: number,
  client: Client,
): Promise<Revision | undefined> {
  const draft = draftRevision(kind, owner, number, collisions);
  const { namespace, name } = draft.metadata;
  try {
    return { revision: await client.create("controllerrevisions", draft), collisionCount: collisions };
  } catch (error) {
    if (isTerminatingNamespace(error)) return undefined;
    if (!isAlreadyExists(error)) throw error;
    const there = await client.get("controllerrevisions", { namespace, name: name! });
    if (isControlledBy(there, owner) && isOf(there, owner)) return { revision: there, collisionCount: collisions };
    if (collisions >= MAX_COLLISIONS) throw error;
    return create(kind, owner, number, collisions + 1, client);
  }
}

/** Names tried before giving up. */
const MAX_COLLISIONS = 1000;

/** Deletes what the history limit does not keep of `old`, oldest first; `isLive` says what Pods still need. */
export async function truncateHistory(
  { spec }: Revised,
  old: readonly ControllerRevision[],
  isLive: (revision: ControllerRevision) => boolean,
  client: Client,
): Promise<void> {
  const limit = spec?.revisionHistoryLimit ?? 10;
  if (limit < 0 || old.length <= limit) return;
  const surplus = old.filter((revision) => !isLive(revision)).slice(0, old.length - limit);
  for (const { metadata } of surplus) {
    const { namespace, name, uid } = metadata;
    try {
      await client.delete("controllerrevisions", { namespace, name }, { preconditions: { uid } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

/** Owners that a revision's change concerns: one whose revision went, or who may adopt an orphan. */
export function ownersOfRevision(
  { object, type }: Change<ControllerRevision>,
  kind: RevisedKind,
  owners: Lister<Revised>,
): string[] {
  const { namespace } = object.metadata;
  const owner = controllerOf(object);
  if (owner)
    return type === "deleted" && owner.kind === kinds[kind.resource].kind ? [`${namespace}/${owner.name}`] : [];
  if (type === "deleted") return [];
  return owners
    .list(namespace)
    .filter((one) => selects(one, object))
    .map(keyOf);
}

/** What is kept is a strategic merge patch that puts the template back. */
function draftRevision(
  { resource, hashLabel }: RevisedKind,
  { metadata, spec }: Revised,
  revision: number,
  collisions: number,
): Draft<ControllerRevision> {
  const { name, namespace, annotations } = metadata;
  const hash = templateHash(spec?.template, collisions);
  return {
    metadata: {
      name: `${name.slice(0, MAX_PREFIX)}-${hash}`,
      ...(namespace ? { namespace } : {}),
      labels: { ...spec?.template?.metadata?.labels, [hashLabel]: hash },
      ...(annotations ? { annotations } : {}),
      ownerReferences: [ownerReferenceTo({ metadata }, kinds[resource])],
    },
    data: { spec: { template: { ...spec?.template, $patch: "replace" } } },
    revision,
  };
}

const MAX_PREFIX = 223;

/** The template that a revision keeps. */
export function templateOf({ data }: ControllerRevision): PodTemplateSpec {
  const { $patch: _how, ...template } = (data as Kept | undefined)?.spec?.template ?? {};
  return template;
}

interface Kept {
  readonly spec?: { readonly template?: PodTemplateSpec & { readonly $patch?: string } };
}

const isOf = (revision: ControllerRevision, { spec }: Revised): boolean =>
  sameJson(templateOf(revision), spec?.template ?? {});

const newest = (revisions: readonly ControllerRevision[]): number =>
  Math.max(0, ...revisions.map(({ revision }) => revision));

function byRevision(a: ControllerRevision, b: ControllerRevision): number {
  const text = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);
  return (
    a.revision - b.revision ||
    text(a.metadata.creationTimestamp, b.metadata.creationTimestamp) ||
    text(a.metadata.name, b.metadata.name)
  );
}
