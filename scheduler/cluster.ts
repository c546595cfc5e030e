/**
 * Cluster: all that plugins may look at: the nodes with their Pods, and other objects they name.
 *
 * Read only, and as old as the informers; a plugin that sees too little refuses and is asked again
 * when its happenings come (happenings.ts).
 */
import type { Lister } from "../machinery/client/informer.ts";
import type { Informers } from "../machinery/client/shared-informers.ts";
import type { Kinds } from "../machinery/objects/kinds.ts";
import type { Labels } from "../machinery/objects/selectors.ts";
import type { NodeInfo } from "./snapshot.ts";

/** What plugins look up besides Pods and nodes. */
export const LOOKED_UP = [
  "namespaces",
  "services",
  "replicationcontrollers",
  "replicasets",
  "statefulsets",
  "persistentvolumeclaims",
  "persistentvolumes",
  "storageclasses",
] as const;

export type LookedUp = (typeof LOOKED_UP)[number];
export type Listers = { readonly [K in LookedUp]: Pick<Lister<Kinds[K]>, "get" | "list"> };

export interface Cluster {
  readonly nodes: readonly NodeInfo[];
  readonly listers: Listers;
}

/** Starts informers for what is not watched yet. */
export function listersOf(informers: Informers): Listers {
  return Object.fromEntries(LOOKED_UP.map((resource) => [resource, informers.of(resource)])) as unknown as Listers;
}

/** A namespace that is not known has no labels. */
export const namespaceLabels = ({ listers }: Cluster, namespace: string | undefined): Labels | undefined =>
  listers.namespaces.get(namespace ?? "")?.metadata.labels;
