/**
 * Plan draft: what goes into a plan, what comes out, and how decisions collect it.
 *
 * The decisions themselves: plan.ts (a Pod that should run), plan-ending.ts (one that should not).
 */
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import type { Backoff } from "./backoff.ts";
import type { ContainerRole } from "./pod-spec.ts";
import type { ProbeResults } from "./probe-results.ts";
import type { Resize, Sizes } from "./resize-plan.ts";
import type { ContainerRecord, RuntimePod } from "./runtime-state.ts";

export interface Ending {
  /** "deleted": the API object is to go; "failed": it ends as Failed; "finished": as its containers ended. */
  readonly kind: "deleted" | "failed" | "finished";
  /** status.reason and status.message for "failed". */
  readonly reason?: string;
  readonly message?: string;
  /** It was never taken: of its containers there is nothing to tell. */
  readonly refused?: true;
  /** Told together with the phase: why somebody ended it. */
  readonly condition?: { readonly type: string; readonly reason: string; readonly message: string };
  /** When the grace period began, and how long it is. */
  readonly since: number;
  readonly graceSeconds: number;
}

/** The key under which the sandbox stands among container names in `busy` and `retryAt`. */
export const SANDBOX = "/sandbox";
/** The same for a change of resources. */
export const RESIZE = "/resize";

export interface PlanInput {
  /** With the resources that it was granted. */
  readonly pod: Pod;
  readonly runtime: RuntimePod;
  readonly now: number;
  /** Why it must stop for good; undefined: it should run. */
  readonly ending: Ending | undefined;
  /** Results of the probes of a running container, by its id. */
  readonly probes: (containerId: string) => ProbeResults;
  /** By container name. */
  readonly backoffs: ReadonlyMap<string, Backoff>;
  /** Container names, and SANDBOX, with an action under way. */
  readonly busy: ReadonlySet<string>;
  /** Not to be tried again before this time, after a failure. */
  readonly retryAt: ReadonlyMap<string, number>;
  /** The resources in place. */
  readonly sizes: Sizes;
  /** Runs that were killed to be started anew, whatever the restart policy says: their ids. */
  readonly replaced: ReadonlySet<string>;
}

export type Action =
  | { readonly kind: "create-sandbox"; readonly attempt: number }
  | { readonly kind: "stop-sandbox"; readonly id: string }
  | { readonly kind: "resize"; readonly resize: Resize }
  | {
      readonly kind: "start";
      readonly container: Container;
      readonly role: ContainerRole;
      readonly attempt: number;
      /** Already created, only to be started: the kubelet died between the two. */
      readonly created?: string;
      /** The run that this one follows. */
      readonly after?: ContainerRecord;
    }
  | {
      readonly kind: "kill";
      readonly record: ContainerRecord;
      readonly message: string;
      /** Seconds; undefined: as the Pod says. */
      readonly grace?: number;
      readonly cause: "liveness" | "startup" | "changed" | "resize" | "unknown" | "ending" | "sandbox";
    };

export interface Waiting {
  readonly reason: string;
  readonly message: string;
}

export interface Plan {
  readonly actions: readonly Action[];
  /** Containers that must wait before they start again. */
  readonly waiting: ReadonlyMap<string, Waiting>;
  /** Look again at this time, whatever happens before. */
  readonly wakeAt: number | undefined;
  /** Nothing of it will run again: end it. */
  readonly finished: boolean;
  /** Nothing of it runs: only with `ending`. */
  readonly stopped: boolean;
  /** Whether something that it was granted is not in place yet; undefined: nothing runs that could tell. */
  readonly resizing: boolean | undefined;
}

/** Collects a plan while the decisions below are made. */
export interface Draft {
  readonly input: PlanInput;
  readonly actions: Action[];
  readonly waiting: Map<string, Waiting>;
  wakeAt: number | undefined;
  resizing: boolean | undefined;
  /** The Pod's cgroup is still too small for what would start. */
  holdStarts: boolean;
}

export function kill(
  draft: Draft,
  record: ContainerRecord,
  cause: Extract<Action, { kind: "kill" }>["cause"],
  message: string,
  grace?: number,
): void {
  if (draft.input.busy.has(record.name) || delayed(draft, record.name)) return;
  if (draft.actions.some((action) => action.kind === "kill" && action.record === record)) return;
  draft.actions.push({ kind: "kill", record, cause, message, ...(grace === undefined ? {} : { grace }) });
}

export function wake(draft: Draft, at: number): void {
  draft.wakeAt = draft.wakeAt === undefined ? at : Math.min(draft.wakeAt, at);
}

/** Still to be left alone after a failure? */
export function delayed(draft: Draft, name: string): boolean {
  const at = draft.input.retryAt.get(name);
  if (at === undefined || at <= draft.input.now) return false;
  wake(draft, at);
  return true;
}
