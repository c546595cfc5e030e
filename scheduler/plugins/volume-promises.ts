/**
 * Volume promises: volumes and nodes that were promised to claims of Pods on their way to a node.
 *
 * Several Pods may share a claim: a promise holds until the last of them has given it back. By then the
 * API shows what became of it.
 */
import type { Binding, Promises, VolumePlan } from "./volume-plan.ts";
import { claimKey } from "./volume-plan.ts";

export interface VolumePromises extends Promises {
  /** Returns what gives the promises back. */
  promise(plan: VolumePlan, node: string): () => void;
}

interface Held {
  readonly to: string;
  holders: number;
}

export function createVolumePromises(): VolumePromises {
  const volumes = new Map<string, Held>();
  const nodes = new Map<string, Held>();

  return {
    claimOf: (volume) => volumes.get(volume)?.to,
    nodeOf: (claim) => nodes.get(claim)?.to,
    promise({ bind, make }, node) {
      const given = [
        ...bind.map(({ volume, claim }: Binding) => hold(volumes, volume.metadata.name, claimKey(claim))),
        ...make.map((claim) => hold(nodes, claimKey(claim), node)),
      ];
      return () => {
        for (const giveBack of given.splice(0)) giveBack();
      };
    },
  };
}

function hold(held: Map<string, Held>, key: string, to: string): () => void {
  const entry = held.get(key) ?? { to, holders: 0 };
  entry.holders++;
  held.set(key, entry);
  return () => {
    if (--entry.holders === 0) held.delete(key);
  };
}
