/**
 * Watchful log: a component's log that nobody reads, save that what a component must never have to say is told.
 *
 * The server may refuse, be away or conflict; anything else that a reconcile throws is a fault of its own.
 */
import { ApiError } from "../../machinery/objects/status.ts";
import type { Logger } from "../../machinery/process/logging.ts";

export function watchfulLog(process: string, broke: (problem: string) => void): Logger {
  const look = (message: string, fields?: Readonly<Record<string, unknown>>) => {
    const error = fields?.["error"];
    if (error instanceof Error && !(error instanceof ApiError) && !EXPECTED.has(error.name))
      broke(`${process}: ${message}: ${error.stack}`);
  };
  const log: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: look,
    error(message, fields) {
      look(message, fields);
      if (!(fields?.["error"] instanceof ApiError)) broke(`${process}: ${message} ${JSON.stringify(fields)}`);
    },
    child: () => log,
  };
  return log;
}

const EXPECTED = new Set(["LeadershipLost", "AbortError"]);
