/**
 * Slots: which number each endpoint of a list has, so that a change of one moves at most one other. Pure but for what it remembers.
 *
 * Numbers go from 0 without a gap, for one is drawn at random.
 */

export interface Slots {
  /** The endpoints of a list in the order of their numbers. */
  arrange(list: string, endpoints: readonly string[]): readonly string[];
  forget(list: string): void;
}

export function createSlots(): Slots {
  const known = new Map<string, readonly string[]>();
  return {
    arrange(list, endpoints) {
      const order = arranged(known.get(list) ?? [], endpoints);
      if (order.length > 1) known.set(list, order);
      else known.delete(list); // with one there is nothing to remember
      return order;
    },
    forget: (list) => void known.delete(list),
  };
}

/** Who is still there keeps its number; gaps are filled by new ones, then from the end. */
export function arranged(before: readonly string[], now: readonly string[]): readonly string[] {
  const wanted = new Set(now);
  const known = new Set(before);
  const fresh = [...wanted].filter((one) => !known.has(one)).sort();
  const order: (string | undefined)[] = before.map((one) => (wanted.has(one) ? one : fresh.shift()));
  order.push(...fresh);
  for (let at = 0; at < order.length; at++) {
    while (order.length > at && order.at(-1) === undefined) order.pop();
    if (at < order.length && order[at] === undefined) order[at] = order.pop();
  }
  return order as string[];
}
