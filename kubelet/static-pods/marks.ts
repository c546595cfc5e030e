/**
 * Marks: the annotations by which a static Pod and its mirror in the API are told from all others.
 *
 * A static Pod comes from a file and carries its source and the hash of what the file says; its mirror carries
 * that hash too, which says of which version of the file it is.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";

export const SOURCE = "kubernetes.io/config.source";
export const HASH = "kubernetes.io/config.hash";
export const SEEN = "kubernetes.io/config.seen";
export const MIRROR = "kubernetes.io/config.mirror";

type Marked = Pick<Pod, "metadata">;

/** From a file of this node. */
export const isStatic = ({ metadata }: Marked): boolean =>
  comesFromNode(metadata.annotations) && !isMirror({ metadata });

export function comesFromNode(annotations: Readonly<Record<string, string>> | undefined): boolean {
  const source = annotations?.[SOURCE];
  return source !== undefined && source !== "api";
}

/** What the API shows of a static Pod: never run, only written to. */
export const isMirror = ({ metadata }: Marked): boolean => metadata.annotations?.[MIRROR] !== undefined;
