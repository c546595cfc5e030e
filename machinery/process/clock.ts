/**
 * Clock: the only place that knows the time, timers and randomness.
 *
 * Everything else takes a `Clock` as an argument, so that a whole cluster can run
 * under virtual time and a seed. Nothing outside this file may call Date.now,
 * setTimeout, Math.random or crypto.randomUUID (a test looks).
 * The virtual clock of tests is in fake-clock.ts.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { performance } from "node:perf_hooks";

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall time in milliseconds since 1970. May jump. */
  now(): number;
  /** Milliseconds on a clock that never jumps: for deadlines and durations. */
  monotonic(): number;
  /** Calls `fn` once after `ms`; the timer does not keep the process alive when `background`. */
  after(ms: number, fn: () => void, options?: { readonly background?: boolean }): Timer;
  /** Resolves after `ms`, or rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Uniform in [0, 1). */
  random(): number;
  uuid(): string;
  bytes(length: number): Uint8Array;
  /** Of virtual time, in which no loop is long: how all others get their turn. Without it, by the process's own turns. */
  readonly nextTurn?: () => Promise<void>;
}

/** The longest delay a Node timer takes; longer ones would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, fn, options) {
    // Node would take it for "at once", and a deadline would cut off what it guards.
    if (Number.isNaN(ms)) throw new RangeError("a timer needs a number of milliseconds");
    const timer = setTimeout(fn, Math.min(Math.max(ms, 0), MAX_TIMER_MS));
    if (options?.background) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  sleep(ms, signal) {
    return sleepOn(systemClock, ms, signal);
  },
  random: () => Math.random(),
  uuid: () => randomUUID(),
  bytes: (length) => randomBytes(length),
};

/** `sleep` in terms of `after`: shared by all clocks. */
export function sleepOn(clock: Pick<Clock, "after">, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** RFC 3339 in UTC with whole seconds, as metav1.Time is written. */
export function wireTime(ms: number): string {
  return `${new Date(Math.floor(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

/** RFC 3339 in UTC with microseconds, as metav1.MicroTime is written. */
export function wireMicroTime(ms: number): string {
  const micros = Math.floor((ms - Math.floor(ms)) * 1000);
  return `${new Date(ms).toISOString().slice(0, 23)}${String(micros).padStart(3, "0")}Z`;
}
