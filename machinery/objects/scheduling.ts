/**
 * Scheduling explained: what a scheduler remembers of its last attempts for a Pod, and what would make the Pod fit.
 *
 * The scheduler makes it (scheduler/explain/), the API server serves it beside the Pod's own path, `kubectl why`
 * shows it. Read only: nothing is decided by it.
 */
export interface SchedulingExplanation {
  readonly kind: "SchedulingExplanation";
  readonly apiVersion: "k8ts/v1";
  readonly scheduler: string;
  /** Oldest first. Empty: it has not been tried, or that is forgotten. */
  readonly attempts: readonly SchedulingAttempt[];
  /** All nodes asked again, as they are now; absent where nothing is remembered of the Pod. */
  readonly now?: SchedulingVerdicts;
  /** The smallest first. Each alone would do. */
  readonly changes: readonly SchedulingChange[];
}

export interface SchedulingVerdicts {
  /** How many nodes there are, and of how many the Pod was judged. */
  readonly nodes: number;
  readonly asked: number;
  readonly fitting: number;
  /** Why the Pod was refused before any node was asked. */
  readonly nowhere?: { readonly plugin: string; readonly reasons: readonly string[] };
  readonly refusals: readonly RefusalCount[];
  /** Of some nodes only where there are many: those that fit first, the best of them at the top. */
  readonly verdicts: readonly NodeVerdict[];
}

export interface SchedulingAttempt extends SchedulingVerdicts {
  readonly time: string;
  /** The chosen one; absent: none fits. */
  readonly node?: string;
  readonly message?: string;
}

export interface RefusalCount {
  readonly plugin: string;
  readonly reasons: readonly string[];
  readonly count: number;
}

export interface NodeVerdict {
  readonly node: string;
  /** The plugin that refused the node; absent: the Pod fits. */
  readonly plugin?: string;
  readonly reasons?: readonly string[];
  readonly total?: number;
  readonly scores?: Readonly<Record<string, number>>;
}

export interface SchedulingChange {
  /** Where the Pod would run; absent where it does not depend on a node. */
  readonly node?: string;
  /** All of them are needed. */
  readonly steps: readonly string[];
  /** True when the plugins were asked again with the change made, and let the Pod in. */
  readonly checked: boolean;
}

/** Who is asked about. */
export interface ExplainedPod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

/** Undefined: it knows nothing of the Pod. */
export type ExplainPod = (pod: ExplainedPod) => Promise<SchedulingExplanation | undefined>;

/** A question on its way to a scheduler in another process, and the paths on which they meet. */
export interface SchedulingQuestion {
  readonly id: string;
  readonly pod: ExplainedPod;
}

export const QUESTIONS_PATH = "/k8ts/v1/scheduling/questions";
export const ANSWERS_PATH = "/k8ts/v1/scheduling/answers";
