/**
 * Pod deletions: deletes Pods that a controller has chosen, each as the one that was seen.
 *
 * A deletion without answer is in doubt: before more is decided about its owner the server is asked whether the
 * Pod is still there, so that no other one goes in its place. Creations: pod-creations.ts.
 */
import type { ObjectKey } from "../machinery/client/informer.ts";
import type { Services, Subject } from "../machinery/loop/controller.ts";
import type { Expectations } from "../machinery/loop/expectations.ts";
import type { Pod } from "../machinery/objects/kinds.ts";
import { isConflict, isDoubtful, isNotFound } from "../machinery/objects/status.ts";

type Context = Pick<Services, "client" | "clock" | "events">;

export interface PodDeletions {
  /** Clears up deletions that nobody knows of. Call before anything is decided; throws while the server does not say. */
  settle(key: ObjectKey, context: Pick<Context, "client">): Promise<void>;
  /**
   * Deletes them all at once; says what failed first. Of those that go for what they are in, one that is not any more
   * what was seen (`asSeen`) stays, and the error is a conflict.
   */
  delete(
    key: ObjectKey,
    owner: Subject,
    pods: readonly Pod[],
    context: Context,
    asSeen?: (pod: Pod) => boolean,
  ): Promise<{ readonly error?: unknown }>;
  forget(key: ObjectKey): void;
}

export function createPodDeletions(expectations: Expectations): PodDeletions {
  /** By uid. */
  const doubts = new Map<ObjectKey, Map<string, Pod>>();
  const doubt = (key: ObjectKey, pod: Pod) => {
    const pods = doubts.get(key) ?? new Map<string, Pod>();
    doubts.set(key, pods.set(pod.metadata.uid, pod));
  };

  const deleteOne = async (key: ObjectKey, owner: Subject, pod: Pod, exact: boolean, { client, events }: Context) => {
    const { namespace, name, uid, resourceVersion } = pod.metadata;
    const preconditions = exact ? { uid, resourceVersion } : { uid };
    try {
      await client.delete("pods", { namespace, name }, { preconditions });
      events.normal(owner, "SuccessfulDelete", `Deleted pod: ${name}`);
    } catch (error) {
      if (isDoubtful(error)) doubt(key, pod);
      else expectations.deletionObserved(key, uid);
      if (isNotFound(error)) return;
      if (exact && isConflict(error)) throw error;
      events.warning(owner, "FailedDelete", `Error deleting: ${(error as Error).message}`);
      throw error;
    }
  };

  return {
    async settle(key, { client }) {
      for (const [uid, { metadata }] of doubts.get(key) ?? []) {
        const live = await client.find("pods", { namespace: metadata.namespace, name: metadata.name });
        doubts.get(key)?.delete(uid);
        if (live?.metadata.uid === uid && !live.metadata.deletionTimestamp) expectations.deletionObserved(key, uid);
      }
      doubts.delete(key);
    },

    async delete(key, owner, pods, context, asSeen = () => false) {
      const uids = pods.map(({ metadata }) => metadata.uid);
      expectations.expectDeletions(key, uids, context.clock.monotonic());
      const results = await Promise.allSettled(pods.map((pod) => deleteOne(key, owner, pod, asSeen(pod), context)));
      const errors = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
      return errors.length > 0 ? { error: errors.find((error) => !isConflict(error)) ?? errors[0] } : {};
    },

    forget: (key) => void doubts.delete(key),
  };
}
