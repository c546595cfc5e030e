/**
 * Garbage collection: when V8 takes stock of the old generation.
 *
 * By itself V8 marks the whole heap for each 64 MB of buffers that were made since the last time, and while it marks,
 * each new buffer waits for some milliseconds of it. A server makes that much every few seconds, for what arrives on
 * a socket is a buffer: with a large heap it marks without end, and requests wait for seconds. Here buffers count with
 * the heap, which may grow by a part of what was alive before it is marked again: by less of it the more that is, for
 * what V8 has once taken for garbage stays taken.
 */
import { constants, type PerformanceEntry, PerformanceObserver } from "node:perf_hooks";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { limits } from "./limits.ts";

/** Without it a heap of hundreds of megabytes doubles before it is marked. */
const GROWTH_PERCENT = 50;
/** A heap is not marked more often than that, however large. */
const LEAST_PERCENT = 10;

/** For this process from now on. */
export function countBuffersWithHeap(): void {
  setFlagsFromString("--external-memory-accounted-in-global-limit");
  setGrowth(GROWTH_PERCENT);
  let growth = GROWTH_PERCENT;
  new PerformanceObserver((list) => {
    if (!list.getEntries().some(isMarked)) return;
    const { used_heap_size: heap, external_memory: buffers } = getHeapStatistics();
    const next = growthOf(heap + buffers);
    if (next !== growth) setGrowth(next);
    growth = next;
  }).observe({ entryTypes: ["gc"] });
}

const setGrowth = (percent: number): void => setFlagsFromString(`--heap-growing-percent=${percent}`);

function isMarked(entry: PerformanceEntry): boolean {
  const { detail } = entry as PerformanceEntry & { readonly detail?: { readonly kind?: number } };
  return detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
}

/** By how much of its size a heap may grow, in percent. */
export function growthOf(bytes: number): number {
  const percent = Math.round((100 * limits.garbageBytes) / bytes);
  return Math.min(GROWTH_PERCENT, Math.max(LEAST_PERCENT, percent));
}
