/**
 * Taint eviction: deletes Pods from nodes with a NoExecute taint that they do not tolerate, or no longer.
 *
 * Before it deletes it reads the node from the server: a taint may be gone already. Who sets the
 * taints: node-lifecycle.ts.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
 */
import type { Change, Lister } from "../machinery/client/informer.ts";
import {
  again,
  type Controller,
  defineController,
  done,
  type Outcome,
  type Services,
} from "../machinery/loop/controller.ts";
import { withCondition } from "../machinery/objects/conditions.ts";
import type { Node, Pod, Taint } from "../machinery/objects/kinds.ts";
import { isConflict, isNotFound } from "../machinery/objects/status.ts";
import { tolerates } from "../machinery/objects/tolerations.ts";
import { wireTime } from "../machinery/process/clock.ts";
import { sameJson } from "./canonical-json.ts";

type Context = { readonly pods: Lister<Pod>; readonly nodes: Lister<Node> } & Services;

export function taintEvictionController(): Controller {
  /** Pods whose deletion is planned ► their uid. */
  const planned = new Map<string, string>();
  return defineController({
    name: "taint-eviction-controller",
    workers: 8,
    watches: { pods: placedOrChanged, nodes: podsOnTainted },

    async reconcile(key, context): Promise<Outcome> {
      const pod = context.pods.get(key);
      if (!pod?.spec?.nodeName || pod.metadata.deletionTimestamp) {
        planned.delete(key);
        return done;
      }
      const plan = (wait: number | undefined): Outcome => {
        if (wait !== undefined) planned.set(key, pod.metadata.uid);
        else if (planned.get(key) === pod.metadata.uid)
          context.events.normal(pod, "TaintManagerEviction", `Cancelling deletion of Pod ${key}`);
        if (wait === undefined) planned.delete(key);
        return wait === undefined ? done : again(wait);
      };
      const now = context.clock.now();
      const wait = timeLeft(pod, context.nodes.get(pod.spec.nodeName), now);
      if (wait !== 0) return plan(wait);

      const node = await context.client.find("nodes", { name: pod.spec.nodeName });
      const left = timeLeft(pod, node, now);
      if (left !== 0) return plan(left);
      await evict(pod, context);
      planned.delete(key);
      return done;
    },
  });
}

/** A Pod that came to a node, or whose tolerations changed. */
function placedOrChanged({ key, object, old, type }: Change<Pod>): string[] {
  if (type === "deleted") return [key];
  if (!object.spec?.nodeName) return [];
  const before = old?.spec;
  return before?.nodeName === object.spec.nodeName && sameJson(before.tolerations, object.spec.tolerations)
    ? []
    : [key];
}

/** All Pods of a node whose NoExecute taints changed. */
function podsOnTainted(
  { object: node, old, type }: Change<Node>,
  listers: Readonly<Record<string, unknown>>,
): string[] {
  if (type === "deleted" || sameJson(noExecute(node), noExecute(old))) return [];
  return (listers["pods"] as Lister<Pod>)
    .placedOn(node.metadata.name)
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

async function evict(pod: Pod, { client, events, clock }: Context): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  events.normal(pod, "TaintManagerEviction", `Marking for deletion Pod ${namespace}/${name}`);
  try {
    await client.updateStatus("pods", {
      ...pod,
      status: disrupted(pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", clock.now()),
    });
    await client.delete("pods", { namespace, name }, { preconditions: { uid } });
  } catch (error) {
    if (isNotFound(error)) return;
    if (isConflict(error) && (await client.find("pods", { namespace, name }))?.metadata.uid !== uid) return;
    throw error;
  }
}

/** The Pod's status, saying who is about to delete it. */
export function disrupted(pod: Pod, reason: string, message: string, now: number): NonNullable<Pod["status"]> {
  const condition = { type: "DisruptionTarget", status: "True", reason, message };
  return { ...pod.status, conditions: withCondition(pod.status?.conditions, condition, wireTime(now)) };
}

const noExecute = (node: Node | undefined): readonly Taint[] =>
  node?.spec?.taints?.filter(({ effect }) => effect === "NoExecute") ?? [];

/** Milliseconds that the Pod may stay: 0 when it must go, undefined when it may stay for ever. */
export function timeLeft(pod: Pod, node: Node | undefined, now: number): number | undefined {
  const deadlines = noExecute(node).map((taint) => {
    const tolerated = (pod.spec?.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
    if (tolerated.length === 0) return 0;
    const limited = tolerated
      .map(({ tolerationSeconds }) => tolerationSeconds)
      .filter((seconds) => seconds !== undefined);
    if (limited.length === 0) return Number.POSITIVE_INFINITY;
    const since = Date.parse(taint.timeAdded ?? "");
    return Math.max(0, (Number.isNaN(since) ? now : since) + Math.max(0, Math.min(...limited)) * 1000 - now);
  });
  const least = Math.min(Number.POSITIVE_INFINITY, ...deadlines);
  return least === Number.POSITIVE_INFINITY ? undefined : least;
}
