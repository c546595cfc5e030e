/**
 * Plan of an ending Pod: deleted, evicted, past its deadline, or with nothing left to run.
 *
 * Regular containers go first, together; sidecars follow in reverse order, so that each outlives
 * those that may need it; then the sandboxes. The grace period is one for all of them.
 * What runs while it should run: plan.ts.
 */
import { type Draft, delayed, type Ending, kill, SANDBOX } from "./plan-draft.ts";
import { initContainers, isSidecar } from "./pod-spec.ts";

/** What a container gets even where the grace period is used up. */
const MINIMUM_GRACE_SECONDS = 2;

export function planEnding(draft: Draft, ending: Ending): "stopped" | undefined {
  const { pod, runtime, busy, now } = draft.input;
  const running = runtime.containers.filter(({ state }) => state === "running" || state === "unknown");
  const sidecars = initContainers(pod)
    .filter(isSidecar)
    .map(({ name }) => name);
  const isSide = (name: string) => sidecars.includes(name);

  const first = running.filter(({ name }) => !isSide(name));
  const next = first.length > 0 ? first : lastSidecar(running, sidecars);
  for (const record of next) {
    kill(draft, record, "ending", `Stopping container ${record.name}`, remainingGrace(ending, now, first.length > 0));
  }
  if (running.length > 0) return undefined;

  const ready = runtime.sandboxes.filter((sandbox) => sandbox.ready);
  if (busy.size > 0) return undefined;
  if (ready.length > 0 && delayed(draft, SANDBOX)) return undefined;
  for (const { id } of ready) draft.actions.push({ kind: "stop-sandbox", id });
  return ready.length === 0 ? "stopped" : undefined;
}

function lastSidecar<R extends { readonly name: string }>(
  running: readonly R[],
  order: readonly string[],
): readonly R[] {
  const last = Math.max(...running.map(({ name }) => order.indexOf(name)), -1);
  return last < 0 ? running : running.filter(({ name }) => name === order[last]);
}

/** Regular containers get the whole period (less what a restarted kubelet finds used up), sidecars the rest of it. */
function remainingGrace(ending: Ending, now: number, regular: boolean): number {
  if (ending.graceSeconds === 0) return 0;
  const left = Math.ceil(ending.graceSeconds - (now - ending.since) / 1000);
  return Math.max(left, regular ? Math.min(MINIMUM_GRACE_SECONDS, ending.graceSeconds) : 0);
}
