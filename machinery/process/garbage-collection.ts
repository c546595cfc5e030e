/**
 * Garbage collection: when V8 takes stock of the old generation.
 *
 * By itself V8 marks the whole heap for each 64 MB of buffers that were made since the last time, and while it marks,
 * each new buffer waits for some milliseconds of it. A server makes that much every few seconds, for what arrives on
 * a socket is a buffer: with a large heap it marks without end, and requests wait for seconds. Here buffers count with
 * the heap, which may grow by a part of what was alive before it is marked again.
 */
import { setFlagsFromString } from "node:v8";

/** Without it a heap of hundreds of megabytes doubles before it is marked. */
const GROWTH_PERCENT = 50;

/** For this process from now on. */
export function countBuffersWithHeap(): void {
  setFlagsFromString("--external-memory-accounted-in-global-limit");
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
