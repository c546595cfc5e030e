/**
 * All containers of a Pod with their paths: for rules that ask the same of every one of them.
 */
import type { Container, PodSpec } from "../../machinery/objects/kinds.ts";
import { type At, child, item } from "./path.ts";

/** Init containers come first, as in Kubernetes' own walk. */
export function* eachContainer(spec: PodSpec, path: At): Generator<readonly [Container, At]> {
  for (const list of ["initContainers", "containers", "ephemeralContainers"] as const) {
    const containers = (spec[list] ?? []) as readonly Container[];
    for (let index = 0; index < containers.length; index++) {
      yield [containers[index]!, item(child(path, list), index)];
    }
  }
}
