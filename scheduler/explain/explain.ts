/**
 * Explain: what the scheduler says of a Pod when asked: its last attempts, how it stands now, what would help.
 *
 * All nodes are asked again then, so that what is said holds at that moment; nothing of it goes into decisions, and
 * decisions go on meanwhile: it pauses for them.
 */
import { breather } from "../../machinery/loop/breathe.ts";
import type {
  ExplainPod,
  NodeVerdict,
  RefusalCount,
  SchedulingAttempt,
  SchedulingVerdicts,
} from "../../machinery/objects/scheduling.ts";
import { type Clock, wireTime } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Attempt } from "../attempt.ts";
import { type Decision, decide, type Refusal, verdictsOf } from "../decide.ts";
import type { KeptAttempts } from "./kept-attempts.ts";
import { smallestChanges } from "./smallest-change.ts";

export const createExplain =
  (kept: KeptAttempts, clock: Pick<Clock, "monotonic">): ExplainPod =>
  async ({ uid }) => {
    const attempts = kept.of(uid);
    const last = attempts.at(-1);
    if (!last) return undefined;
    const breathe = breather(clock);
    const shown: SchedulingAttempt[] = [];
    for (const attempt of attempts) {
      shown.push(attemptOf(attempt));
      await breathe();
    }
    const told = { kind: "SchedulingExplanation", apiVersion: "k8ts/v1", attempts: shown } as const;
    const scheduler = last.profile.schedulerName;
    if (last.decision.node) return { ...told, scheduler, changes: [] };
    const now = decide(last.pod, last.cluster, last.profile, { random: () => 0, all: true });
    await breathe();
    const { pod, cluster, profile } = last;
    const changes = await smallestChanges({ pod, cluster, profile, decision: now }, breathe);
    return { ...told, scheduler, now: verdicts(now), changes };
  };

function attemptOf({ decision, message, at }: Attempt): SchedulingAttempt {
  return {
    time: wireTime(at),
    ...(decision.node ? { node: decision.node.name } : {}),
    ...(message === undefined ? {} : { message }),
    ...verdicts(decision),
  };
}

function verdicts(decision: Decision): SchedulingVerdicts {
  const { nodes, asked, fitting, nowhere } = decision;
  return {
    nodes,
    asked: asked.length,
    fitting: fitting.length,
    ...(nowhere ? { nowhere: { plugin: nowhere.plugin, reasons: nowhere.reasons } } : {}),
    refusals: counted(decision),
    verdicts: shown(decision),
  };
}

function counted({ refusals, others, nodes, asked }: Decision): readonly RefusalCount[] {
  const counts = new Map<Refusal, number>();
  for (const refusal of refusals) if (refusal) counts.set(refusal, (counts.get(refusal) ?? 0) + 1);
  if (others && asked.length < nodes) counts.set(others, nodes - asked.length);
  return [...counts]
    .map(([{ plugin, reasons }, count]) => ({ plugin, reasons, count }))
    .toSorted((a, b) => b.count - a.count);
}

function shown(decision: Decision): readonly NodeVerdict[] {
  return verdictsOf(decision)
    .map(({ refused, ...verdict }) =>
      refused ? { node: verdict.node, plugin: refused.plugin, reasons: refused.reasons } : verdict,
    )
    .toSorted((a, b) => rank(b) - rank(a))
    .slice(0, limits.explainedNodes);
}

const rank = (verdict: NodeVerdict) => (verdict.plugin === undefined ? 1 + (verdict.total ?? 0) : -1);
