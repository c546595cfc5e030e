/**
 * Plan: what to do next for one Pod. Pure: the Pod and what runs in, actions out.
 *
 * Level-based: it looks at what is, never at what happened, so a kubelet that was killed at any
 * step goes on from the same place. An action never repeats what is already under way (`busy`).
 * Who carries actions out: worker.ts; what the status says: status.ts; how Pods end: plan-ending.ts.
 */
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import { backedOffUntil, goDuration } from "./backoff.ts";
import { type Draft, delayed, kill, type Plan, type PlanInput, RESIZE, SANDBOX, wake } from "./plan-draft.ts";
import { planEnding } from "./plan-ending.ts";
import {
  type ContainerRole,
  containerHash,
  ephemeralContainers,
  initContainers,
  isSidecar,
  podName,
  regularContainers,
  restartPolicy,
  restartsAfter,
  usesHostNetwork,
} from "./pod-spec.ts";
import { planResize } from "./resize-plan.ts";
import { activeSandbox, type ContainerRecord, latest, type RuntimePod, type SandboxRecord } from "./runtime-state.ts";

export function plan(input: PlanInput): Plan {
  const draft: Draft = {
    input,
    actions: [],
    waiting: new Map(),
    wakeAt: undefined,
    resizing: undefined,
    holdStarts: false,
  };
  const verdict = input.ending ? planEnding(draft, input.ending) : planRunning(draft);
  return {
    actions: draft.actions,
    waiting: draft.waiting,
    wakeAt: draft.wakeAt,
    finished: verdict === "finished",
    stopped: verdict === "stopped",
    resizing: draft.resizing,
  };
}

function planRunning(draft: Draft): "finished" | undefined {
  const { pod, runtime, busy } = draft.input;
  const sandbox = activeSandbox(runtime, usesHostNetwork(pod));
  if (!sandbox || surplusReady(runtime, sandbox).length > 0) return planSandbox(draft);
  if (busy.has(SANDBOX)) return undefined;

  resizeRunning(draft);
  startEphemeral(draft, sandbox);
  const initialized = planInit(draft, sandbox);
  if (initialized === "failed") return "finished";
  if (initialized === "pending") return undefined;
  return planRegular(draft);
}

// The sandbox

function planSandbox(draft: Draft): "finished" | undefined {
  const { pod, runtime, busy } = draft.input;
  const [newest] = runtime.sandboxes;
  if (newest && (nothingLeft(draft) || (restartPolicy(pod) === "Never" && runtime.containers.length > 0))) {
    return "finished";
  }
  const running = runtime.containers.filter((record) => record.state === "running");
  for (const record of running)
    kill(draft, record, "sandbox", "Pod sandbox changed, it will be killed and re-created.", 0);
  if (busy.has(SANDBOX)) return undefined;
  const ready = runtime.sandboxes.filter((sandbox) => sandbox.ready);
  for (const { id } of ready) draft.actions.push({ kind: "stop-sandbox", id });
  if (running.length > 0 || ready.length > 0 || delayed(draft, SANDBOX)) return undefined;
  draft.actions.push({ kind: "create-sandbox", attempt: newest ? newest.attempt + 1 : 0 });
  return undefined;
}

/** Every regular container has run and none may run again. */
function nothingLeft({ input: { pod, runtime } }: Draft): boolean {
  return regularContainers(pod).every((container) => {
    const record = latest(runtime, container.name);
    return record?.state === "exited" && !restartsAfter(pod, container, record.exitCode);
  });
}

function surplusReady(runtime: RuntimePod, active: SandboxRecord): readonly SandboxRecord[] {
  return runtime.sandboxes.filter((sandbox) => sandbox.ready && sandbox.id !== active.id);
}

// Resources

/** What runs gets the resources that were granted since it started. */
function resizeRunning(draft: Draft): void {
  const { pod, runtime, sizes, busy } = draft.input;
  const { resize, restarts, done } = planResize(pod, runtime, sizes);
  draft.resizing = !done;
  draft.holdStarts = busy.has(RESIZE) || resize?.grown !== undefined;
  for (const record of restarts) kill(draft, record, "resize", `Container ${record.name} resize requires restart`);
  if (resize && !busy.has(RESIZE) && !delayed(draft, RESIZE)) draft.actions.push({ kind: "resize", resize });
}

// Init containers and sidecars

function planInit(draft: Draft, sandbox: SandboxRecord): "done" | "pending" | "failed" {
  const { pod, runtime } = draft.input;
  const inits = initContainers(pod);
  const here = (name: string) => {
    const record = latest(runtime, name);
    return record?.sandboxId === sandbox.id ? record : undefined;
  };
  const everStarted = regularContainers(pod).some(({ name }) => here(name));

  for (const [index, container] of inits.entries()) {
    const passed = everStarted || inits.slice(index + 1).some(({ name }) => here(name));
    const record = here(container.name);
    const step = isSidecar(container)
      ? sidecarStep(draft, container, record, passed)
      : initStep(draft, container, record, passed);
    if (step !== "next") return step;
  }
  return "done";
}

function initStep(draft: Draft, container: Container, record: ContainerRecord | undefined, passed: boolean) {
  if (passed) return "next"; // it ended well once, even where its record was collected
  if (record?.state === "running") return "pending";
  if (record?.state === "exited" && record.exitCode === 0) return "next";
  if (record?.state === "exited" && !initRestarts(draft.input.pod, container, record.exitCode)) return "failed";
  start(draft, container, "init", record);
  return "pending";
}

/** An init container of a Pod with policy Always or OnFailure runs until it succeeds. */
function initRestarts(pod: Pod, container: Container, exitCode: number): boolean {
  return exitCode !== 0 && restartsAfter(pod, container, exitCode);
}

function sidecarStep(draft: Draft, container: Container, record: ContainerRecord | undefined, passed: boolean) {
  if (record?.state !== "running") {
    start(draft, container, "sidecar", record);
    return passed ? "next" : "pending";
  }
  const { startup, liveness } = draft.input.probes(record.id);
  if (startup === "failure") {
    kill(draft, record, "startup", `Init container ${container.name} failed startup probe, will be restarted`);
    return passed ? "next" : "pending";
  }
  if (liveness === "failure") {
    kill(draft, record, "liveness", `Init container ${container.name} failed liveness probe, will be restarted`);
  }
  return passed || startup === undefined || startup === "success" ? "next" : "pending";
}

// Regular and ephemeral containers

function planRegular(draft: Draft): "finished" | undefined {
  const { pod, runtime } = draft.input;
  let alive = 0;
  for (const container of regularContainers(pod)) {
    const record = latest(runtime, container.name);
    if (record?.state === "running") {
      alive++;
      checkRunning(draft, container, record);
    } else if (record?.state !== "exited" || mayRunAgain(draft, container, record)) {
      alive++;
      if (record?.state === "unknown") {
        kill(draft, record, "unknown", `Container is in "unknown" state, try killing it before restart`);
      } else {
        start(draft, container, "regular", record);
      }
    }
  }
  return alive === 0 ? "finished" : undefined;
}

function mayRunAgain({ input: { pod, replaced } }: Draft, container: Container, record: ContainerRecord): boolean {
  return replaced.has(record.id) || restartsAfter(pod, container, record.exitCode);
}

/** A running container is killed when its probe fails or its definition changed; the next plan starts it again. */
function checkRunning(draft: Draft, container: Container, record: ContainerRecord): void {
  const { pod, probes } = draft.input;
  const restart = restartPolicy(pod) === "Never" ? "" : ", will be restarted";
  const { startup, liveness } = probes(record.id);
  if (record.hash !== "" && record.hash !== containerHash(container)) {
    kill(draft, record, "changed", `Container ${container.name} definition changed, will be restarted`);
  } else if (liveness === "failure") {
    kill(draft, record, "liveness", `Container ${container.name} failed liveness probe${restart}`);
  } else if (startup === "failure") {
    kill(draft, record, "startup", `Container ${container.name} failed startup probe${restart}`);
  }
}

function startEphemeral(draft: Draft, sandbox: SandboxRecord): void {
  for (const container of ephemeralContainers(draft.input.pod)) {
    const record = latest(draft.input.runtime, container.name);
    if (!record || (record.state === "created" && record.sandboxId === sandbox.id)) {
      start(draft, container, "ephemeral", record);
    }
  }
}

// Starting

function start(draft: Draft, container: Container, role: ContainerRole, record: ContainerRecord | undefined): void {
  const { pod, runtime, busy, backoffs, now } = draft.input;
  if (draft.holdStarts || busy.has(container.name)) return;
  const previous = record ?? latest(runtime, container.name);
  if (previous?.state === "exited") {
    const backoff = backoffs.get(container.name);
    const until = backedOffUntil(backoff, previous.finishedAt, now);
    if (until !== undefined && backoff) {
      wake(draft, until);
      draft.waiting.set(container.name, {
        reason: "CrashLoopBackOff",
        message: `back-off ${goDuration(backoff.delayMs)} restarting failed container=${container.name} pod=${podName(pod)}`,
      });
      return;
    }
  }
  if (delayed(draft, container.name)) return;
  if (record?.state === "created" && record.sandboxId === runtime.sandboxes[0]?.id) {
    draft.actions.push({ kind: "start", container, role, attempt: record.attempt, created: record.id });
    return;
  }
  const attempt = Math.max(previous ? previous.attempt + 1 : 0, nextAttemptByStatus(pod, container.name, previous));
  draft.actions.push({ kind: "start", container, role, attempt, ...(previous ? { after: previous } : {}) });
}

/** Where the runtime forgot earlier runs, the status still counts them. */
function nextAttemptByStatus(pod: Pod, name: string, previous: ContainerRecord | undefined): number {
  if (previous) return 0;
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  const status = statuses.find((candidate) => candidate.name === name);
  if (!status) return 0;
  const ran = status.containerID !== undefined || status.state?.running !== undefined || status.lastState?.terminated;
  return ran ? status.restartCount + 1 : status.restartCount;
}
