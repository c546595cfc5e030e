/**
 * Set writes: what a Deployment wrote of its ReplicaSets and may not be in the cache yet.
 *
 * Each step of a rollout weighs all sets against each other; from an older copy of one of them the sum
 * would come out too small. So a Deployment waits for its own writes to show, those whose answer got lost
 * included: about these the server is asked first.
 */
import { keyOf, type Lister, type ObjectKey } from "../machinery/client/informer.ts";
import type { Services } from "../machinery/loop/controller.ts";
import { older } from "../machinery/loop/own-writes.ts";
import type { ReplicaSet } from "../machinery/objects/kinds.ts";
import { isDoubtful } from "../machinery/objects/status.ts";

type Context = { readonly replicasets: Lister<ReplicaSet> } & Pick<Services, "client" | "clock">;

interface Ref {
  readonly metadata: { readonly namespace?: string; readonly name?: string };
}

export interface SetWrites {
  /** Sends a write of a set and remembers what came of it. */
  send(deployment: ObjectKey, set: Ref, write: () => Promise<ReplicaSet>, now: number): Promise<ReplicaSet>;
  /** Milliseconds after which to look again, while a write does not show; undefined when all do. */
  behind(deployment: ObjectKey, context: Context): Promise<number | undefined>;
  /** The set of this uid is gone; another of its name may have been written since. */
  gone(set: ObjectKey, uid: string): void;
  forget(deployment: ObjectKey): void;
}

interface Written {
  /** Undefined: nobody knows. */
  readonly set: ReplicaSet | undefined;
  readonly at: number;
}

/** A write that has not shown by then is looked up on the server. */
const OVERDUE_MS = 5_000;

export function createSetWrites(): SetWrites {
  const written = new Map<ObjectKey, Map<ObjectKey, Written>>();
  const note = (deployment: ObjectKey, key: ObjectKey, set: ReplicaSet | undefined, at: number) => {
    const sets = written.get(deployment) ?? new Map<ObjectKey, Written>();
    written.set(deployment, sets.set(key, { set, at }));
  };

  return {
    async send(deployment, set, write, now) {
      try {
        const answer = await write();
        note(deployment, keyOf(set), answer, now);
        return answer;
      } catch (error) {
        if (isDoubtful(error)) note(deployment, keyOf(set), undefined, now);
        throw error;
      }
    },

    async behind(deployment, { client, clock, replicasets }) {
      const now = clock.monotonic();
      for (const [key, known] of [...(written.get(deployment) ?? [])]) {
        const { set, at } =
          known.set && now - known.at < OVERDUE_MS ? known : { ...known, ...(await ask(key, client)) };
        const cached = replicasets.get(key);
        if (!set || (cached && shows(cached, set))) written.get(deployment)?.delete(key);
        else note(deployment, key, set, known.set ? at : now);
      }
      if (written.get(deployment)?.size === 0) written.delete(deployment);
      return written.has(deployment) ? OVERDUE_MS : undefined;
    },

    gone(set, uid) {
      for (const sets of written.values()) if (sets.get(set)?.set?.metadata.uid === uid) sets.delete(set);
    },
    forget: (deployment) => void written.delete(deployment),
  };
}

async function ask(key: ObjectKey, client: Context["client"]): Promise<{ readonly set: ReplicaSet | undefined }> {
  const [namespace = "", name = ""] = key.split("/");
  return { set: await client.find("replicasets", { namespace, name }) };
}

/** Whether the cached set is the one written, or a later one; a former one of the same name is neither. */
function shows(cached: ReplicaSet, written: ReplicaSet): boolean {
  return !older(cached.metadata.resourceVersion, written.metadata.resourceVersion ?? "");
}
