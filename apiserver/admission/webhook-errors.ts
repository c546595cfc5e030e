/**
 * Webhook errors: a webhook that cannot be asked, and one that says no, in Kubernetes' words.
 */
import { ApiError, badRequest, type Status } from "../../machinery/objects/status.ts";

/** It could not be asked: failurePolicy says what that means. */
export class CallingWebhookError extends Error {
  override readonly name = "CallingWebhookError";
  readonly code: number;
  /** The client that waited has gone. */
  readonly canceled: boolean;
  constructor(webhook: string, why: string, code = 503, canceled = false) {
    super(`failed calling webhook ${JSON.stringify(webhook)}: ${why}`);
    this.code = code;
    this.canceled = canceled;
  }
}

export const internalError = (message: string): ApiError =>
  new ApiError("InternalError", `Internal error occurred: ${message}`, { causes: [{ message }] });

/** The answer of a webhook that said no, with the code, reason and details that it gave. */
export class Rejection extends Error {
  override readonly name = "Rejection";
  readonly error: ApiError;
  constructor(webhook: string, result: Partial<Status> = {}) {
    const by = `admission webhook ${JSON.stringify(webhook)} denied the request`;
    const why = result.message || result.reason;
    const message = why ? `${by}: ${why}` : `${by} without explanation`;
    super(message);
    // an answer below 400 would not be one that refuses
    const code = result.code !== undefined && result.code >= 400 ? result.code : 400;
    this.error = new ApiError(result.reason ?? "", message, result.details, code);
  }
}

export const noDryRun = (webhook: string): ApiError =>
  badRequest(`admission webhook ${JSON.stringify(webhook)} does not support dry run`);

export const outOfTime = (): ApiError =>
  new ApiError("Timeout", "Timeout: request did not complete within requested timeout");
