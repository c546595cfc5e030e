/**
 * Ground: what really runs on the simulated machines, whatever the API says of it.
 *
 * Two containers of one Pod, or of one name where names are identities, are seen here and nowhere else.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";

export interface Running {
  readonly pod: Pod;
  readonly node: string;
  /** Names of the volumes that it has mounted. */
  readonly volumes: readonly string[];
  /** Elapsed milliseconds. */
  readonly startedAt: number;
  ready: boolean;
  restarts: number;
  /** Set when the container has ended by itself. */
  exit: number | undefined;
  /** What it has used of a processor until when. */
  readonly used: { seconds: number; until: number };
}

export interface Ground {
  start(node: string, pod: Pod, volumes: readonly string[]): Running;
  stop(running: Running): void;
  /** What runs of this Pod on this node. */
  find(node: string, uid: string): Running | undefined;
  on(node: string): readonly Running[];
  all(): Iterable<Running>;
  onStart(seen: (started: Running, all: Iterable<Running>) => void): void;
}

export function createGround(elapsed: () => number): Ground {
  const running = new Map<string, Running>();
  const seen: ((started: Running, all: Iterable<Running>) => void)[] = [];
  const id = (node: string, uid: string) => `${node}/${uid}`;
  return {
    start(node, pod, volumes) {
      const startedAt = elapsed();
      const used = { seconds: 0, until: startedAt };
      const started: Running = { pod, node, volumes, startedAt, ready: false, restarts: 0, exit: undefined, used };
      running.set(id(node, pod.metadata.uid), started);
      for (const one of seen) one(started, running.values());
      return started;
    },
    stop(one) {
      const key = id(one.node, one.pod.metadata.uid);
      if (running.get(key) === one) running.delete(key);
    },
    find: (node, uid) => running.get(id(node, uid)),
    on: (node) => [...running.values()].filter((one) => one.node === node),
    all: () => running.values(),
    onStart: (one) => void seen.push(one),
  };
}
