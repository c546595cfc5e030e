/**
 * Mirrors: shows each static Pod in the API, as a Pod that only this node may make and nobody runs.
 *
 * Level-based, one look a name: a mirror that belongs to no static Pod, or to another version of its file, or that
 * somebody deletes, is removed at once; then the right one is made. The mirror of a static Pod that was taken away stays
 * until that has stopped. Its status comes from the static Pod: mirrored-statuses.ts.
 */
import type { Client } from "../../machinery/client/client.ts";
import type { Change } from "../../machinery/client/informer.ts";
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { isConflict, isNotFound } from "../../machinery/objects/status.ts";
import type { Draft } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { HASH, isMirror, MIRROR } from "./marks.ts";

export interface MirrorsContext {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Undefined before it is registered: a mirror is owned by its node. */
  readonly node: () => Node | undefined;
  /** Whether something of the static Pod with that uid is still there. */
  readonly lives: (uid: string) => boolean;
}

export interface Mirrors {
  /** The static Pods of this node, all of them. */
  want(pods: readonly Pod[]): void;
  /** What the API says of the Pods of this node; call `ready` once its first list is in. */
  seen(change: Change<Pod>): void;
  ready(): void;
  /** Something may have changed about this static Pod. */
  look(pod: Pod): void;
}

const RETRY_MS = 1_000;
const RETRY_MAX_MS = 30_000;

const keyOf = ({ metadata }: Pick<Pod, "metadata">): string => `${metadata.namespace}/${metadata.name}`;

export function createMirrors({ client, clock, log, signal, node, lives }: MirrorsContext): Mirrors {
  let wanted: ReadonlyMap<string, Pod> = new Map();
  const actual = new Map<string, Pod>();
  /** Names under work; true where there is to be another look afterwards. */
  const busy = new Map<string, boolean>();
  let isReady = false;

  function wake(key: string): void {
    if (!isReady || signal.aborted) return;
    if (busy.has(key)) busy.set(key, true);
    else void settle(key);
  }

  async function settle(key: string): Promise<void> {
    for (let delay = RETRY_MS; !signal.aborted; ) {
      busy.set(key, false);
      try {
        await converge(key);
        if (!busy.get(key)) break;
      } catch (error) {
        if (signal.aborted) break;
        log.warn("a mirror Pod could not be made right yet", { object: `pods/${key}`, error });
        await clock.sleep(delay, signal).catch(() => undefined);
        delay = Math.min(delay * 2, RETRY_MAX_MS);
      }
    }
    busy.delete(key);
  }

  async function converge(key: string): Promise<void> {
    const pod = wanted.get(key);
    const mirror = actual.get(key);
    if (mirror && !isRight(mirror, pod)) {
      const of = mirror.metadata.annotations?.[MIRROR] ?? "";
      if (!pod && !mirror.metadata.deletionTimestamp && lives(of)) return;
      await remove(mirror);
      actual.delete(key);
    } else if (mirror) return;
    const owner = node();
    if (!pod || !owner) return;
    actual.set(key, await client.create("pods", mirrorOf(pod, owner)));
    log.info("a static Pod is shown in the API", { object: `pods/${key}` });
  }

  async function remove({ metadata }: Pod): Promise<void> {
    const { namespace, name, uid } = metadata;
    try {
      await client.delete("pods", { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  return {
    want(pods) {
      const before = wanted;
      wanted = new Map(pods.map((pod) => [keyOf(pod), pod]));
      for (const key of new Set([...before.keys(), ...wanted.keys()])) wake(key);
    },
    seen({ type, object, old }) {
      for (const pod of [object, old]) {
        if (!pod || !isMirror(pod)) continue;
        const key = keyOf(pod);
        if (type === "deleted") {
          if (actual.get(key)?.metadata.uid === pod.metadata.uid) actual.delete(key);
        } else if (pod === object) actual.set(key, pod);
        wake(key);
      }
    },
    ready() {
      isReady = true;
      for (const key of new Set([...wanted.keys(), ...actual.keys()])) wake(key);
    },
    look: (pod) => wake(keyOf(pod)),
  };
}

function isRight(mirror: Pod, pod: Pod | undefined): boolean {
  return !mirror.metadata.deletionTimestamp && mirror.metadata.annotations?.[MIRROR] === pod?.metadata.uid;
}

export function mirrorOf(pod: Pod, owner: Node): Draft<Pod> {
  const { name, namespace, labels, annotations } = pod.metadata;
  const { name: nodeName, uid } = owner.metadata;
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels ? { labels } : {}),
      annotations: { ...annotations, [MIRROR]: annotations?.[HASH] ?? "" },
      ownerReferences: [{ apiVersion: "v1", kind: "Node", name: nodeName, uid, controller: true }],
    },
    ...(pod.spec ? { spec: pod.spec } : {}),
  };
}
