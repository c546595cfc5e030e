/**
 * Autoscaler behaviour: how far and how fast a recommendation may be followed. Pure.
 *
 * Stabilization looks at what was recommended within a window: the lowest counts on the way up, the highest on the
 * way down. Policies bound what may change within a period. Without `spec.behavior` Kubernetes' older rule holds:
 * at most twice as many at a time, and nothing goes within five minutes of a higher recommendation.
 */
import type { HorizontalPodAutoscaler } from "../machinery/objects/kinds.ts";

type Behavior = NonNullable<NonNullable<HorizontalPodAutoscaler["spec"]>["behavior"]>;
type Rules = NonNullable<Behavior["scaleUp"]>;

export interface Recommendation {
  /** By the clock that never jumps, as all times here. */
  readonly at: number;
  readonly replicas: number;
}

export interface ScaleEvent {
  readonly at: number;
  /** Never negative: which way it went says the list it is in. */
  readonly change: number;
}

/** What an autoscaler remembers of its past; lost with the process, as in Kubernetes. */
export interface History {
  recommendations: readonly Recommendation[];
  ups: readonly ScaleEvent[];
  downs: readonly ScaleEvent[];
}

export interface Limits {
  readonly min: number;
  readonly max: number;
  readonly behavior: Behavior | undefined;
  readonly downscaleStabilizationMs: number;
}

export interface Limited {
  readonly replicas: number;
  readonly stabilized: { readonly reason: string; readonly message: string };
  readonly limited: { readonly status: "True" | "False"; readonly reason: string; readonly message: string };
}

const READY = { reason: "ReadyForNewScale", message: "recommended size matches current size" };
const STABLE_UP = {
  reason: "ScaleUpStabilized",
  message: "recent recommendations were lower than current one, applying the lowest recent recommendation",
};
const STABLE_DOWN = {
  reason: "ScaleDownStabilized",
  message: "recent recommendations were higher than current one, applying the highest recent recommendation",
};
const IN_RANGE = { reason: "DesiredWithinRange", message: "the desired count is within the acceptable range" };
const TOO_MANY = {
  reason: "TooManyReplicas",
  message: "the desired replica count is more than the maximum replica count",
};
const TOO_FEW = {
  reason: "TooFewReplicas",
  message: "the desired replica count is less than the minimum replica count",
};
const TOO_FAST_UP = {
  reason: "ScaleUpLimit",
  message: "the desired replica count is increasing faster than the maximum scale rate",
};
const TOO_FAST_DOWN = {
  reason: "ScaleDownLimit",
  message: "the desired replica count is decreasing faster than the maximum scale rate",
};

type Why = { readonly reason: string; readonly message: string };
type Bounded = { readonly replicas: number; readonly why: Why };

/** Follows the recommendation as far as may be, and remembers it. */
export function limit(history: History, limits: Limits, current: number, wanted: number, now: number): Limited {
  const { behavior } = limits;
  const stable = behavior
    ? stabilize(history, windows(behavior, limits), current, wanted, now)
    : stabilizeDown(history, limits.downscaleStabilizationMs, wanted, now);
  const { replicas, why } = behavior
    ? byPolicies(history, behavior, limits, current, stable, now)
    : byDoubling(limits, current, stable);
  const held = behavior && wanted >= current ? STABLE_UP : STABLE_DOWN;
  return {
    replicas,
    stabilized: stable === wanted ? READY : held,
    limited: { status: replicas === stable ? "False" : "True", ...why },
  };
}

/** What was done counts against the policies for as long as the longest of them looks back. */
export function remember(history: History, behavior: Behavior | undefined, before: number, after: number, now: number) {
  if (!behavior) return;
  const [name, rules] =
    after > before ? (["ups", behavior.scaleUp] as const) : (["downs", behavior.scaleDown] as const);
  const longest = Math.max(0, ...(rules?.policies ?? []).map(({ periodSeconds }) => periodSeconds));
  const kept = history[name].filter(({ at }) => at >= now - longest * 1000);
  history[name] = [...kept, { at: now, change: Math.abs(after - before) }];
}

interface Windows {
  readonly upMs: number;
  readonly downMs: number;
}

function windows({ scaleUp, scaleDown }: Behavior, { downscaleStabilizationMs }: Limits): Windows {
  const down = scaleDown?.stabilizationWindowSeconds;
  return {
    upMs: (scaleUp?.stabilizationWindowSeconds ?? 0) * 1000,
    downMs: down === undefined ? downscaleStabilizationMs : down * 1000,
  };
}

function stabilize(history: History, { upMs, downMs }: Windows, current: number, wanted: number, now: number): number {
  const within = (ms: number) => history.recommendations.filter(({ at }) => at > now - ms).map((one) => one.replicas);
  const lowest = Math.min(wanted, ...within(upMs));
  const highest = Math.max(wanted, ...within(downMs));
  recommend(history, Math.max(upMs, downMs), wanted, now);
  return Math.min(Math.max(current, lowest), highest);
}

function stabilizeDown(history: History, windowMs: number, wanted: number, now: number): number {
  const recent = history.recommendations.filter(({ at }) => at >= now - windowMs).map(({ replicas }) => replicas);
  recommend(history, windowMs, wanted, now);
  return Math.max(wanted, ...recent);
}

function recommend(history: History, keepMs: number, replicas: number, now: number): void {
  const kept = history.recommendations.filter(({ at }) => at >= now - keepMs);
  history.recommendations = [...kept, { at: now, replicas }];
}

function byDoubling({ min, max }: Limits, current: number, wanted: number): Bounded {
  const fastest = Math.max(2 * current, 4);
  if (wanted < min) return { replicas: min, why: TOO_FEW };
  const most = Math.min(max, fastest);
  if (wanted > most) return { replicas: most, why: max > fastest ? TOO_FAST_UP : TOO_MANY };
  return { replicas: wanted, why: IN_RANGE };
}

function byPolicies(
  history: History,
  { scaleUp, scaleDown }: Behavior,
  { min, max }: Limits,
  current: number,
  wanted: number,
  now: number,
): Bounded {
  if (wanted === current) return { replicas: wanted, why: IN_RANGE };
  const [way, rules, bound] = wanted > current ? ([UP, scaleUp, max] as const) : ([DOWN, scaleDown, min] as const);
  const beyond = (one: number, other: number) => one !== other && way.most([one, other]) === one;
  const fastest = way.most([current, policyLimit(rules, way, history, current, now)]);
  const furthest = way.least([bound, fastest]);
  if (!beyond(wanted, furthest)) return { replicas: wanted, why: IN_RANGE };
  return { replicas: furthest, why: beyond(bound, fastest) ? way.tooFast : way.tooFar };
}

interface Direction {
  /** Of several, the one that changes least. */
  readonly least: (limits: readonly number[]) => number;
  readonly most: (limits: readonly number[]) => number;
  readonly pods: (from: number, value: number) => number;
  readonly percent: (from: number, value: number) => number;
  readonly tooFast: Why;
  readonly tooFar: Why;
}

const lowest = (limits: readonly number[]) => Math.min(...limits);
const highest = (limits: readonly number[]) => Math.max(...limits);

/** Rounded towards more Pods: else a small percentage of few would never change anything. */
const UP: Direction = {
  least: lowest,
  most: highest,
  pods: (from, value) => from + value,
  percent: (from, value) => Math.ceil(from * (1 + value / 100)),
  tooFast: TOO_FAST_UP,
  tooFar: TOO_MANY,
};
const DOWN: Direction = {
  least: highest,
  most: lowest,
  pods: (from, value) => from - value,
  percent: (from, value) => Math.trunc(from * (1 - value / 100)),
  tooFast: TOO_FAST_DOWN,
  tooFar: TOO_FEW,
};

function policyLimit(rules: Rules | undefined, way: Direction, { ups, downs }: History, current: number, now: number) {
  const { selectPolicy, policies = [] } = rules ?? {};
  if (selectPolicy === "Disabled" || policies.length === 0) return current;
  const limits = policies.map(({ type, value, periodSeconds }) => {
    const since = now - periodSeconds * 1000;
    const changed = (events: readonly ScaleEvent[]) =>
      events.filter(({ at }) => at > since).reduce((sum, { change }) => sum + change, 0);
    const from = current - changed(ups) + changed(downs);
    return type === "Percent" ? way.percent(from, value) : way.pods(from, value);
  });
  return selectPolicy === "Min" ? way.least(limits) : way.most(limits);
}
