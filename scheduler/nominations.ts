/**
 * Nominations: for which Pods room is being made on which node, before they have one.
 *
 * They count there for Pods that are no more important (decide.ts); whoever keeps what was said of a node hears of each
 * change. A Pod keeps one nomination; it ends when
 * the Pod is given a node, is nominated elsewhere, or goes.
 */
import type { Nominations } from "./framework.ts";
import type { PodInfo } from "./pod-info.ts";

export interface NominationBook extends Nominations {
  readonly size: number;
  nominate(info: PodInfo, node: string): void;
  remove(uid: string): void;
}

const NOBODY: readonly PodInfo[] = [];

export function createNominations(changed: (node: string) => void = () => {}): NominationBook {
  const nodes = new Map<string, string>();
  const byNode = new Map<string, PodInfo[]>();

  function remove(uid: string): void {
    const node = nodes.get(uid);
    if (node === undefined) return;
    nodes.delete(uid);
    const left = (byNode.get(node) ?? []).filter(({ pod }) => pod.metadata.uid !== uid);
    if (left.length > 0) byNode.set(node, left);
    else byNode.delete(node);
    changed(node);
  }

  return {
    get size() {
      return nodes.size;
    },
    on: (node) => byNode.get(node) ?? NOBODY,
    of: (uid) => nodes.get(uid),
    nominate(info, node) {
      const { uid } = info.pod.metadata;
      remove(uid);
      nodes.set(uid, node);
      byNode.set(node, [...(byNode.get(node) ?? []), info]);
      changed(node);
    },
    remove,
  };
}
