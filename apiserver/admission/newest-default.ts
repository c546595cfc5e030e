/**
 * Newest default: the class that stands for those who name none: of several that are marked, the newest.
 *
 * Looked for again only when a class has changed.
 */
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { CachedObjects } from "../auth/contract.ts";

/** `annotations`: any of them set to "true" marks a default. */
export function newestDefault(resource: string, annotations: readonly string[]) {
  let known:
    | { readonly objects: CachedObjects; readonly generation: number; readonly name: string | undefined }
    | undefined;
  const isMarked = ({ metadata }: StoredObject) => annotations.some((key) => metadata.annotations?.[key] === "true");
  return (objects: CachedObjects): string | undefined => {
    const generation = objects.generation(resource);
    if (known?.objects === objects && known.generation === generation) return known.name;
    const [first] = [...objects.list(resource)].filter(isMarked).sort(newestFirst);
    known = { objects, generation, name: first?.metadata.name };
    return known.name;
  };
}

function newestFirst(a: StoredObject, b: StoredObject): number {
  const [first, second] = [String(a.metadata.creationTimestamp), String(b.metadata.creationTimestamp)];
  if (first !== second) return first < second ? 1 : -1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}
