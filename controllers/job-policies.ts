/**
 * Policies of a Job: which failures count, for the Job and for one index, and when enough has succeeded. Pure.
 *
 * https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy
 */
import type { Job, Pod } from "../machinery/objects/kinds.ts";
import { indexOf, parseIndexes } from "./job-indexes.ts";

type Spec = NonNullable<Job["spec"]>;
type Rule = NonNullable<Spec["podFailurePolicy"]>["rules"][number];
type ExitCodes = NonNullable<Rule["onExitCodes"]>;

export interface Verdict {
  readonly action: "Count" | "FailIndex" | "FailJob" | "Ignore";
  /** Why the Job fails, for FailJob. */
  readonly message?: string;
}

const COUNT: Verdict = { action: "Count" };

/** What the first rule that matches makes of a Pod's failure. */
export function verdictOn({ spec }: Job, pod: Pod): Verdict {
  for (const [at, rule] of (spec?.podFailurePolicy?.rules ?? []).entries()) {
    const matched = matchOf(rule, pod);
    if (matched === undefined) continue;
    const action = rule.action as Verdict["action"];
    return action === "FailJob" ? { action, message: `${matched} matching FailJob rule at index ${at}` } : { action };
  }
  return COUNT;
}

/** What of the Pod matches, as a sentence's beginning. */
function matchOf({ onExitCodes, onPodConditions }: Rule, pod: Pod): string | undefined {
  const { namespace, name } = pod.metadata;
  const { containerStatuses = [], initContainerStatuses = [], conditions = [] } = pod.status ?? {};
  if (onExitCodes) {
    const container = [...containerStatuses, ...initContainerStatuses].find(
      ({ name: own, state }) => state?.terminated && isOneOf(onExitCodes, own, state.terminated.exitCode),
    );
    if (!container) return undefined;
    const code = container.state?.terminated?.exitCode;
    return `Container ${container.name} for pod ${namespace}/${name} failed with exit code ${code}`;
  }
  const condition = conditions.find(({ type, status }) =>
    onPodConditions?.some((pattern) => pattern.type === type && (pattern.status || "True") === status),
  );
  return condition && `Pod ${namespace}/${name} has condition ${condition.type}`;
}

function isOneOf({ containerName, operator, values }: ExitCodes, container: string, code: number): boolean {
  if (code === 0 || (containerName !== undefined && containerName !== container)) return false;
  return values.includes(code) === (operator === "In");
}

/** "Matched rules at index 1", where the indexes that succeeded are enough. */
export function successRule({ spec }: Job, succeeded: ReadonlySet<number>): string | undefined {
  if (succeeded.size === 0) return undefined;
  const met = (spec?.successPolicy?.rules ?? []).findIndex(({ succeededIndexes, succeededCount }) => {
    if (succeededIndexes === undefined) return succeededCount !== undefined && succeeded.size >= succeededCount;
    const required = parseIndexes(succeededIndexes, spec?.completions);
    const there = [...required].filter((index) => succeeded.has(index)).length;
    return required.size > 0 && (there === required.size || (succeededCount !== undefined && there >= succeededCount));
  });
  return met < 0 ? undefined : `Matched rules at index ${met}`;
}

const FAILURES = "batch.kubernetes.io/job-index-failure-count";
const IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count";

export const hasLimitPerIndex = ({ spec }: Job): boolean => spec?.backoffLimitPerIndex !== undefined;

const countIn = ({ metadata }: Pod, annotation: string): number => {
  const text = metadata.annotations?.[annotation] ?? "";
  return /^\d+$/.test(text) ? Number(text) : 0;
};

/** Whether this failure was the last that its index may have. */
export function isLastOfIndex(job: Job, failed: Pod): boolean {
  const { action } = verdictOn(job, failed);
  if (action === "FailIndex") return true;
  return (
    action !== "Ignore" && countIn(failed, FAILURES) >= (job.spec?.backoffLimitPerIndex ?? Number.POSITIVE_INFINITY)
  );
}

/** How often the index has failed before this Pod, ignored failures included. */
export const failuresBefore = (pod: Pod): number => countIn(pod, FAILURES) + countIn(pod, IGNORED);

/** What the next Pod of an index must know of the failures before it. */
export function failureAnnotations(job: Job, replaced: Pod | undefined): Record<string, string> {
  if (!replaced) return { [FAILURES]: "0" };
  const ignored = verdictOn(job, replaced).action === "Ignore" ? 1 : 0;
  const total = countIn(replaced, IGNORED) + ignored;
  return {
    [FAILURES]: String(countIn(replaced, FAILURES) + 1 - ignored),
    ...(total > 0 ? { [IGNORED]: String(total) } : {}),
  };
}

/** Of several failed Pods of an index, the one that knows all failures: it is kept until another takes its place. */
export function lastFailures(failed: readonly Pod[], endOf: (pod: Pod) => number): ReadonlyMap<number, Pod> {
  const last = new Map<number, Pod>();
  for (const pod of failed) {
    const index = indexOf(pod);
    if (index === undefined) continue;
    const known = last.get(index);
    if (!known || (failuresBefore(known) <= failuresBefore(pod) && endOf(pod) >= endOf(known))) last.set(index, pod);
  }
  return last;
}
