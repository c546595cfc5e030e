/**
 * Failure: how any error becomes a Status response. The store's errors became ours in cache/errors.ts.
 *
 * A caller never learns internals: an unexpected error is logged with its stack and answered as
 * InternalError with its message alone.
 */
import type { ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import type { Logger } from "../../machinery/process/logging.ts";

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ApiError("InternalError", `Internal error occurred: ${message}`);
}

export function failure(error: unknown, log: Logger): ResponseRecord {
  const known = asApiError(error);
  if (known !== error) log.error("request failed unexpectedly", { error });
  const retry = known.details?.retryAfterSeconds;
  return {
    status: known.code,
    headers: { "content-type": "application/json", ...(retry ? { "retry-after": String(retry) } : {}) },
    body: { kind: "object", value: () => known.toStatus() },
  };
}
