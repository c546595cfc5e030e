/**
 * Watchful log: a component's log that nobody reads, save that what a component must never have to say is told.
 *
 * The server may refuse, be away or conflict; anything else that a reconcile throws is a fault of its own.
 */
import { ApiError } from "../../machinery/objects/status.ts";
import type { Logger } from "../../machinery/process/logging.ts";

export function watchfulLog(process: string, broke: (promise: string, problem: string) => void): Logger {
  const look = (message: string, fields?: Readonly<Record<string, unknown>>) => {
    const error = fields?.["error"];
    if (error instanceof Error && !passes(error)) broke("log", `${process}: ${message}: ${error.stack}`);
  };
  const log: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: look,
    error(message, fields) {
      look(message, fields);
      if (!passes(fields?.["error"])) broke("log", `${process}: ${message} ${JSON.stringify(fields)}`);
    },
    child: () => log,
  };
  return log;
}

const EXPECTED = new Set(["LeadershipLost", "AbortError"]);
/** What passes by itself: a plugin takes its word back when the Pod is gone, a claim that is deleted comes anew. */
const REFUSED = /^running PreBind plugin|^pvc \S+ (is being deleted|belongs to a former StatefulSet \S+)$/;

const passes = (error: unknown): boolean =>
  error instanceof ApiError || (error instanceof Error && (EXPECTED.has(error.name) || REFUSED.test(error.message)));
