/**
 * Node index: the versions of a resource by the node that their spec names, for what each of thousands of nodes reads.
 *
 * Made when it is first asked for, with one look at every version, and then kept up to date. Who watches by node is
 * found in watchers.ts.
 */
import type { Version } from "./version.ts";

export interface NodeIndex {
  /** In the order of their keys. */
  on(nodeName: string): Version[];
  changed(current: Version | undefined, previous: Version | undefined): void;
  /** Everything is another. */
  reset(): void;
}

export function createNodeIndex(versions: () => Iterable<Version>): NodeIndex {
  let nodes: Map<string, Map<string, Version>> | undefined;

  const enter = (index: Map<string, Map<string, Version>>, version: Version): void => {
    const { nodeName, key } = version;
    if (!nodeName) return;
    const there = index.get(nodeName);
    if (there) there.set(key, version);
    else index.set(nodeName, new Map([[key, version]]));
  };

  const built = (): Map<string, Map<string, Version>> => {
    const index = new Map<string, Map<string, Version>>();
    for (const version of versions()) enter(index, version);
    return index;
  };

  return {
    on(nodeName) {
      nodes ??= built();
      return [...(nodes.get(nodeName)?.values() ?? [])].sort((a, b) => (a.key < b.key ? -1 : 1));
    },
    changed(current, previous) {
      if (!nodes) return;
      const before = previous?.nodeName;
      if (before && before !== current?.nodeName) {
        const there = nodes.get(before);
        there?.delete((previous as Version).key);
        if (there?.size === 0) nodes.delete(before);
      }
      if (current) enter(nodes, current);
    },
    reset() {
      nodes = undefined;
    },
  };
}
