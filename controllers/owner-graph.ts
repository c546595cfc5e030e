/**
 * Owner graph: who owns whom, over all resources, as far as the watches have told. Pure.
 *
 * It only says where to look: whether an owner is really gone, the garbage collector asks the server.
 * An owner that is named but not seen yet stands in the graph as a guess until it is seen or looked up.
 * Who names an owner by its uid, but another kind, name or namespace than it has, is looked at: it has no such owner.
 */
import type { OwnerReference, StoredMeta } from "../machinery/objects/wire.ts";
import type { DiscoveredResource } from "./discovery.ts";

/** Where an object is found. */
export interface Place {
  readonly resource: DiscoveredResource;
  readonly namespace: string | undefined;
  readonly name: string;
}

export interface GraphNode {
  readonly uid: string;
  /** Undefined for an owner that is only known by reference. */
  place: Place | undefined;
  /** For an owner known by reference: the reference, and the namespace of who named it. */
  readonly guess: { readonly reference: OwnerReference; readonly namespace: string | undefined } | undefined;
  owners: readonly OwnerReference[];
  readonly dependents: Set<GraphNode>;
  /** Being deleted in the foreground: it waits for its dependents. */
  foreground: boolean;
  /** Being deleted alone: its dependents forget it. */
  orphaning: boolean;
  deleting: boolean;
}

export const FOREGROUND = "foregroundDeletion";
export const ORPHAN = "orphan";

/** A look that the graph asks for. */
export interface Look {
  readonly work: "delete" | "orphan";
  readonly uid: string;
  /** The owner in another namespace that it names. */
  readonly elsewhere?: OwnerReference;
}

export interface OwnerGraph {
  node(uid: string): GraphNode | undefined;
  /** An object as it is now. Returns what to look at. */
  put(place: Place, metadata: StoredMeta): Look[];
  /** An object, or an owner that was only guessed, is gone. */
  remove(uid: string): Look[];
  /** True for owners that were seen to go lately: their kind may be gone, so that the server cannot be asked. */
  sawGo(uid: string): boolean;
  readonly size: number;
}

/** Owners that went whose uids are remembered. */
const REMEMBERED = 10_000;

export function createOwnerGraph(): OwnerGraph {
  const nodes = new Map<string, GraphNode>();
  /** Oldest first. */
  const went = new Set<string>();

  const attach = (node: GraphNode, references: readonly OwnerReference[]): Look[] =>
    references.flatMap((reference) => {
      const known = nodes.get(reference.uid);
      const owner = known ?? newNode(reference.uid, { reference, namespace: node.place?.namespace });
      nodes.set(reference.uid, owner);
      owner.dependents.add(node);
      // a guess may have been looked up before this one named it
      const guessed = owner.place ? [] : [{ work: "delete", uid: owner.uid } as const];
      return known ? [...guessed, ...misnamed(node, reference, known)] : guessed;
    });

  const detach = (node: GraphNode, references: readonly OwnerReference[]): Look[] =>
    references.flatMap(({ uid }) => {
      const owner = nodes.get(uid);
      owner?.dependents.delete(node);
      if (owner && !owner.place && owner.dependents.size === 0) nodes.delete(uid);
      return owner?.foreground ? [{ work: "delete", uid } as const] : [];
    });

  const put = (place: Place, metadata: StoredMeta): Look[] => {
    const { uid, ownerReferences: owners = [], finalizers = [], deletionTimestamp } = metadata;
    const node = nodes.get(uid) ?? newNode(uid);
    nodes.set(uid, node);
    const isNews = node.place === undefined;
    node.place = place;
    const before = node.owners;
    node.owners = owners;
    const looks = attach(node, without(owners, before));
    looks.push(...detach(node, without(before, owners)));
    looks.push(...unblocked(before, owners).map(({ uid: owner }) => ({ work: "delete", uid: owner }) as const));

    if (isNews)
      for (const dependent of node.dependents)
        for (const reference of dependent.owners)
          if (reference.uid === uid) looks.push(...misnamed(dependent, reference, node));

    const wasForeground = node.foreground;
    const wasOrphaning = node.orphaning;
    node.deleting = deletionTimestamp !== undefined;
    node.foreground = node.deleting && finalizers.includes(FOREGROUND);
    if (node.foreground && !wasForeground) looks.push({ work: "delete", uid }, ...looksAt(node.dependents));
    // who deletes it again may have changed what becomes of its dependents
    node.orphaning = node.deleting && finalizers.includes(ORPHAN);
    if (node.orphaning && !wasOrphaning) looks.push({ work: "orphan", uid });
    return looks;
  };

  const remove = (uid: string): Look[] => {
    const node = nodes.get(uid);
    if (!node) return [];
    nodes.delete(uid);
    const looks = detach(node, node.owners);
    looks.push(...looksAt(node.dependents));
    // dependents go on naming their owner: it stands as a guess until they are gone or changed
    if (node.dependents.size > 0) {
      went.add(uid);
      if (went.size > REMEMBERED) for (const oldest of went) if (went.delete(oldest)) break;
      const reference = [...node.dependents][0]?.owners.find((owner) => owner.uid === uid);
      const namespace = [...node.dependents][0]?.place?.namespace;
      const guess = newNode(uid, reference && { reference, namespace });
      for (const dependent of node.dependents) guess.dependents.add(dependent);
      nodes.set(uid, guess);
    }
    return looks;
  };

  return {
    node: (uid) => nodes.get(uid),
    put,
    remove,
    sawGo: (uid) => went.has(uid),
    get size() {
      return nodes.size;
    },
  };
}

function newNode(uid: string, guess?: GraphNode["guess"]): GraphNode {
  const ways = { foreground: false, orphaning: false, deleting: false };
  return { uid, place: undefined, guess, owners: [], dependents: new Set(), ...ways };
}

/** A look at the dependent where the owner is not what it names. */
function misnamed({ uid, place }: GraphNode, reference: OwnerReference, owner: GraphNode): Look[] {
  if (!place) return [];
  if (!owner.place) {
    const { guess } = owner;
    const same = guess?.namespace === place.namespace && isSameName(reference, guess?.reference);
    return same ? [] : [{ work: "delete", uid }];
  }
  const { resource, namespace, name } = owner.place;
  const elsewhere = resource.namespaced && namespace !== place.namespace;
  const other = { kind: resource.kind, name, apiVersion: resource.group === "" ? "v1" : `${resource.group}/` };
  if (!elsewhere && isSameName(reference, other)) return [];
  return [{ work: "delete", uid, ...(elsewhere ? { elsewhere: reference } : {}) }];
}

type Named = Pick<OwnerReference, "apiVersion" | "kind" | "name">;

/** In whatever version: one object is served in several. */
function isSameName(one: Named, other: Named | undefined): boolean {
  const group = ({ apiVersion }: Named) =>
    apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  return one.kind === other?.kind && one.name === other.name && group(one) === group(other);
}

const looksAt = (nodes: Iterable<GraphNode>): Look[] => [...nodes].map(({ uid }) => ({ work: "delete", uid }));

const without = (all: readonly OwnerReference[], others: readonly OwnerReference[]): OwnerReference[] =>
  all.filter(({ uid }) => !others.some((one) => one.uid === uid));

/** References that do not block their owner's deletion any more. */
const unblocked = (before: readonly OwnerReference[], after: readonly OwnerReference[]): OwnerReference[] =>
  before.filter(
    ({ uid, blockOwnerDeletion }) =>
      blockOwnerDeletion && after.some((one) => one.uid === uid && !one.blockOwnerDeletion),
  );

/** Dependents that keep an owner from going in the foreground. */
export function blocking(owner: GraphNode): GraphNode[] {
  return [...owner.dependents].filter(({ owners }) =>
    owners.some(({ uid, blockOwnerDeletion }) => uid === owner.uid && blockOwnerDeletion),
  );
}
