/**
 * Parsed: which versions keep their parsed object and other encodings, and which only their bytes.
 *
 * What was used lately stays; beyond a bound in bytes the rest is let go and parsed again when it is asked for.
 * A parsed object takes more than its JSON, so a cache that kept all of them would take twice and more. While
 * somebody else holds an object (an informer of this process), it is found again and not made twice.
 */
import { limits } from "../../machinery/process/limits.ts";

/** What can let go of what it keeps beside its bytes. */
export interface Keeper {
  readonly bytes: number;
  /** True when it was not used since the last call. */
  rested(): boolean;
  cool(): void;
}

export interface Parsed {
  /** The keeper has just begun to keep something. */
  hold(keeper: Keeper): void;
}

export function createParsed(most: number = limits.parsedObjectBytes): Parsed {
  let queue: Keeper[] = [];
  let head = 0;
  let bytes = 0;

  /** Whoever was used since it came has another turn, but each only one a call: the loop ends. */
  const trim = (): void => {
    for (let turns = queue.length - head; bytes > most && turns > 0; turns--) {
      const oldest = queue[head++] as Keeper;
      if (!oldest.rested()) queue.push(oldest);
      else {
        bytes -= oldest.bytes;
        oldest.cool();
      }
    }
    if (head < 1_024 || head * 2 < queue.length) return;
    queue = queue.slice(head);
    head = 0;
  };

  return {
    hold(keeper) {
      queue.push(keeper);
      bytes += keeper.bytes;
      if (bytes > most) trim();
    },
  };
}
