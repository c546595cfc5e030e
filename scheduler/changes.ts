/**
 * Changes: what each change in the API does to the snapshot and the queue.
 *
 * A node or a bound Pod goes to the snapshot, a Pod without a node to the queue, and what has happened wakes
 * those whom it may help (happenings.ts).
 */
import type { Change } from "../machinery/client/informer.ts";
import type { Informers } from "../machinery/client/shared-informers.ts";
import type { Node, Pod } from "../machinery/objects/kinds.ts";
import type { StoredObject } from "../machinery/objects/wire.ts";
import { LOOKED_UP, type LookedUp } from "./cluster.ts";
import { type Happened, type Happening, nodeHappenings, podHappenings } from "./happenings.ts";
import type { NominationBook } from "./nominations.ts";
import type { SchedulingQueue } from "./queue.ts";
import { sameStrings } from "./same.ts";
import type { Snapshot } from "./snapshot.ts";
import type { WaitingBook } from "./waiting-pods.ts";

export interface ChangesOptions {
  readonly informers: Informers;
  readonly queue: SchedulingQueue;
  readonly snapshot: Snapshot;
  readonly nominations: NominationBook;
  readonly waiting: WaitingBook;
  /** Whether this scheduler places the Pod. */
  isOurs(pod: Pod): boolean;
}

/** Returns what ends it. */
export function followChanges(options: ChangesOptions): () => void {
  const { informers, queue, snapshot, nominations, waiting, isOurs } = options;
  const stop = [
    informers.of("nodes").subscribe(onNode),
    informers.of("pods").subscribe(onPod),
    ...LOOKED_UP.map((resource) => informers.of(resource).subscribe((change) => onOther(resource, change))),
  ];
  return () => {
    for (const unsubscribe of stop) unsubscribe();
  };

  function wake(happenings: readonly Happening[], { type, object, old }: Change<StoredObject>): void {
    if (happenings.length === 0) return;
    const shared = { object, ...(old ? { old } : {}), ...(type === "deleted" ? { deleted: true } : {}) };
    queue.wake(
      happenings.map((what): Happened => ({ what, ...shared })),
      object.metadata.resourceVersion,
    );
  }

  function onNode(change: Change<Node>): void {
    const { type, object, old } = change;
    if (type === "deleted") {
      snapshot.removeNode(object.metadata.name);
      wake(["node-gone"], change);
    } else {
      snapshot.setNode(object);
      wake(nodeHappenings(old, object), change);
    }
  }

  function onPod(change: Change<Pod>): void {
    const { type, object, old } = change;
    const { uid } = object.metadata;
    const nodeName = object.spec?.nodeName;
    if (type === "deleted" || isTerminal(object)) {
      const leaves = nominations.of(uid) !== undefined;
      queue.remove(uid);
      nominations.remove(uid);
      waiting.reject(uid, "", "the Pod is gone");
      if (snapshot.removePod(uid) || leaves) wake(["pod-gone"], change);
    } else if (nodeName) {
      queue.remove(uid);
      nominations.remove(uid);
      snapshot.setPod(object, nodeName);
      wake(podHappenings(old, object), change);
    } else if (isOurs(object) && !object.metadata.deletionTimestamp) {
      queue.put(object);
      nominate(object, old);
    } else {
      queue.remove(uid);
      nominations.remove(uid);
    }
  }

  /** What the API says counts when it changes; until then what was decided here does. */
  function nominate(pod: Pod, old: Pod | undefined): void {
    const now = pod.status?.nominatedNodeName ?? "";
    if (now === (old?.status?.nominatedNodeName ?? "")) return;
    const info = queue.get(pod.metadata.uid);
    if (now === "") nominations.remove(pod.metadata.uid);
    else if (info) nominations.nominate(info, now);
  }

  function onOther(resource: LookedUp, change: Change<StoredObject>): void {
    const labelsChange = !sameStrings(change.object.metadata.labels, change.old?.metadata.labels);
    if (resource === "namespaces" && (labelsChange || change.type !== "updated"))
      snapshot.cluster.pods.namespaceChanged();
    wake([resource], change);
  }
}

const isTerminal = ({ status }: Pod) => status?.phase === "Succeeded" || status?.phase === "Failed";
