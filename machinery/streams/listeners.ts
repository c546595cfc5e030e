/** One listener that may come later than the first items: they wait for it. */
export interface Listeners<T> {
  emit(item: T): void;
  listen(listener: (item: T) => void): void;
}

export function createListeners<T>(): Listeners<T> {
  let waiting: T[] = [];
  let listener: ((item: T) => void) | undefined;
  return {
    emit: (item) => {
      if (listener) listener(item);
      else waiting.push(item);
    },
    listen: (next) => {
      listener = next;
      const items = waiting;
      waiting = [];
      for (const item of items) next(item);
    },
  };
}
