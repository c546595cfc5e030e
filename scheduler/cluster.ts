/**
 * Cluster: all that plugins may look at: the nodes with their Pods, and other objects they name.
 *
 * Read only, and as old as the informers; a plugin that sees too little refuses and is asked again
 * when its hints come (framework.ts). What would need a look at every Pod or node is counted as they
 * change: `pods` (pod-index.ts), `nodesWithImage`, `usersOf`.
 */
import type { Lister } from "../machinery/client/informer.ts";
import type { Informers } from "../machinery/client/shared-informers.ts";
import type { Kinds } from "../machinery/objects/kinds.ts";
import type { Labels } from "../machinery/objects/selectors.ts";
import type { Nominations } from "./framework.ts";
import type { PodIndex } from "./pod-index.ts";
import type { NodeInfo } from "./snapshot.ts";

/** What plugins look up besides Pods and nodes. */
export const LOOKED_UP = [
  "namespaces",
  "services",
  "replicationcontrollers",
  "replicasets",
  "statefulsets",
  "poddisruptionbudgets",
  "persistentvolumeclaims",
  "persistentvolumes",
  "storageclasses",
  "csinodes",
  "csidrivers",
  "csistoragecapacities",
  "volumeattachments",
] as const;

export type LookedUp = (typeof LOOKED_UP)[number];
export type Listers = { readonly [K in LookedUp]: Pick<Lister<Kinds[K]>, "get" | "list"> };

export interface Cluster {
  /** In an order that takes turns between zones. */
  readonly nodes: readonly NodeInfo[];
  /** The slots of these nodes, and the generations by slot: for looks at many nodes that touch none of them. */
  readonly slots: readonly number[];
  readonly generations: readonly number[];
  /** How many nodes have a taint that makes them less liked. */
  readonly dislikedNodes: number;
  node(name: string): NodeInfo | undefined;
  readonly listers: Listers;
  readonly pods: PodIndex;
  readonly nominations: Nominations;
  nodesWithImage(image: string): number;
  /** Whether any placed Pod is less important. */
  hasPodsBelow(priority: number): boolean;
  /** How many placed Pods use the claim "namespace/name". */
  usersOf(claim: string): number;
}

/** Starts informers for what is not watched yet. */
export function listersOf(informers: Informers): Listers {
  return Object.fromEntries(LOOKED_UP.map((resource) => [resource, informers.of(resource)])) as unknown as Listers;
}

/** A namespace that is not known has no labels. */
export const namespaceLabels = (
  { listers }: Pick<Cluster, "listers">,
  namespace: string | undefined,
): Labels | undefined => listers.namespaces.get(namespace ?? "")?.metadata.labels;
