/**
 * Stop of a container: preStop hook, SIGTERM, and SIGKILL when its grace period is over.
 *
 * The hook's time counts against the grace period; at least 2 s remain for the signal. A stop under
 * way can be hastened: the hook is left, and the runtime asked again with less time.
 */
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import { PROBE_FIELDS } from "../probes/probe-loop.ts";
import { runHook } from "./hooks.ts";
import type { Action } from "./plan-draft.ts";
import { fieldPath, findContainer, usesHostNetwork } from "./pod-spec.ts";
import type { SandboxRecord } from "./runtime-state.ts";
import type { PodServices } from "./services.ts";

export type KillAction = Extract<Action, { kind: "kill" }>;

const MINIMUM_SECONDS = 2;

export interface Stopping {
  readonly done: Promise<void>;
  hasten(seconds: number): void;
}

export function stopContainer(
  pod: Pod,
  action: KillAction,
  sandbox: SandboxRecord | undefined,
  services: PodServices,
): Stopping {
  const { record, message } = action;
  const { cri, events, clock, log } = services;
  const entry = findContainer(pod, record.name);
  const grace = graceSeconds(pod, action, entry?.container);
  const hurry = new AbortController();
  events.normal(pod, "Killing", message, entry ? fieldPath(entry) : undefined);

  async function run(): Promise<void> {
    const began = clock.monotonic();
    const hook = entry?.container.lifecycle?.preStop;
    if (hook && entry && grace > 0) {
      const podIP = (usesHostNetwork(pod) ? services.node().hostIPs : (sandbox?.ips ?? []))[0] ?? "";
      const target = { container: entry.container, containerId: record.id, podIP };
      const verdict = await runHook(hook, target, grace, services, hurry.signal);
      if (!verdict.ok && !hurry.signal.aborted) {
        events.warning(pod, "FailedPreStopHook", "PreStopHook failed", fieldPath(entry));
      }
    }
    if (hurry.signal.aborted) return;
    const used = (clock.monotonic() - began) / 1000;
    const timeout = grace === 0 ? 0 : Math.max(MINIMUM_SECONDS, Math.ceil(grace - used));
    await cri.stopContainer({ containerId: record.id, timeout });
  }

  const hastened = Promise.withResolvers<void>();
  const done = run();
  return {
    done: Promise.race([done.then(() => (hurry.signal.aborted ? hastened.promise : undefined)), hastened.promise]),
    hasten(seconds) {
      hurry.abort();
      cri.stopContainer({ containerId: record.id, timeout: seconds }).then(
        () => hastened.resolve(),
        (error: unknown) => {
          log.warn("a container could not be stopped sooner", { container: record.id, error });
          hastened.reject(error);
        },
      );
    },
  };
}

function graceSeconds(pod: Pod, { grace, cause }: KillAction, container: Container | undefined): number {
  if (grace !== undefined) return grace;
  const probe = cause === "liveness" || cause === "startup" ? container?.[PROBE_FIELDS[cause]] : undefined;
  return probe?.terminationGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30;
}
