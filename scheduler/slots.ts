/** Slots: so many pieces of work at a time, the others in the order in which they came. */
export interface Slots {
  run<T>(work: () => Promise<T>): Promise<T>;
  readonly full: boolean;
  /** Resolves when one is free. */
  free(): Promise<void>;
}

export function createSlots(most: number): Slots {
  const waiting: (() => void)[] = [];
  const watching: (() => void)[] = [];
  let taken = 0;

  function leave(): void {
    const next = waiting.shift();
    if (next) {
      next();
      return;
    }
    taken--;
    for (const resolve of watching.splice(0)) resolve();
  }

  return {
    get full() {
      return taken >= most;
    },
    free: () => (taken < most ? Promise.resolve() : new Promise((resolve) => watching.push(resolve))),
    async run(work) {
      if (taken < most) taken++;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
}
