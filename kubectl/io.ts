/**
 * What a run of kubectl may touch: streams, environment, files and the clock, all given.
 *
 * Commands never use process or global state, so that tests run them in-process, side by side.
 */
import type { Readable, Writable } from "node:stream";
import type { Clock } from "../machinery/process/clock.ts";

export interface KubectlIo {
  readonly stdin: Readable & { readonly isTTY?: boolean; setRawMode?(on: boolean): unknown };
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly clock: Clock;
  /** Aborted on SIGINT. */
  readonly signal: AbortSignal;
}
