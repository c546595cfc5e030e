/**
 * Sorted keys: the keys of a map in order, for lists that go on after a key.
 *
 * Order is that of JavaScript strings, which for the ASCII keys of API objects is that of their bytes.
 */

export interface SortedKeys {
  readonly size: number;
  add(key: string): void;
  remove(key: string): void;
  clear(): void;
  /** Index of the first key that is not before `key`. */
  from(key: string): number;
  /** Index of the first key after `key`. */
  after(key: string): number;
  at(index: number): string | undefined;
}

export function createSortedKeys(): SortedKeys {
  let keys: string[] = [];

  const firstIndex = (key: string): number => {
    const last = keys.length - 1;
    if (last < 0 || (keys[last] as string) < key) return keys.length;
    let low = 0;
    let high = last;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((keys[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  return {
    get size() {
      return keys.length;
    },
    add(key) {
      const index = firstIndex(key);
      if (keys[index] === key) return;
      if (index === keys.length) keys.push(key);
      else keys.splice(index, 0, key);
    },
    remove(key) {
      const index = firstIndex(key);
      if (keys[index] === key) keys.splice(index, 1);
    },
    clear() {
      keys = [];
    },
    from: firstIndex,
    after(key) {
      const index = firstIndex(key);
      return keys[index] === key ? index + 1 : index;
    },
    at: (index) => keys[index],
  };
}
