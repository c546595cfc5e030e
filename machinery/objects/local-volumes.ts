/**
 * Local volumes: what the provisioner of local volumes and the nodes say to each other.
 *
 * A node tells in an annotation of its own where it keeps volumes. When a volume is to go, the
 * provisioner puts an annotation with the volume's name on the node, the node removes the data and
 * answers there; until then a finalizer keeps the volume. So a node needs no right over volumes.
 * Who asks: controllers/local-path-removal.ts; who answers: kubelet/volumes/local-volumes.ts.
 */
import type { Node } from "./kinds.ts";

export const LOCAL_PROVISIONER = "k8ts.io/local-path";

/** On a volume, until its data is gone. */
export const LOCAL_FINALIZER = "k8ts.io/local-path";

/** On a volume: the node that has its data. */
export const ON_NODE = "k8ts.io/local-path-node";

/** On a node: the directory under which its volumes lie. */
export const DIRECTORY = "k8ts.io/local-path-directory";

const REMOVAL = "remove.local-path.k8ts.io/";

export type Removal = "wanted" | "done" | `failed: ${string}`;

export const removalKey = (volume: string): string => `${REMOVAL}${volume}`;

/** The removals that a node is asked for or has answered, by the volumes' names. */
export function removals({ metadata }: Pick<Node, "metadata">): ReadonlyMap<string, Removal> {
  const found = new Map<string, Removal>();
  for (const [key, value] of Object.entries(metadata.annotations ?? {}))
    if (key.startsWith(REMOVAL)) found.set(key.slice(REMOVAL.length), value as Removal);
  return found;
}

/** Only such names are ever made or removed under a node's directory. */
export const isVolumeName = (name: string): boolean => /^pvc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name);
