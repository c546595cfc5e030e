/**
 * Deadline: how long a request may take: what it asks for (`timeout=10s`), at most what the server's flag says.
 *
 * Its work is not undone: whether a write came through must be read, as after any lost answer. Watches, logs,
 * sessions and proxies have no deadline.
 */
import type { RequestRecord, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { ApiError, badRequest } from "../../machinery/objects/status.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { RequestInfo } from "./path.ts";

const STREAMS: ReadonlySet<string> = new Set(["attach", "exec", "log", "portforward", "proxy"]);

export function withDeadline(
  clock: Clock,
  mostMs: number,
  { query, upgrade }: RequestRecord,
  { verb, subresource }: RequestInfo,
  work: () => Promise<ResponseRecord>,
): Promise<ResponseRecord> {
  if (upgrade || verb === "watch" || STREAMS.has(subresource)) return work();
  const asked = query.get("timeout");
  const ms = asked ? Math.min(durationOf(asked, mostMs), mostMs) : mostMs;
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => reject(late()), { background: true });
    work().then(
      (response) => {
        timer.cancel();
        resolve(response);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}

const late = (): ApiError =>
  new ApiError("Timeout", "Timeout: request did not complete within requested timeout - context deadline exceeded");

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A duration of Go, as clients write it: "1m30s". */
function durationOf(text: string, mostMs: number): number {
  if (text === "0") return mostMs;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/gy)];
  const ms = parts.reduce((sum, [, number, unit = ""]) => sum + Number(number) * (UNITS[unit] ?? 0), 0);
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text)
    throw badRequest(`invalid timeout specified in the request URL - invalid duration ${JSON.stringify(text)}`);
  return ms > 0 ? ms : mostMs;
}
