/** Spread: fewer Pods of the same controller on a node score higher, so that losing a node loses few of them. */
import { controllerOf } from "../../machinery/objects/owners.ts";
import { proportional, type ScorePlugin } from "../framework.ts";

export const spread: ScorePlugin = {
  name: "PodTopologySpread",
  weight: 2,
  score({ pod }, { byController }) {
    const owner = controllerOf(pod)?.uid;
    return owner ? (byController.get(owner) ?? 0) : 0;
  },
  normalize: (scores) => proportional(scores, true),
};
