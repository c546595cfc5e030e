/**
 * Cluster sets: which addresses the selectors and named ports of rules mean, over all Pods of the cluster.
 *
 * A set is worked out when it is first asked for, and kept up to date Pod by Pod from then on: in a large
 * cluster Pods come and go all the time, and going through all of them for each would keep a core busy. While
 * a set does not change it is the very same object. Does no I/O: see cluster-pods.ts.
 */
import { familyOf, type IpFamily } from "../../machinery/objects/ip.ts";
import { type Labels, matches } from "../../machinery/objects/selectors.ts";
import type { SetWish } from "./conditions.ts";
import { type PolicyPod, sameForPolicies } from "./policy-pod.ts";

/** Address, or address and port, ► "". */
export type Elements = ReadonlyMap<string, string>;

export interface ClusterSets {
  /** False when policies see no difference. */
  setPod(key: string, pod: PolicyPod | undefined): boolean;
  setNamespace(name: string, labels: Labels | undefined): boolean;
  pod(key: string): PolicyPod | undefined;
  /** Pods of this node. */
  own(): readonly PolicyPod[];
  elements(name: string, wish: SetWish, family: IpFamily): Elements;
  /** Forgets sets that were not asked for since the last time. */
  forgetUnused(): void;
}

interface Kept {
  readonly wish: SetWish;
  readonly byPod: Map<string, Keys>;
  readonly maps: Map<IpFamily, Elements>;
  used: boolean;
}

type Keys = readonly { readonly family: IpFamily; readonly key: string }[];

export function createClusterSets(nodeName: string): ClusterSets {
  const pods = new Map<string, PolicyPod>();
  const namespaces = new Map<string, Labels>();
  const sets = new Map<string, Kept>();

  const update = (kept: Kept, key: string, pod: PolicyPod | undefined) => {
    const before = kept.byPod.get(key) ?? [];
    const after = pod && isMeant(kept.wish, pod, namespaces) ? keysOf(kept.wish, pod) : [];
    const same = before.length === after.length && before.every(({ key: one }, index) => one === after[index]?.key);
    if (same) return;
    kept.maps.clear();
    if (after.length) kept.byPod.set(key, after);
    else kept.byPod.delete(key);
  };

  const keep = (wish: SetWish): Kept => {
    const kept: Kept = { wish, byPod: new Map(), maps: new Map(), used: true };
    for (const [key, pod] of pods) update(kept, key, pod);
    return kept;
  };

  return {
    setPod(key, pod) {
      if (sameForPolicies(pods.get(key), pod)) return false;
      if (pod) pods.set(key, pod);
      else pods.delete(key);
      for (const kept of sets.values()) update(kept, key, pod);
      return true;
    },
    setNamespace(name, labels) {
      if (JSON.stringify(namespaces.get(name)) === JSON.stringify(labels)) return false;
      if (labels) namespaces.set(name, labels);
      else namespaces.delete(name);
      for (const [set, { wish }] of sets)
        if (wish.kind === "peers" && typeof wish.namespaces !== "string") sets.delete(set);
      return true;
    },
    pod: (key) => pods.get(key),
    own: () => [...pods.values()].filter((pod) => pod.nodeName === nodeName),
    elements(name, wish, family) {
      const kept = sets.get(name) ?? keep(wish);
      sets.set(name, kept);
      kept.used = true;
      const elements = kept.maps.get(family) ?? elementsOf([...kept.byPod.values()].flat(), family);
      kept.maps.set(family, elements);
      return elements;
    },
    forgetUnused() {
      for (const [name, kept] of sets) {
        if (!kept.used) sets.delete(name);
        kept.used = false;
      }
    },
  };
}

function isMeant(wish: SetWish, pod: PolicyPod, labelsOf: ReadonlyMap<string, Labels>): boolean {
  if (wish.kind === "ports") return true;
  if (typeof wish.namespaces === "string") return pod.namespace === wish.namespaces && matches(wish.pods, pod.labels);
  const labels = labelsOf.get(pod.namespace);
  return labels !== undefined && matches(wish.namespaces, labels) && matches(wish.pods, pod.labels);
}

/** What a Pod puts into a set that means it. */
export function keysOf(wish: SetWish, { addresses, ports }: PolicyPod): Keys {
  return addresses.flatMap((address) => {
    const family = familyOf(address);
    if (!family) return [];
    if (wish.kind === "peers") return [{ family, key: address }];
    return ports
      .filter(({ name, protocol }) => name === wish.port && protocol === wish.protocol)
      .map(({ port }) => ({ family, key: `${address} . ${port}` }));
  });
}

export const elementsOf = (keys: Keys, family: IpFamily): Elements =>
  new Map(keys.filter((one) => one.family === family).map(({ key }) => [key, ""]));
