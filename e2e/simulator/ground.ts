/**
 * Ground: what really runs on the simulated machines, whatever the API says of it.
 *
 * Two containers of one Pod, or of one name where names are identities, are seen here and nowhere else.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";

export interface Running {
  readonly pod: Pod;
  readonly node: string;
  /** Elapsed milliseconds. */
  readonly startedAt: number;
  ready: boolean;
  restarts: number;
  /** Set when the container has ended by itself. */
  exit: number | undefined;
}

export interface Ground {
  start(node: string, pod: Pod): Running;
  stop(running: Running): void;
  /** What runs of this Pod on this node. */
  find(node: string, uid: string): Running | undefined;
  on(node: string): readonly Running[];
  onStart(seen: (started: Running, all: Iterable<Running>) => void): void;
}

export function createGround(elapsed: () => number): Ground {
  const running = new Map<string, Running>();
  const seen: ((started: Running, all: Iterable<Running>) => void)[] = [];
  const id = (node: string, uid: string) => `${node}/${uid}`;
  return {
    start(node, pod) {
      const started: Running = { pod, node, startedAt: elapsed(), ready: false, restarts: 0, exit: undefined };
      running.set(id(node, pod.metadata.uid), started);
      for (const one of seen) one(started, running.values());
      return started;
    },
    stop: ({ node, pod }) => void running.delete(id(node, pod.metadata.uid)),
    find: (node, uid) => running.get(id(node, uid)),
    on: (node) => [...running.values()].filter((one) => one.node === node),
    onStart: (one) => void seen.push(one),
  };
}
