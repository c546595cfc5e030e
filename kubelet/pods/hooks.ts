/**
 * Hooks: what a container's lifecycle says is done after it started and before it stops.
 *
 * A hook is one attempt of the kinds of a probe that do something (exec, httpGet), or a sleep. Never rejects.
 */
import type { V1LifecycleHandler } from "@kubernetes/client-node";
import type { Wire } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { AttemptTarget, Prober, Verdict } from "../probes/attempt.ts";

/** A postStart hook may take as long as it likes; no timer takes longer. */
const NO_LIMIT_SECONDS = 86_400;

/** The field is kept for old objects, and as the API reference says such a hook fails. */
const NO_TCP = "Cannot run handler: tcpSocket is no handler of a lifecycle hook: use exec, httpGet or sleep";

export interface HookServices {
  readonly prober: Prober;
  readonly clock: Clock;
}

export async function runHook(
  hook: Wire<V1LifecycleHandler>,
  target: AttemptTarget,
  limitSeconds: number | undefined,
  { prober, clock }: HookServices,
  signal?: AbortSignal,
): Promise<Verdict> {
  if (hook.sleep) {
    const seconds = Math.min(hook.sleep.seconds, limitSeconds ?? Number.POSITIVE_INFINITY);
    await clock.sleep(seconds * 1000, signal).catch(() => undefined);
    return { ok: true, output: "" };
  }
  if (hook.tcpSocket) return { ok: false, output: NO_TCP };
  const probe = { ...hook, timeoutSeconds: limitSeconds ?? NO_LIMIT_SECONDS };
  const attempt = prober.attempt(probe, target);
  if (!signal) return attempt;
  const { promise, resolve } = Promise.withResolvers<Verdict>();
  const onAbort = () => resolve({ ok: false, output: "interrupted" });
  signal.addEventListener("abort", onAbort, { once: true });
  return Promise.race([attempt, promise]).finally(() => signal.removeEventListener("abort", onAbort));
}
