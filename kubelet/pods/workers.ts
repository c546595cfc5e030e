/**
 * Pod workers: one for each Pod of this node, from the API's list to the last trace on the machine.
 *
 * On start it waits for the API's first list, then adopts what runs and removes what no Pod asks
 * for; before that nothing is touched, so a kubelet that starts while the API is away leaves
 * everything as it is.
 */
import type { Change, Informer } from "../../machinery/client/informer.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { isMirror } from "../static-pods/marks.ts";
import type { PodIdentity } from "./paths.ts";
import { removeOrphan, sweepDirectories } from "./removal.ts";
import type { PodServices } from "./services.ts";
import { createPodWorker, type PodWorker } from "./worker.ts";

const RETRY_MS = 500;
const REAP_MS = 10_000;

export interface PodWorkers {
  /** Follows the informer until the signal aborts. Resolves once what runs is adopted. */
  start(pods: Informer<Pod>): Promise<void>;
  /** Begins a Pod that is not in the API; `remove` its worker to end it. Call `look` before the first. */
  run(pod: Pod): PodWorker;
  /** Sees what the runtime holds; `start` does it too. */
  look(): Promise<void>;
  wake(uid: string): void;
  wakeAll(): void;
  referencesChanged(uid: string): void;
  /** Looks for Pods that only the runtime knows. */
  reapOrphans(): Promise<void>;
  /** While it is not known which static Pods there are, none that runs is taken for nobody's. */
  spareStatic(spare: boolean): void;
  find(namespace: string, name: string): PodWorker | undefined;
  list(): readonly PodWorker[];
}

/** `onEnd`: nothing is left of a Pod. */
export function createPodWorkers(services: PodServices, onEnd: (pod: Pod) => void = () => undefined): PodWorkers {
  const { observer, statuses, log } = services;
  const workers = new Map<string, PodWorker>();
  const reaping = new Map<string, Promise<void>>();
  /** Pods of which the runtime held something when this kubelet started: all others begin from nothing. */
  let found: ReadonlySet<string> | undefined;
  let sparesStatic = false;

  function onChange({ type, object, old }: Change<Pod>): void {
    if (isMirror(object)) return; // it only shows a Pod that runs under a uid of its own
    const { uid } = object.metadata;
    // another Pod under the same name: the first one was deleted while nobody looked
    if (old && old.metadata.uid !== uid) workers.get(old.metadata.uid)?.remove(old);
    if (type === "deleted") {
      workers.get(uid)?.remove(object);
      return;
    }
    statuses.seen(object);
    const worker = workers.get(uid);
    if (worker) worker.update(object);
    else begin(object);
  }

  function begin(pod: Pod): PodWorker {
    const { uid } = pod.metadata;
    const unseen = !found?.has(uid) && pod.status?.startTime === undefined;
    const worker = createPodWorker(pod, unseen, services, () => {
      workers.delete(uid);
      onEnd(pod);
    });
    workers.set(uid, worker);
    void Promise.resolve(reaping.get(uid)).then(worker.wake);
    return worker;
  }

  async function reap(pod: PodIdentity): Promise<void> {
    while (!services.signal.aborted) {
      try {
        await removeOrphan(pod, services);
        break;
      } catch (error) {
        log.warn("a Pod that the API does not know could not be removed yet", { uid: pod.uid, error });
        await services.clock.sleep(REAP_MS, services.signal).catch(() => undefined);
      }
    }
    reaping.delete(pod.uid);
  }

  async function knownPods(): Promise<readonly PodIdentity[]> {
    for (;;) {
      try {
        return await observer.pods();
      } catch (error) {
        log.warn("the runtime cannot be listed yet", { error });
        await services.clock.sleep(RETRY_MS, services.signal);
      }
    }
  }

  /** Answers those that are spared. */
  async function reapOrphans(): Promise<readonly string[]> {
    if (!found) return [];
    const spared: string[] = [];
    for (const pod of await observer.pods()) {
      if (workers.has(pod.uid) || reaping.has(pod.uid)) continue;
      if (sparesStatic && pod.isStatic) spared.push(pod.uid);
      else reaping.set(pod.uid, reap(pod));
    }
    return spared;
  }

  async function look(): Promise<void> {
    found ??= new Set((await knownPods()).map(({ uid }) => uid));
  }

  return {
    look,
    run: begin,
    async start(pods) {
      await pods.synced(services.signal);
      await look();
      pods.subscribe(onChange);
      const spared = await reapOrphans();
      await sweepDirectories(new Set([...workers.keys(), ...reaping.keys(), ...spared]), services);
    },
    wake: (uid) => workers.get(uid)?.wake(),
    wakeAll() {
      for (const worker of workers.values()) worker.wake();
    },
    referencesChanged: (uid) => workers.get(uid)?.referencesChanged(),
    async reapOrphans() {
      await reapOrphans();
    },
    spareStatic(spare) {
      sparesStatic = spare;
    },
    find: (namespace, name) =>
      [...workers.values()].find((worker) => {
        const { metadata } = worker.pod();
        return metadata.name === name && metadata.namespace === namespace;
      }),
    list: () => [...workers.values()],
  };
}
