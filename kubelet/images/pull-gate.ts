/**
 * Pull gate: how many images are pulled at the same time; the others wait in the order in which they came.
 */
export interface PullGate {
  /** Runs the work when its turn comes. */
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** `most`: undefined for no limit. */
export function createPullGate(most: number | undefined): PullGate {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    async run(work) {
      if (most !== undefined && running >= most) await new Promise<void>((resolve) => waiting.push(resolve));
      else running++;
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next) next();
        else running--;
      }
    },
  };
}
