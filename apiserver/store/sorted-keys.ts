/**
 * Sorted keys: the keys of a map in order, for lists that go on after a key.
 *
 * New keys and those that went wait aside until somebody reads the order: many writes between two lists then cost
 * one merge, not a shifted array each. Order is that of JavaScript strings, which for the ASCII keys of API
 * objects is that of their bytes.
 */

export interface SortedKeys {
  readonly size: number;
  /** The key must not be there yet. */
  add(key: string): void;
  remove(key: string): void;
  clear(): void;
  /** Index of the first key that is not before `key`. */
  from(key: string): number;
  /** Index of the first key after `key`. */
  after(key: string): number;
  at(index: number): string | undefined;
}

/** Keys up to this number are put in or taken out one by one. */
const FEW = 32;

export function createSortedKeys(): SortedKeys {
  let keys: string[] = [];
  const added = new Set<string>();
  /** Still in `keys`. */
  const gone = new Set<string>();

  const settle = (): void => {
    if (gone.size > FEW) keys = keys.filter((key) => !gone.has(key));
    else for (const key of gone) keys.splice(firstIndex(keys, key), 1);
    if (added.size > FEW) keys = merged(keys, [...added].sort(compare));
    else for (const key of added) keys.splice(firstIndex(keys, key), 0, key);
    if (gone.size > 0) gone.clear();
    if (added.size > 0) added.clear();
  };

  const from = (key: string): number => {
    settle();
    return firstIndex(keys, key);
  };

  return {
    get size() {
      return keys.length + added.size - gone.size;
    },
    add(key) {
      if (gone.delete(key)) return;
      const last = keys[keys.length - 1];
      // keys that come in order, as when everything is loaded, need no sorting
      if (added.size === 0 && (last === undefined || key > last)) keys.push(key);
      else added.add(key);
    },
    remove(key) {
      if (added.delete(key) || gone.has(key)) return;
      if (keys[keys.length - 1] === key) keys.pop();
      else if (keys[firstIndex(keys, key)] === key) gone.add(key);
    },
    clear() {
      keys = [];
      added.clear();
      gone.clear();
    },
    from,
    after(key) {
      const index = from(key);
      return keys[index] === key ? index + 1 : index;
    },
    at(index) {
      settle();
      return keys[index];
    },
  };
}

function firstIndex(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function merged(one: readonly string[], other: readonly string[]): string[] {
  const all: string[] = [];
  let at = 0;
  for (const key of other) {
    while (at < one.length && (one[at] as string) < key) all.push(one[at++] as string);
    all.push(key);
  }
  while (at < one.length) all.push(one[at++] as string);
  return all;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
