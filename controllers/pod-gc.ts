/**
 * Pod GC: removes Pods that nobody else will: of nodes that are gone, ended ones beyond a number,
 * and deleted ones that never had a node, or whose node somebody declared to be out of service.
 *
 * That a node is gone is asked of the server, twice with some time between, before its Pods go. A Pod that had not
 * ended is marked as failed first, so that whoever counts it knows.
 * Dependents of deleted owners are garbage-collector.ts.
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
import { isTrue } from "../machinery/objects/conditions.ts";
import type { Node, Pod } from "../machinery/objects/kinds.ts";
import { isNotFound } from "../machinery/objects/status.ts";
import { isTerminal } from "./pod-state.ts";
import { disrupted } from "./taint-eviction.ts";

type Context = { readonly pods: Lister<Pod>; readonly nodes: Lister<Node> } & Services;

/** The key under which ended Pods are counted; no Pod's key is without a slash. */
const ENDED = "ended";
const QUARANTINE_MS = 40_000;

export function podGcController(endedThreshold: number): Controller {
  const ended = new Set<string>();
  /** Pod uid ► since when its node is missing, monotonic. */
  const missingSince = new Map<string, number>();
  return defineController({
    name: "pod-garbage-collector",
    watches: {
      pods: (change, listers) => {
        note(change, ended, missingSince);
        const keys = isSuspicious(change.object, listers["nodes"] as unknown as Lister<Node>) ? [change.key] : [];
        return ended.size > endedThreshold ? [...keys, ENDED] : keys;
      },
      nodes: podsOfLost,
    },

    async reconcile(key, context): Promise<Outcome> {
      if (key === ENDED) return trim(ended, endedThreshold, context);
      const pod = context.pods.get(key);
      if (!pod) return done;
      if (!pod.spec?.nodeName) {
        if (pod.metadata.deletionTimestamp) await remove(pod, undefined, context);
        return done;
      }
      const cached = context.nodes.get(pod.spec.nodeName);
      if (cached) {
        if (!pod.metadata.deletionTimestamp || !isOutOfService(cached)) return done;
        const node = await context.client.find("nodes", { name: pod.spec.nodeName });
        if (node && isOutOfService(node)) await remove(pod, undefined, context);
        return done;
      }
      const now = context.clock.monotonic();
      const since = missingSince.get(pod.metadata.uid) ?? now;
      missingSince.set(pod.metadata.uid, since);
      if (now - since < QUARANTINE_MS) return again(QUARANTINE_MS - (now - since));
      if (await context.client.find("nodes", { name: pod.spec.nodeName })) return done;
      await remove(pod, "PodGC: node no longer exists", context);
      return done;
    },
  });
}

function note({ key, type, object }: Change<Pod>, ended: Set<string>, missingSince: Map<string, number>): void {
  if (type === "deleted") missingSince.delete(object.metadata.uid);
  if (type !== "deleted" && isTerminal(object)) ended.add(key);
  else ended.delete(key);
}

function isSuspicious({ spec, metadata }: Pod, nodes: Lister<Node>): boolean {
  const node = spec?.nodeName ? nodes.get(spec.nodeName) : undefined;
  if (spec?.nodeName && !node) return true;
  return metadata.deletionTimestamp !== undefined && (!node || isOutOfService(node));
}

const OUT_OF_SERVICE = "node.kubernetes.io/out-of-service";

/** Said by people about a node that is off for good: nothing of it runs any more. */
const isOutOfService = ({ spec, status }: Node): boolean =>
  !isTrue(status?.conditions, "Ready") && (spec?.taints?.some(({ key }) => key === OUT_OF_SERVICE) ?? false);

function podsOfLost(
  { type, key: node, object, old }: Change<Node>,
  listers: Readonly<Record<string, unknown>>,
): string[] {
  const declared = isOutOfService(object) && !(old && isOutOfService(old));
  if (type !== "deleted" && !declared) return [];
  return (listers["pods"] as Lister<Pod>)
    .placedOn(node)
    .filter(({ metadata }) => type === "deleted" || metadata.deletionTimestamp)
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

/** Evicted Pods go first, then the oldest that ended, down to the threshold. */
async function trim(ended: ReadonlySet<string>, threshold: number, context: Context): Promise<Outcome> {
  const pods = [...ended].flatMap((key) => context.pods.get(key) ?? []);
  const surplus = goingFirst(pods).slice(0, Math.max(0, pods.length - threshold));
  for (const pod of surplus) if (!pod.metadata.deletionTimestamp) await remove(pod, undefined, context);
  return done;
}

export function goingFirst(pods: readonly Pod[]): readonly Pod[] {
  const rank = ({ status }: Pod) => (status?.phase === "Failed" && status.reason === "Evicted" ? 0 : 1);
  const age = ({ metadata }: Pod) => Date.parse(metadata.creationTimestamp);
  return [...pods].sort((a, b) => rank(a) - rank(b) || age(a) - age(b) || (a.metadata.name < b.metadata.name ? -1 : 1));
}

/** Deletes at once: there is no kubelet that would confirm. `why`: what the Pod says about it. */
async function remove(pod: Pod, why: string | undefined, { client, clock }: Context): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  try {
    if (!isTerminal(pod)) {
      const marked = why ? disrupted(pod, "DeletionByPodGC", why, clock.now()) : pod.status;
      await client.updateStatus("pods", { ...pod, status: { ...marked, phase: "Failed" } });
    }
    await client.delete("pods", { namespace, name }, { preconditions: { uid }, gracePeriodSeconds: 0 });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
