/**
 * Stale disruption: takes back the condition DisruptionTarget of a Pod that then was not deleted.
 *
 * Whoever evicts says so in the Pod's status before it deletes; stopped in between, it leaves the condition.
 * What the node itself said stays: its Pods may take long to end.
 */
import { again, defineController, done, type Outcome } from "../machinery/loop/controller.ts";
import { findCondition, withCondition } from "../machinery/objects/conditions.ts";
import type { Pod } from "../machinery/objects/kinds.ts";
import { wireTime } from "../machinery/process/clock.ts";
import { isTerminal } from "./pod-state.ts";

const STALE_MS = 2 * 60_000;
const BY_NODE = "TerminationByKubelet";

export const staleDisruptionController = defineController({
  name: "stale-pod-disruption",
  watches: { pods: ({ key, object, type }) => (type !== "deleted" && isMarked(object) ? [key] : []) },

  async reconcile(key, { pods, client, clock }): Promise<Outcome> {
    const pod = pods.get(key);
    if (!pod || !isMarked(pod)) return done;
    const now = clock.now();
    const left = timeLeft(pod, now);
    if (left > 0) return again(left);
    const time = wireTime(now);
    const conditions = withCondition(pod.status?.conditions, { type: "DisruptionTarget", status: "False" }, time);
    await client.updateStatus("pods", { ...pod, status: { ...pod.status, conditions } });
    return done;
  },
});

const markOf = ({ status }: Pod) => findCondition(status?.conditions, "DisruptionTarget");

function isMarked(pod: Pod): boolean {
  const mark = markOf(pod);
  return mark?.status === "True" && mark.reason !== BY_NODE && !pod.metadata.deletionTimestamp && !isTerminal(pod);
}

function timeLeft(pod: Pod, now: number): number {
  const since = Date.parse(markOf(pod)?.lastTransitionTime ?? "");
  return Number.isNaN(since) ? 0 : Math.max(0, since + STALE_MS - now);
}
