/**
 * Merged items: a configuration's list laid over the live one, in an order that respects both.
 *
 * Items that both have stand as the configuration says; what only the live object has keeps its place among them.
 */
interface Lists {
  readonly live: readonly unknown[];
  readonly config: readonly unknown[];
  elementOf(item: unknown): string;
  merge(live: unknown, config: unknown): unknown;
}

export function mergedItems({ live, config, elementOf, merge }: Lists): unknown[] {
  const liveOrder = live.map(elementOf);
  const configOrder = config.map(elementOf);
  const wanted = new Map(configOrder.map((element, at) => [element, config[at]]));
  const there = new Map<string, unknown>();
  // An item that is there several times gives way to the configuration's.
  for (const [at, element] of liveOrder.entries()) there.set(element, there.has(element) ? undefined : live[at]);
  const shared = configOrder.filter((element) => there.has(element));
  const done = new Set<string>();
  const result: unknown[] = [];

  const take = (element: string): void => {
    const old = there.get(element);
    const item = wanted.get(element);
    result.push(old === undefined ? item : merge(old, item));
    done.add(element);
  };
  let next = 0;
  let left = 0;
  let right = 0;
  while (left < live.length || right < config.length) {
    const [theirs, mine] = [liveOrder[left], configOrder[right]];
    if (theirs !== undefined && !wanted.has(theirs)) {
      result.push(live[left++]);
      continue;
    }
    // What both have is taken at the configuration's turn; here it only says how far the live list has come.
    const early = theirs !== undefined && theirs !== mine && next < shared.length && shared[next] !== theirs;
    if (mine === undefined || early) {
      left++;
      continue;
    }
    if (theirs !== undefined && (theirs === mine || done.has(theirs))) left++;
    take(mine);
    right++;
    if (shared[next] === mine) next++;
  }
  return result;
}
