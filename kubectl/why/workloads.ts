/** Workloads: objects that have Pods: what their own conditions say, then the Pods that are not well. */
import type { Pod, PodTemplateSpec } from "../../machinery/objects/kinds.ts";
import { typeName } from "../discovery.ts";
import { podSelector } from "../pods.ts";
import type { FoundObject } from "../selection.ts";
import { badConditions } from "./conditions.ts";
import { whyTerminating } from "./deletion.ts";
import { type Explainer, type Explanation, explanation, lastEvent, type WhyContext } from "./explanation.ts";
import { whyPod } from "./pod.ts";

interface Counts {
  readonly replicas?: number;
  readonly readyReplicas?: number;
  readonly desiredNumberScheduled?: number;
  readonly numberReady?: number;
  readonly succeeded?: number;
  readonly failed?: number;
  readonly active?: number;
  readonly updatedReplicas?: number;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
}

interface Spec {
  readonly replicas?: number;
  readonly paused?: boolean;
  readonly suspend?: boolean;
  readonly completions?: number;
  readonly template?: PodTemplateSpec;
}

const MOST = 3;
const LOOKED_AT = 10;

export const whyWorkload: Explainer = async (found, context) => {
  const { object } = found;
  const subject = `${typeName(found.type)}/${found.name}`;
  const spec = (object["spec"] ?? {}) as Spec;
  const status = (object["status"] ?? {}) as Counts;
  const events = await context.events(object);
  const bad = badConditions(object);
  const unwell = await unwellPods(found, context);
  const finished = status.conditions?.some(({ type, status: holds }) => type === "Complete" && holds === "True");
  const says = finished ? "has completed" : counted(spec, status);
  const well = finished === true || (bad.length === 0 && unwell.length === 0 && isWhole(spec, status));
  const looked = well ? [] : await Promise.all(unwell.slice(0, LOOKED_AT).map((pod) => whyOne(pod, context)));
  const below = unlike(looked).slice(0, MOST);
  return explanation(subject, says, {
    well,
    because: [
      spec.paused ? "it is paused: changes of its Pods wait for `kubectl rollout resume`" : undefined,
      spec.suspend ? "it is suspended: no Pods run for it" : undefined,
      ...bad,
      well ? undefined : lastEvent(events, "FailedCreate", "FailedDelete", "FailedPlacement", "RecreatingFailedPod"),
      unwell.length > below.length ? `${unwell.length} of its Pods are not well: others are like these` : undefined,
    ],
    below,
  });
};

const whyOne: Explainer = (found, context) =>
  found.object.metadata.deletionTimestamp ? whyTerminating(found, context) : whyPod(found, context);

/** Pods of one template mostly have one trouble: it is told once. */
function unlike(all: readonly Explanation[]): readonly Explanation[] {
  const seen = new Set<string>();
  return all.filter((one) => {
    const text = JSON.stringify({ ...one, subject: "" }).replaceAll(one.subject.slice("pod/".length), "");
    if (seen.has(text)) return false;
    seen.add(text);
    return true;
  });
}

function counted(spec: Spec, status: Counts): string {
  if (status.desiredNumberScheduled !== undefined)
    return `has ${status.numberReady ?? 0} of ${status.desiredNumberScheduled} Pods ready`;
  if (spec.replicas !== undefined)
    return spec.replicas === 0 ? "asks for no Pods" : `has ${status.readyReplicas ?? 0} of ${spec.replicas} Pods ready`;
  const { active = 0, succeeded = 0, failed = 0 } = status;
  return `has ${succeeded} of ${spec.completions ?? 1} completions (${active} Pods active, ${failed} failed)`;
}

function isWhole(spec: Spec, status: Counts): boolean {
  if (status.desiredNumberScheduled !== undefined) return status.numberReady === status.desiredNumberScheduled;
  return spec.replicas !== undefined && (status.readyReplicas ?? 0) >= spec.replicas;
}

/** Those that are not ready, the newest of a kind of trouble first; ended ones only of what is to complete. */
async function unwellPods(found: FoundObject, context: WhyContext): Promise<readonly FoundObject[]> {
  const selector = podSelector(found);
  if (!selector) return [];
  const pods = await context.list<Pod>("pods", found.namespace, { selector });
  const unwell = pods.filter(({ status, metadata }) => {
    if (status?.phase === "Succeeded") return false;
    const ready = status?.conditions?.some(({ type, status: holds }) => type === "Ready" && holds === "True");
    return !ready || metadata.deletionTimestamp;
  });
  return Promise.all(unwell.map((pod) => context.find("pods", pod as never)));
}
