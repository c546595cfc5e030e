/** Failure message: why no node is there for a Pod, in Kubernetes' words. Pure. */
import type { Decision, Refusal } from "./decide.ts";

/** What the message is made from. */
type Failure = Pick<Decision, "nodes" | "asked" | "refusals" | "others" | "nowhere">;

/** "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable." and what preemption says of it. */
export function failureMessage(decision: Failure, postFilter = ""): string {
  const { nodes, nowhere } = decision;
  if (nodes === 0) return "no nodes available to schedule pods";
  const reasons = nowhere ? nowhere.reasons.join(", ") : histogram(decision);
  const sentence = reasons === "" ? "" : ` ${reasons}.`;
  return `0/${nodes} nodes are available:${sentence}${postFilter === "" ? "" : ` ${postFilter}`}`;
}

/** "1 Insufficient cpu, 2 node(s) were unschedulable", in the order of the text, as Kubernetes writes it. */
export function histogram({ nodes, asked, refusals, others }: Failure): string {
  const byRefusal = new Map<Refusal, number>();
  // neighbours are mostly refused alike
  for (let n = 0, same = 1; n < refusals.length; n++, same++) {
    const refusal = refusals[n];
    if (refusal === refusals[n + 1]) continue;
    if (refusal) byRefusal.set(refusal, (byRefusal.get(refusal) ?? 0) + same);
    same = 0;
  }
  if (others && asked.length < nodes) byRefusal.set(others, nodes - asked.length);
  const counts = new Map<string, number>();
  for (const [{ reasons }, number] of byRefusal)
    for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + number);
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .sort()
    .join(", ");
}
