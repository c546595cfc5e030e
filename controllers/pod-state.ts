/**
 * Pod state: what the controllers of workloads ask about a Pod. Pure.
 *
 * The scheduler and kubelet have questions of their own, and answer them where they are asked.
 */
import { findCondition, isTrue } from "../machinery/objects/conditions.ts";
import type { Pod } from "../machinery/objects/kinds.ts";

/** Neither ended nor on its way out. */
export function isActive({ metadata, status }: Pod): boolean {
  return status?.phase !== "Succeeded" && status?.phase !== "Failed" && !metadata.deletionTimestamp;
}

/** Ended for good. */
export function isTerminal({ status }: Pod): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

export function isTerminating(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined && !isTerminal(pod);
}

export function isReady({ status }: Pod): boolean {
  return isTrue(status?.conditions, "Ready");
}

/**
 * Milliseconds until a ready Pod counts as available: 0 when it does, undefined when it is not ready. Never more than
 * it takes: a clock that was set back, and is set right again, must keep nobody waiting.
 */
export function timeToAvailable(pod: Pod, minReadySeconds: number, now: number): number | undefined {
  if (!isReady(pod)) return undefined;
  if (minReadySeconds === 0) return 0;
  const since = readySince(pod);
  const whole = minReadySeconds * 1000;
  return since === undefined ? undefined : Math.min(whole, Math.max(0, since + whole - now));
}

export function isAvailable(pod: Pod, minReadySeconds: number, now: number): boolean {
  return timeToAvailable(pod, minReadySeconds, now) === 0;
}

export function readySince({ status }: Pod): number | undefined {
  const ready = findCondition(status?.conditions, "Ready");
  const since = Date.parse(ready?.lastTransitionTime ?? "");
  return ready?.status === "True" && !Number.isNaN(since) ? since : undefined;
}

export function restarts({ status }: Pod): number {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return all.reduce((sum, { restartCount }) => sum + restartCount, 0);
}

/** How often the container that restarted most often did so; sidecars are counted apart. */
export function mostRestarts({ spec, status }: Pod): { readonly regular: number; readonly sidecar: number } {
  const sidecars = new Set(
    spec?.initContainers?.filter(({ restartPolicy }) => restartPolicy === "Always").map(({ name }) => name),
  );
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  const most = (counted: typeof all) => Math.max(0, ...counted.map(({ restartCount }) => restartCount));
  return {
    regular: most(all.filter(({ name }) => !sidecars.has(name))),
    sidecar: most(all.filter(({ name }) => sidecars.has(name))),
  };
}
