/**
 * Horizontal Pod autoscaler: sets the size of a workload by what its Pods, or other things, are measured to do.
 *
 * Looked at every 15 s (by default) and when its spec changes, never because of its own status. The size is read from and written
 * to the server with its version, so that neither a lagging cache nor a lost answer scales twice. What a restart
 * forgets (earlier recommendations and steps) only makes it slower to go down: it begins with the size it finds.
 * Numbers: autoscaler-proposals.ts; how fast: autoscaler-behavior.ts; the scale itself: autoscaler-target.ts.
 * https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/
 */
import type { Lister } from "../machinery/client/informer.ts";
import {
  again,
  type Controller,
  defineController,
  done,
  type Outcome,
  type Services,
} from "../machinery/loop/controller.ts";
import { createOwnWrites, type OwnWrites } from "../machinery/loop/own-writes.ts";
import type { HorizontalPodAutoscaler, Pod } from "../machinery/objects/kinds.ts";
import { parseQuantity } from "../machinery/objects/quantity.ts";
import { matches, parseLabelSelector, type Selector, SelectorError } from "../machinery/objects/selectors.ts";
import { ApiError } from "../machinery/objects/status.ts";
import type { Clock } from "../machinery/process/clock.ts";
import { wireTime } from "../machinery/process/clock.ts";
import { type History, type Limits, limit, remember } from "./autoscaler-behavior.ts";
import { type MetricProposal, type MetricStatus, propose, type Question } from "./autoscaler-proposals.ts";
import { createStatus, type StatusDraft } from "./autoscaler-status.ts";
import { createTargets, rescale, type ScaleTarget, TargetError, type Targets } from "./autoscaler-target.ts";
import { sameJson } from "./canonical-json.ts";
import { autoscalerDefaults } from "./controller-flags.ts";

type Autoscaler = HorizontalPodAutoscaler;
type Spec = NonNullable<Autoscaler["spec"]>;
type Context = { readonly horizontalpodautoscalers: Lister<Autoscaler>; readonly pods: Lister<Pod> } & Services;

const BEHIND_MS = 1_000;

export interface AutoscalerSettings {
  readonly syncMs: number;
  /** How long a higher recommendation holds where the autoscaler has no behaviour of its own for it. */
  readonly downscaleStabilizationMs: number;
  readonly tolerance: number;
  /** How long after its start a Pod's CPU may tell of starting. */
  readonly cpuInitializationMs: number;
  readonly initialReadinessMs: number;
}

/** What is remembered of autoscalers, by key. */
interface Memory {
  readonly histories: Map<string, History>;
  /** Which Pods each of them scales. */
  readonly selectors: Map<string, Selector>;
  readonly own: OwnWrites;
  readonly targets: Targets;
  readonly settings: AutoscalerSettings;
}

export function horizontalPodAutoscalerController(
  clock: Clock,
  settings: AutoscalerSettings = autoscalerDefaults,
): Controller {
  const memory: Memory = {
    settings,
    histories: new Map(),
    selectors: new Map(),
    own: createOwnWrites(),
    targets: createTargets(clock),
  };
  return defineController({
    name: "horizontal-pod-autoscaler",
    workers: 5,
    watches: {
      horizontalpodautoscalers: ({ key, type, object, old }) => {
        if (type === "deleted") forget(memory, key);
        return type === "updated" && sameJson(object.spec, old?.spec) ? [] : [key];
      },
      pods: () => [],
    },

    async reconcile(key, context): Promise<Outcome> {
      const autoscaler = context.horizontalpodautoscalers.get(key);
      if (!autoscaler?.spec) return done;
      if (memory.own.behind(key, autoscaler)) return again(BEHIND_MS);

      const status = createStatus(autoscaler, context.clock.now());
      await evaluate(key, autoscaler, autoscaler.spec, status, context, memory);
      const patch = status.changes();
      if (patch) {
        const { namespace, name, uid } = autoscaler.metadata;
        const body = { metadata: { uid }, status: patch };
        const options = { type: "merge", subresource: "status" } as const;
        const written = await context.client.patch("horizontalpodautoscalers", { namespace, name }, body, options);
        memory.own.wrote(key, written);
      }
      return again(settings.syncMs);
    },
  });
}

function forget({ histories, selectors, own }: Memory, key: string): void {
  histories.delete(key);
  selectors.delete(key);
  own.forget(key);
}

/** One look from beginning to end; what it finds and does stands in the status. */
async function evaluate(
  key: string,
  autoscaler: Autoscaler,
  spec: Spec,
  status: StatusDraft,
  context: Context,
  memory: Memory,
): Promise<void> {
  const target = await findTarget(autoscaler, spec, status, context, memory.targets);
  if (!target) return;
  const current = target.scale.spec?.replicas ?? 0;
  const history = memory.histories.get(key) ?? {
    recommendations: [{ at: context.clock.monotonic(), replicas: current }],
    ups: [],
    downs: [],
  };
  memory.histories.set(key, history);

  const decision = await decide(key, autoscaler, spec, target, history, status, context, memory);
  if (!decision || decision.replicas === current) {
    status.sizes(current, decision ? current : undefined);
    return;
  }
  await follow(autoscaler, spec, target, decision, history, status, context);
}

async function findTarget(
  autoscaler: Autoscaler,
  { scaleTargetRef }: Spec,
  status: StatusDraft,
  { client, events }: Context,
  targets: Targets,
): Promise<ScaleTarget | undefined> {
  try {
    const found = await targets.find(client, autoscaler.metadata.namespace ?? "", scaleTargetRef);
    status.condition(
      "AbleToScale",
      "True",
      "SucceededGetScale",
      "the HPA controller was able to get the target's current scale",
    );
    return found;
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof TargetError)) throw error;
    events.warning(autoscaler, "FailedGetScale", error.message);
    const message = `the HPA controller was unable to get the target's current scale: ${error.message}`;
    status.condition("AbleToScale", "False", "FailedGetScale", message);
    return undefined;
  }
}

interface Decision {
  readonly replicas: number;
  readonly reason: string;
}

/** Undefined when nothing can be said of the size. */
async function decide(
  key: string,
  autoscaler: Autoscaler,
  spec: Spec,
  target: ScaleTarget,
  history: History,
  status: StatusDraft,
  context: Context,
  memory: Memory,
): Promise<Decision | undefined> {
  const { maxReplicas: max, minReplicas: min = 1, behavior } = spec;
  const current = target.scale.spec?.replicas ?? 0;
  if (current === 0 && min !== 0) {
    const message = "scaling is disabled since the replica count of the target is zero";
    status.condition("ScalingActive", "False", "ScalingDisabled", message);
    return { replicas: 0, reason: "" };
  }
  if (current > max) return { replicas: max, reason: "Current number of replicas above Spec.MaxReplicas" };
  if (current < min) return { replicas: min, reason: "Current number of replicas below Spec.MinReplicas" };

  const wanted = await measure(key, autoscaler, spec, target, status, context, memory);
  if (!wanted) return undefined;
  const { downscaleStabilizationMs } = memory.settings;
  const limits: Limits = { min, max, behavior, downscaleStabilizationMs };
  const { replicas, stabilized, limited } = limit(history, limits, current, wanted.replicas, context.clock.monotonic());
  status.condition("AbleToScale", "True", stabilized.reason, stabilized.message);
  status.condition("ScalingLimited", limited.status, limited.reason, limited.message);
  const reason = wanted.replicas > current ? `${wanted.name} above target` : "All metrics below target";
  return { replicas, reason };
}

/** The largest of what the metrics ask for. */
async function measure(
  key: string,
  autoscaler: Autoscaler,
  spec: Spec,
  { scale }: ScaleTarget,
  status: StatusDraft,
  context: Context,
  memory: Memory,
): Promise<Pick<MetricProposal, "replicas" | "name"> | undefined> {
  const { events, client, clock, pods } = context;
  const { namespace = "" } = autoscaler.metadata;
  const failed = (why: string) => events.warning(autoscaler, "FailedComputeMetricsReplicas", why);
  const selector = scale.status?.selector ?? "";
  const selected = selectedPods(key, selector, pods.list(namespace), memory);
  if ("problem" in selected) {
    const { reason, condition, problem, message } = selected;
    events.warning(autoscaler, reason, problem);
    status.condition("ScalingActive", "False", condition, message);
    failed(problem);
    return undefined;
  }

  const question: Question = {
    client,
    namespace,
    selector,
    pods: selected.pods,
    specReplicas: scale.spec?.replicas ?? 0,
    statusReplicas: scale.status?.replicas ?? 0,
    tolerances: {
      up: ratioOf(spec.behavior?.scaleUp?.tolerance, memory.settings),
      down: ratioOf(spec.behavior?.scaleDown?.tolerance, memory.settings),
    },
    timing: { ...memory.settings, now: clock.now() },
    resourceOf: (apiVersion, kind) => memory.targets.resourceOf(client, apiVersion, kind),
  };
  const metrics = spec.metrics ?? [];
  const statuses: MetricStatus[] = [];
  let first: { readonly reason: string; readonly message: string; readonly whole: string } | undefined;
  let invalid = 0;
  let best: MetricProposal | undefined;
  for (const metric of metrics) {
    const outcome = await propose(metric, question);
    if ("whole" in outcome) {
      events.warning(autoscaler, outcome.reason, outcome.message);
      statuses.push({ type: "" });
      first ??= outcome;
      invalid++;
    } else {
      statuses.push(outcome.status);
      if (!best || outcome.replicas > best.replicas) best = outcome;
    }
  }
  status.metrics(statuses);
  if (first && (!best || best.replicas < question.specReplicas)) {
    const message = `the HPA was unable to compute the replica count: ${first.message}`;
    status.condition("ScalingActive", "False", first.reason, message);
    failed(`invalid metrics (${invalid} invalid out of ${metrics.length}), first error is: ${first.whole}`);
    return undefined;
  }
  const found = `the HPA was able to successfully calculate a replica count from ${best?.name ?? ""}`;
  status.condition("ScalingActive", "True", "ValidMetricFound", found);
  return best ?? { replicas: 0, name: "" };
}

/** A quantity, "100m" of one. */
function ratioOf(tolerance: string | undefined, settings: AutoscalerSettings): number {
  return tolerance === undefined ? settings.tolerance : Number(parseQuantity(tolerance).nanos) / 1e9;
}

type Selected =
  | { readonly pods: readonly Pod[] }
  | { readonly reason: string; readonly condition: string; readonly problem: string; readonly message: string };

/** The Pods that the scale means, unless another autoscaler means some of them too. */
function selectedPods(key: string, text: string, all: readonly Pod[], { selectors }: Memory): Selected {
  if (text === "")
    return {
      reason: "SelectorRequired",
      condition: "InvalidSelector",
      problem: "selector is required",
      message: "the HPA target's scale is missing a selector",
    };
  let selector: Selector;
  try {
    selector = parseLabelSelector(text);
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    const problem = `couldn't convert selector into a corresponding internal selector object: ${error.message}`;
    return { reason: "InvalidSelector", condition: "InvalidSelector", problem, message: problem };
  }
  selectors.set(key, selector);
  const pods = all.filter(({ metadata }) => matches(selector, metadata.labels));
  const [namespace] = key.split("/", 1);
  const rivals = [...selectors]
    .filter(([other]) => other !== key && other.startsWith(`${namespace}/`))
    .filter(([, theirs]) => pods.some(({ metadata }) => matches(theirs, metadata.labels)))
    .map(([other]) => other);
  if (rivals.length === 0) return { pods };
  const several = [key, ...rivals].sort().join(" ");
  const problem = `pods by selector ${text} are controlled by multiple HPAs: [${several}]`;
  return { reason: "AmbiguousSelector", condition: "AmbiguousSelector", problem, message: problem };
}

async function follow(
  autoscaler: Autoscaler,
  { behavior }: Spec,
  target: ScaleTarget,
  { replicas, reason }: Decision,
  history: History,
  status: StatusDraft,
  { client, clock, events }: Context,
): Promise<void> {
  const before = target.scale.spec?.replicas ?? 0;
  try {
    await rescale(client, clock, target, replicas);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { message } = error;
    events.warning(autoscaler, "FailedRescale", `New size: ${replicas}; reason: ${reason}; error: ${message}`);
    const why = `the HPA controller was unable to update the target scale: ${message}`;
    status.condition("AbleToScale", "False", "FailedUpdateScale", why);
    status.sizes(before, undefined);
    return;
  }
  const done = `the HPA controller was able to update the target scale to ${replicas}`;
  status.condition("AbleToScale", "True", "SucceededRescale", done);
  events.normal(autoscaler, "SuccessfulRescale", `New size: ${replicas}; reason: ${reason}`);
  remember(history, behavior, before, replicas, clock.monotonic());
  status.sizes(before, replicas);
  status.scaledAt(wireTime(clock.now()));
}
