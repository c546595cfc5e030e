/**
 * Progress: one line a step for a person who waits, on standard error.
 *
 * On a terminal the running step is shown with its seconds and replaced by its result;
 * elsewhere (CI, a pipe) each finished step is one plain line.
 */
import type { Clock } from "../process/clock.ts";

export interface Progress {
  /** Runs a step; what it returns is shown behind the step's name where it is a string. Rethrows its error. */
  step<T>(name: string, work: (note: (text: string) => void) => Promise<T>): Promise<T>;
  /** A plain line. */
  say(line: string): void;
}

export function createProgress(clock: Clock, out: NodeJS.WriteStream): Progress {
  const live = out.isTTY === true;
  const seconds = (since: number) => `${((clock.monotonic() - since) / 1000).toFixed(1)} s`;

  return {
    say: (line) => void out.write(`${line}\n`),
    async step(name, work) {
      const since = clock.monotonic();
      let detail = "";
      const draw = () => out.write(`\r\x1b[K  … ${name}${detail && ` (${detail})`} ${seconds(since)}`);
      const stopDrawing = live ? repeat(clock, 200, draw) : () => {};
      const finish = (mark: string, text: string) => {
        stopDrawing();
        out.write(`${live ? "\r\x1b[K" : ""}  ${mark} ${name}${text && `: ${text}`} (${seconds(since)})\n`);
      };
      try {
        const result = await work((text) => {
          detail = text;
        });
        finish("✓", typeof result === "string" ? result : "");
        return result;
      } catch (error) {
        finish("✗", detail);
        throw error;
      }
    },
  };
}

function repeat(clock: Clock, ms: number, fn: () => void): () => void {
  let timer = clock.after(ms, tick, { background: true });
  function tick() {
    fn();
    timer = clock.after(ms, tick, { background: true });
  }
  return () => timer.cancel();
}
