/**
 * Verdict memo: what plugins said of a node for a Pod that asks for the same, while the node has not changed.
 *
 * Pods of one controller come in hundreds, and between two of them one node has changed. Only judgements that go by
 * the node and by what the Pod asks of it alone may be kept (`local` in framework.ts); those of the classes of
 * Pods that came last are.
 */
import { limits } from "../machinery/process/limits.ts";
import type { Refusal } from "./decide.ts";
import type { Refused } from "./framework.ts";
import type { PodInfo } from "./pod-info.ts";
import type { Profile } from "./profile.ts";
import type { NodeInfo } from "./snapshot.ts";

export interface ClassVerdicts {
  /** Pods that are to come to the node are counted. */
  readonly refusals: Column<Refusal | undefined>;
  scores(plugin: string): Column<number>;
}

/** By the node's slot: for which generation of the node it was said, and what. Look with `kept`. */
export interface Column<T> {
  readonly generations: number[];
  readonly said: T[];
}

export interface VerdictMemo {
  /** Whoever counts verdicts goes by identity. */
  readonly named: WeakMap<Refused, Refusal>;
  of(info: PodInfo, profile: Profile): ClassVerdicts;
}

export function createVerdictMemo(): VerdictMemo {
  /** The one that was asked for last stands last. */
  const classes = new Map<string, ClassVerdicts>();
  return {
    named: new WeakMap(),
    of(info, { schedulerName }) {
      const id = `${schedulerName} ${info.priority} ${asksOf(info)}`;
      const verdicts = classes.get(id) ?? createVerdicts();
      classes.delete(id);
      classes.set(id, verdicts);
      if (classes.size > limits.schedulerClasses) classes.delete(classes.keys().next().value as string);
      return verdicts;
    },
  };
}

/** The same for Pods that ask the same of a node. */
export function asksOf({ pod, requests, scoredCpu, scoredMemory, hostPorts }: PodInfo): string {
  const { nodeName, nodeSelector, affinity, tolerations } = pod.spec ?? {};
  const asks = [
    [...requests],
    scoredCpu,
    scoredMemory,
    hostPorts,
    nodeName,
    nodeSelector,
    affinity?.nodeAffinity,
    tolerations,
  ];
  return JSON.stringify(asks);
}

function createVerdicts(): ClassVerdicts {
  const scores = new Map<string, Column<number>>();
  return {
    refusals: { generations: [], said: [] },
    scores(plugin) {
      const known = scores.get(plugin) ?? { generations: [], said: [] };
      scores.set(plugin, known);
      return known;
    },
  };
}

/** What was said of the node in this slot; it is said now where it has changed since. */
export function kept<T>(
  { generations, said }: Column<T>,
  slot: number,
  generation: number,
  node: NodeInfo,
  judge: (node: NodeInfo) => T,
): T {
  if (generations[slot] === generation) return said[slot] as T;
  const verdict = judge(node);
  while (generations.length <= slot) {
    generations.push(0);
    said.push(verdict);
  }
  generations[slot] = generation;
  said[slot] = verdict;
  return verdict;
}
