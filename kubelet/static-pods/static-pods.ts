/**
 * Static Pods: runs what stands in the files, whether the API server answers or not, and keeps their mirrors.
 *
 * A file that changed is another Pod under the same name: it begins once nothing of the one before is left. What this
 * kubelet has never run is looked up in the runtime first, so that containers of the last kubelet are adopted. While the
 * sources cannot be read at all, what runs stays.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { PodWorker } from "../pods/worker.ts";
import type { PodWorkers } from "../pods/workers.ts";
import type { Mirrors } from "./mirrors.ts";
import type { Source } from "./source.ts";

export interface StaticPodsContext {
  readonly source: Source;
  readonly workers: Pick<PodWorkers, "run" | "look" | "spareStatic" | "reapOrphans">;
  readonly mirrors: Mirrors;
  readonly log: Logger;
}

export interface StaticPods {
  /** Begins what the files say now; resolves when that is done. */
  begin(): Promise<void>;
  /** Follows the files until the signal aborts. */
  follow(): Promise<void>;
  /** Nothing is left of a Pod. */
  ended(pod: Pod): void;
  /** Whether something of a static Pod is still there, as far as is known. */
  lives(uid: string): boolean;
}

interface Running {
  readonly pod: Pod;
  readonly worker: PodWorker;
  leaving: boolean;
}

const nameOf = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.name}`;

export function createStaticPods({ source, workers, mirrors, log }: StaticPodsContext): StaticPods {
  /** By uid. */
  const running = new Map<string, Running>();
  let wanted: readonly Pod[] = [];
  let spares = false;

  function apply(pods: readonly Pod[]): void {
    wanted = pods;
    const uids = new Set(pods.map(({ metadata }) => metadata.uid));
    for (const [uid, one] of running) {
      if (uids.has(uid) || one.leaving) continue;
      one.leaving = true;
      one.worker.remove(one.pod);
    }
    beginWaiting();
    mirrors.want(pods);
  }

  function beginWaiting(): void {
    const names = new Set([...running.values()].map(({ pod }) => nameOf(pod)));
    for (const pod of wanted) {
      if (names.has(nameOf(pod))) continue;
      running.set(pod.metadata.uid, { pod, worker: workers.run(pod), leaving: false });
    }
  }

  return {
    async begin() {
      const pods = await source.read().catch(() => undefined); // told of by `follow`
      await workers.look();
      spares = !source.isComplete();
      workers.spareStatic(spares);
      if (pods) apply(pods);
    },
    follow: () =>
      source.follow((pods) => {
        apply(pods);
        if (!spares || !source.isComplete()) return;
        spares = false;
        workers.spareStatic(false);
        void workers.reapOrphans().catch((error: unknown) => log.warn("the runtime cannot be listed", { error }));
      }),
    ended(pod) {
      if (!running.delete(pod.metadata.uid)) return;
      beginWaiting();
      mirrors.look(pod);
    },
    lives: (uid) => running.has(uid) || !source.isComplete(),
  };
}
