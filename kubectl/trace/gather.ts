/**
 * Gather: the objects of a story and their kept versions: the one asked for, its owners, what it made.
 *
 * What an object made is found by ownerReferences, with one list of metadata a type. Objects that are
 * gone are found only through the history of those that are there.
 */
import { isNotFound } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Cluster } from "../cluster.ts";
import { apiVersionOf, type ResourceType, resourcePath, typeName, typeOfKind } from "../discovery.ts";
import type { FoundObject, ObjectRef } from "../selection.ts";
import type { Traced, Version } from "./chain.ts";

interface History {
  readonly since: string;
  readonly versions: readonly Version[];
}

export interface Story {
  readonly objects: readonly Traced[];
  /** The revision before which nothing is kept. */
  readonly since: string;
  /** Descendants that were left out because there are too many. */
  readonly omitted: number;
}

export async function gather(cluster: Cluster, found: FoundObject, most: number): Promise<Story> {
  const ancestors = await ancestorsOf(cluster, found);
  const children = await childrenByOwner(cluster, found.namespace);
  const own = descendantsOf(found, children);
  // What its ancestors made besides may have had a part in it: a rollout goes on when other Pods are ready.
  const others = descendantsOf(ancestors[0] ?? found, children).filter(
    (one) => !sameAs(one, found) && !own.includes(one),
  );
  const rows = [
    ...ancestors.map((one) => ({ ...one, asked: false })),
    { ...found, asked: true },
    ...own.slice(0, most).map((one) => ({ ...one, asked: true })),
    ...others
      .filter((one) => !ancestors.some((ancestor) => sameAs(one, ancestor)))
      .slice(0, most)
      .map((one) => ({ ...one, asked: false })),
  ];
  const histories = await Promise.all(rows.map((row) => historyOf(cluster, row)));
  const objects = rows.map((row, index) => traced(row, histories[index]!));
  const since = histories.map((history) => history.since).sort((a, b) => Number(BigInt(a) - BigInt(b)));
  return { objects, since: since.at(-1) ?? "0", omitted: Math.max(0, own.length - most) };
}

const sameAs = (one: FoundObject, other: FoundObject) => one.object.metadata.uid === other.object.metadata.uid;

/** The kept versions of an object, also of one that is gone. */
export async function historyOf(cluster: Cluster, { type, namespace, name }: ObjectRef): Promise<History> {
  const path = `/k8ts/v1/history${resourcePath(type, namespace, name)}`;
  const { since, versions } = await cluster.request<History>({ method: "GET", path });
  return { since, versions };
}

function traced({ type, name, object, asked }: FoundObject & { asked: boolean }, { versions }: History): Traced {
  const { uid = "" } = object.metadata;
  return {
    name: `${typeName(type)}/${name}`,
    uid,
    ownerUid: controllerOf(object)?.uid,
    versions: versions.filter((version) => isOf(version, uid)),
    asked,
  };
}

/** A name may have been used before by another object. */
const isOf = ({ object }: Version, uid: string) => object === undefined || object.metadata.uid === uid;

const controllerOf = ({ metadata }: Pick<KubeObject, "metadata">) =>
  metadata.ownerReferences?.find(({ controller }) => controller) ?? metadata.ownerReferences?.[0];

async function ancestorsOf(cluster: Cluster, found: FoundObject): Promise<FoundObject[]> {
  const chain: FoundObject[] = [];
  const discovery = await cluster.discovery();
  let { object, namespace } = found;
  for (let owner = controllerOf(object); owner; owner = controllerOf(object)) {
    const type = typeOfKind(discovery, owner.apiVersion, owner.kind);
    if (!type || chain.some((one) => one.object.metadata.uid === owner?.uid)) break;
    const place = type.namespaced ? namespace : undefined;
    try {
      object = await cluster.request<KubeObject>({ method: "GET", path: resourcePath(type, place, owner.name) });
    } catch (error) {
      if (isNotFound(error)) break;
      throw error;
    }
    if (object.metadata.uid !== owner.uid) break;
    chain.unshift({ type, namespace: place, name: owner.name, object });
    namespace = place;
  }
  return chain;
}

const METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json";

type ByOwner = ReadonlyMap<string, readonly FoundObject[]>;

/** What an object made, and what that made. */
export const ownedBy = async (cluster: Cluster, found: FoundObject): Promise<FoundObject[]> =>
  descendantsOf(found, await childrenByOwner(cluster, found.namespace));

/** Everything that has owners, by their uid. */
async function childrenByOwner(cluster: Cluster, namespace: string | undefined): Promise<ByOwner> {
  const { resources } = await cluster.discovery();
  const types = resources.filter(
    (type) => type.preferred && type.namespaced && type.verbs.includes("list") && type.kind !== "Event",
  );
  const lists = await Promise.all(types.map((type) => childrenCandidates(cluster, type, namespace)));
  const byOwner = new Map<string, FoundObject[]>();
  for (const one of lists.flat()) {
    for (const { uid } of one.object.metadata.ownerReferences ?? [])
      byOwner.set(uid, [...(byOwner.get(uid) ?? []), one]);
  }
  return byOwner;
}

function descendantsOf(found: FoundObject, byOwner: ByOwner): FoundObject[] {
  const all: FoundObject[] = [];
  const walk = (uid: string | undefined) => {
    for (const child of byOwner.get(uid ?? "") ?? []) {
      if (all.includes(child)) continue;
      all.push(child);
      walk(child.object.metadata.uid);
    }
  };
  walk(found.object.metadata.uid);
  return all;
}

async function childrenCandidates(
  cluster: Cluster,
  type: ResourceType,
  namespace: string | undefined,
): Promise<FoundObject[]> {
  const path = resourcePath(type, namespace);
  const list = await cluster.request<{ items?: KubeObject[] | null }>({
    method: "GET",
    path,
    headers: { accept: METADATA },
  });
  return (list.items ?? [])
    .filter(({ metadata }) => metadata.ownerReferences?.length)
    .map((item) => ({
      type,
      namespace: item.metadata.namespace,
      name: item.metadata.name ?? "",
      object: { ...item, apiVersion: apiVersionOf(type), kind: type.kind },
    }));
}
