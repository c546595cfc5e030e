/** VolumeZone: a bound volume that is labelled with a zone or region is used only by nodes there. */
import type { Node } from "../../machinery/objects/kinds.ts";
import { type Plugin, refusedForGood } from "../framework.ts";
import { boundVolumes, claimsOf } from "./pod-claims.ts";
import { domainOf, ZONE } from "./topology.ts";

const ELSEWHERE = refusedForGood("node(s) had no available volume zone");

/** Label, and what it was called before. */
const LABELS = [
  [ZONE, "failure-domain.beta.kubernetes.io/zone"],
  ["topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"],
] as const;

export const volumeZone: Plugin = {
  name: "VolumeZone",
  hints: ["persistentvolumeclaims", "persistentvolumes", "storageclasses", "node-added", "node-labels"],
  preFilter({ pod, claims: named }, cluster) {
    if (named.length === 0) return undefined;
    const claims = claimsOf(pod, cluster);
    const wanted = boundVolumes(claims, cluster).flatMap((volume) =>
      LABELS.flatMap((names) => {
        const value = labelOf(volume, names);
        return value === undefined ? [] : [{ names, values: new Set(value.split("__")) }];
      }),
    );
    if (wanted.length === 0) return undefined;
    return {
      check({ node }) {
        // A cluster of one zone may leave its nodes without labels.
        if (LABELS.every((names) => labelOf(node, names) === undefined)) return undefined;
        return wanted.every(({ names, values }) => values.has(labelOf(node, names) ?? "")) ? undefined : ELSEWHERE;
      },
    };
  },
};

const labelOf = (object: Pick<Node, "metadata"> | undefined, [name, former]: readonly [string, string]) =>
  object && (domainOf(object as Node, name) ?? domainOf(object as Node, former));
