/**
 * Heap: items in order of `before`, of which the first is at hand and any can be taken out.
 *
 * What an item is compared by must not change while it is in the heap.
 */
export interface Heap<T> {
  readonly size: number;
  readonly first: T | undefined;
  push(item: T): void;
  pop(): T | undefined;
  /** Takes an item out wherever it stands; no effect where it is not in. */
  remove(item: T): void;
}

export function createHeap<T>(before: (a: T, b: T) => boolean): Heap<T> {
  const items: T[] = [];
  const places = new Map<T, number>();

  const put = (item: T, at: number) => {
    items[at] = item;
    places.set(item, at);
  };

  /** Moves an item that belongs at or above `at` to its place. */
  function rise(item: T, at: number): void {
    for (let parent = (at - 1) >> 1; at > 0; parent = (at - 1) >> 1) {
      const above = items[parent] as T;
      if (!before(item, above)) break;
      put(above, at);
      at = parent;
    }
    put(item, at);
  }

  /** Moves an item that belongs at or below `at` to its place. */
  function sink(item: T, at: number): void {
    for (let child = 2 * at + 1; child < items.length; child = 2 * at + 1) {
      const [left, right] = [items[child] as T, items[child + 1]];
      if (right !== undefined && before(right, left)) child++;
      const below = items[child] as T;
      if (!before(below, item)) break;
      put(below, at);
      at = child;
    }
    put(item, at);
  }

  function remove(item: T): void {
    const at = places.get(item);
    if (at === undefined) return;
    places.delete(item);
    const last = items.pop() as T;
    if (last === item) return;
    const parent = items[(at - 1) >> 1] as T;
    if (at > 0 && before(last, parent)) rise(last, at);
    else sink(last, at);
  }

  return {
    get size() {
      return items.length;
    },
    get first() {
      return items[0];
    },
    push(item) {
      if (!places.has(item)) rise(item, items.length);
    },
    pop() {
      const item = items[0];
      if (item !== undefined) remove(item);
      return item;
    },
    remove,
  };
}
