/**
 * Pod GC: removes Pods that nobody else will: of nodes that are gone, ended ones beyond a number,
 * and deleted ones that never had a node.
 *
 * That a node is gone is asked of the server, twice with some time between, before its Pods go.
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
      nodes: podsOfDeleted,
    },

    async reconcile(key, context): Promise<Outcome> {
      if (key === ENDED) return trim(ended, endedThreshold, context);
      const pod = context.pods.get(key);
      if (!pod) return done;
      if (!pod.spec?.nodeName) {
        if (pod.metadata.deletionTimestamp) await remove(pod, undefined, context);
        return done;
      }
      if (context.nodes.get(pod.spec.nodeName)) return done;
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

const isSuspicious = ({ spec, metadata }: Pod, nodes: Lister<Node>): boolean =>
  spec?.nodeName ? !nodes.get(spec.nodeName) : metadata.deletionTimestamp !== undefined;

function podsOfDeleted({ type, key: node }: Change<Node>, listers: Readonly<Record<string, unknown>>): string[] {
  if (type !== "deleted") return [];
  return (listers["pods"] as Lister<Pod>)
    .list()
    .filter(({ spec }) => spec?.nodeName === node)
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

/** The oldest ended Pods go, down to the threshold. */
async function trim(ended: ReadonlySet<string>, threshold: number, context: Context): Promise<Outcome> {
  const pods = [...ended].flatMap((key) => context.pods.get(key) ?? []);
  const age = ({ metadata }: Pod) => Date.parse(metadata.creationTimestamp);
  const surplus = pods.sort((a, b) => age(a) - age(b)).slice(0, Math.max(0, pods.length - threshold));
  for (const pod of surplus) await remove(pod, undefined, context);
  return done;
}

/** Deletes at once: there is no kubelet that would confirm. `why` marks a Pod that had not ended as failed. */
async function remove(pod: Pod, why: string | undefined, { client, clock }: Context): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  try {
    if (why && !isTerminal(pod)) {
      const status = { ...disrupted(pod, "DeletionByPodGC", why, clock.now()), phase: "Failed" };
      await client.updateStatus("pods", { ...pod, status });
    }
    await client.delete("pods", { namespace, name }, { preconditions: { uid }, gracePeriodSeconds: 0 });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
