/**
 * Logging: one JSON line an event, to a stream that the process was given.
 *
 * `event` is a constant sentence; what varies goes into fields (`object` as "pods/default/web-1",
 * `revision`, `error`), so that logs can be searched. Rotation is the supervisor's concern:
 * see machinery/cluster.
 */
import type { Clock } from "./clock.ts";

export type Level = "debug" | "info" | "warn" | "error";
export type Fields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(event: string, fields?: Fields): void;
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  error(event: string, fields?: Fields): void;
  /** A logger that adds `fields` to each line. */
  child(fields: Fields): Logger;
}

const ORDER: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export interface LoggingOptions {
  readonly component: string;
  readonly clock: Clock;
  readonly level?: Level;
  /** Takes one line with its newline. */
  readonly write: (line: string) => void;
}

export function createLogger({ component, clock, level = "info", write }: LoggingOptions): Logger {
  const at = (base: Fields): Logger => {
    const log = (lineLevel: Level, event: string, fields?: Fields) => {
      if (ORDER[lineLevel] < ORDER[level]) return;
      const line = {
        time: new Date(clock.now()).toISOString(),
        level: lineLevel,
        component,
        event,
        ...base,
        ...fields,
      };
      write(`${JSON.stringify(line, plain)}\n`);
    };
    return {
      debug: (event, fields) => log("debug", event, fields),
      info: (event, fields) => log("info", event, fields),
      warn: (event, fields) => log("warn", event, fields),
      error: (event, fields) => log("error", event, fields),
      child: (fields) => at({ ...base, ...fields }),
    };
  };
  return at({});
}

/** A logger that drops everything: for tests whose subject is elsewhere. */
export const silent: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silent,
};

function plain(_key: string, value: unknown): unknown {
  if (value instanceof Error)
    return { name: value.name, message: value.message, stack: value.stack, cause: value.cause };
  return typeof value === "bigint" ? value.toString() : value;
}
