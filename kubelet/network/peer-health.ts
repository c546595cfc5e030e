/**
 * Peer health: when another node's Pod network does not answer, what to try next. Pure but for the state it keeps.
 *
 * A plain route that leads nowhere, though the machine itself answers, is given up for the VXLAN; if that leads
 * nowhere either, the route comes back and the problem is told. Nothing changes while a machine is dead.
 */

export type Way = "route" | "tunnel";

export type Step =
  | { readonly do: "nothing" }
  /** Ask whether the machine itself answers, then say so by `machineAnswers`. */
  | { readonly do: "ask the machine" }
  | { readonly do: "wrap" }
  | { readonly do: "unwrap and tell" }
  | { readonly do: "tell" }
  | { readonly do: "tell that it answers" };

export interface PeerHealth {
  /** When to look next, by the monotonic clock. */
  dueAt: number;
  failures: number;
  told: boolean;
  /** Both ways were tried: not again before this. */
  settledUntil: number;
  /** The other machine needs time to find out, and to answer the same way. */
  wrappedUntil: number;
}

const SOON_MS = 2_000;
const LATER_MS = 30_000;
const SELDOM_MS = 60_000;
const WRAPPED_MS = 5 * 60_000;
const SETTLED_MS = 30 * 60_000;
const PATIENCE = 3;

export const freshHealth = (now: number): PeerHealth => ({
  dueAt: now + SOON_MS,
  failures: 0,
  told: false,
  settledUntil: 0,
  wrappedUntil: 0,
});

/** `onLink`: there is a choice between the two ways. */
export function judged(
  health: PeerHealth,
  { answers, way, onLink, now }: { answers: boolean; way: Way; onLink: boolean; now: number },
): Step {
  if (answers) {
    const { told } = health;
    Object.assign(health, { failures: 0, told: false, dueAt: now + SELDOM_MS });
    return told ? { do: "tell that it answers" } : { do: "nothing" };
  }
  health.failures++;
  health.dueAt = now + (health.failures < PATIENCE ? SOON_MS : LATER_MS);
  if (health.failures < PATIENCE) return { do: "nothing" };
  if (way === "route" && onLink && now >= health.settledUntil) return { do: "ask the machine" };
  if (way === "tunnel" && onLink) {
    if (now < health.wrappedUntil) return { do: "nothing" };
    Object.assign(health, { failures: 0, settledUntil: now + SETTLED_MS, dueAt: now + LATER_MS });
    return told(health, "unwrap and tell");
  }
  return told(health, "tell");
}

/** A dead machine says nothing about the ways to it. */
export function machineAnswers(health: PeerHealth, answers: boolean, now: number): Step {
  if (!answers) return { do: "nothing" };
  Object.assign(health, { failures: 0, dueAt: now + SOON_MS, wrappedUntil: now + WRAPPED_MS });
  return { do: "wrap" };
}

function told(health: PeerHealth, step: "unwrap and tell" | "tell"): Step {
  if (health.told) return step === "tell" ? { do: "nothing" } : { do: step };
  health.told = true;
  return { do: step };
}
