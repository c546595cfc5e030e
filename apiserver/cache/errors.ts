/**
 * Errors: what goes wrong in the store, as the API says it. The only place where StoreErrors become ApiErrors.
 */
import { ApiError, type Reason } from "../../machinery/objects/status.ts";
import { type Revision, StoreError, type StoreErrorCode } from "../store/contract.ts";

const translations: Readonly<Record<StoreErrorCode, { reason: Reason; message: (error: StoreError) => string }>> = {
  compacted: { reason: "Expired", message: () => "The resourceVersion for the provided list is too old." },
  future: { reason: "Timeout", message: ({ message }) => `Timeout: Too large resource version: ${message}` },
  unavailable: { reason: "ServiceUnavailable", message: ({ message }) => `storage is unavailable: ${message}` },
  tooLarge: { reason: "RequestEntityTooLarge", message: ({ message }) => `Request entity too large: ${message}` },
  full: { reason: "InternalError", message: ({ message }) => `Internal error occurred: storage is full: ${message}` },
};

/** How long a client should wait before it tries again what may succeed later. */
const RETRY_AFTER_SECONDS = 1;

export function translate(error: unknown): unknown {
  if (!(error instanceof StoreError)) return error;
  const { reason, message } = translations[error.code];
  return new ApiError(reason, message(error), error.retryable ? { retryAfterSeconds: RETRY_AFTER_SECONDS } : undefined);
}

/** Runs a call of the store and throws its failure as an ApiError. */
export async function asApi<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw translate(error);
  }
}

export const isCompacted = (error: unknown): boolean => error instanceof StoreError && error.code === "compacted";

/** The client may begin anew, or go on from the same place in what there is now: `token` says so. */
export const tooOldToContinue = (token: string): ApiError =>
  new ApiError(
    "Expired",
    "The provided continue parameter is too old to display a consistent list result. You can start a new list " +
      "without the continue parameter, or use the continue token in this response to retrieve the remainder of the " +
      "results. Continuing with the provided token results in an inconsistent list - objects that were created, " +
      "modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    undefined,
    undefined,
    { continue: token },
  );

export const tooOldToWatch = (asked: Revision, oldest: Revision): ApiError =>
  new ApiError("Expired", `too old resource version: ${asked} (${oldest})`);

export const tooLarge = (asked: Revision, current: Revision): ApiError =>
  new ApiError("Timeout", `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });

export const notLoaded = (why: string): ApiError =>
  new ApiError("ServiceUnavailable", `storage is unavailable: ${why}`, { retryAfterSeconds: RETRY_AFTER_SECONDS });
