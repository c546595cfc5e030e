/**
 * Kept attempts: the last decisions about Pods, so that somebody may ask why. Bounded, and forgotten at a restart.
 *
 * A decision is kept as it was made: nothing is worked out before somebody asks. What is said of it: explain.ts.
 */
import { limits } from "../../machinery/process/limits.ts";
import type { Attempt } from "../attempt.ts";

export interface KeptAttempts {
  note(attempt: Attempt): void;
  /** Of a Pod, oldest first. */
  of(uid: string): readonly Attempt[];
}

export function createKeptAttempts(): KeptAttempts {
  const byPod = new Map<string, Attempt[]>();
  let verdicts = 0;

  /** The Pod that was tried longest ago goes first. */
  function forgetSome(): void {
    for (const [uid, attempts] of byPod) {
      if (byPod.size <= limits.schedulerKeptPods && verdicts <= limits.schedulerKeptVerdicts) return;
      byPod.delete(uid);
      for (const one of attempts) verdicts -= sizeOf(one);
    }
  }

  return {
    note(attempt) {
      const { uid } = attempt.pod.pod.metadata;
      const known = byPod.get(uid) ?? [];
      byPod.delete(uid);
      byPod.set(uid, known);
      // what filters worked out is large, and made anew when somebody asks
      const bare = { ...attempt, decision: { ...attempt.decision, filters: [] } };
      known.push(bare);
      verdicts += sizeOf(bare);
      if (known.length > limits.schedulerKeptAttempts) verdicts -= sizeOf(known.shift() as Attempt);
      forgetSome();
    },
    of: (uid) => byPod.get(uid) ?? [],
  };
}

/** Scores count like nodes: they take as much room. */
const sizeOf = ({ decision: { asked, fitting, scores } }: Attempt) => 1 + asked.length + fitting.length * scores.length;
