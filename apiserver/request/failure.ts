/**
 * Failure: how any error becomes a Status response. The only place where foreign errors become ours.
 *
 * A caller never learns internals: an unexpected error is logged with its stack and answered as
 * InternalError with its message alone.
 */
import type { ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { StoreError, type StoreErrorCode } from "../store/contract.ts";

const STORE_FAILURES: Readonly<Record<StoreErrorCode, (message: string) => ApiError>> = {
  compacted: () => expired(),
  future: (message) => new ApiError("Timeout", `Too large resource version: ${message}`, { retryAfterSeconds: 1 }),
  unavailable: (message) => new ApiError("ServiceUnavailable", `the store is unavailable: ${message}`),
  full: (message) => new ApiError("InternalError", `the store is full, nothing was written: ${message}`),
};

/** 410 for a list or continue token whose revision is gone. */
export const expired = (): ApiError =>
  new ApiError(
    "Expired",
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
  );

/** 410 for a watch that starts before the kept history. */
export const tooOld = (asked: string, oldest: string): ApiError =>
  new ApiError("Expired", `too old resource version: ${asked} (${oldest})`);

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof StoreError) return STORE_FAILURES[error.code](error.message);
  const message = error instanceof Error ? error.message : String(error);
  return new ApiError("InternalError", `Internal error occurred: ${message}`);
}

export function failure(error: unknown, log: Logger): ResponseRecord {
  const known = asApiError(error);
  if (known !== error && !(error instanceof StoreError)) log.error("request failed unexpectedly", { error });
  const retry = known.details?.retryAfterSeconds;
  return {
    status: known.code,
    headers: { "content-type": "application/json", ...(retry ? { "retry-after": String(retry) } : {}) },
    body: { kind: "object", value: () => known.toStatus() },
  };
}
