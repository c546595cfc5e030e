/**
 * Status: the one error that travels between API server and clients.
 *
 * Every failure of a request is an ApiError; its reasons, codes and wording are those of
 * k8s.io/apimachinery/pkg/api/errors. Clients see the same ApiError that the server threw.
 * https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.36/#status-v1-meta
 */

export interface StatusCause {
  /** FieldValueRequired, FieldValueInvalid … for field errors. */
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

export interface Status {
  readonly kind: "Status";
  readonly apiVersion: "v1";
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly status: "Success" | "Failure";
  readonly message?: string;
  readonly reason?: string;
  readonly details?: StatusDetails;
  readonly code: number;
}

/** Reason ► HTTP code. The table of all failures that the API knows. */
export const reasons = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  NotImplemented: 501,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const;

export type Reason = keyof typeof reasons;

/** Reasons after which the same request may succeed later. */
const RETRYABLE: ReadonlySet<string> = new Set(["TooManyRequests", "InternalError", "ServiceUnavailable", "Timeout"]);

export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly reason: string;
  readonly code: number;
  readonly details: StatusDetails | undefined;
  /** The Status' own metadata: where an expired list may go on. */
  readonly metadata: Status["metadata"];

  constructor(
    reason: Reason | (string & {}),
    message: string,
    details?: StatusDetails,
    code?: number,
    metadata: Status["metadata"] = {},
  ) {
    super(message);
    this.metadata = metadata;
    this.reason = reason;
    this.code = code ?? reasons[reason as Reason] ?? 500;
    this.details = details;
  }

  get retryable(): boolean {
    return RETRYABLE.has(this.reason);
  }

  toStatus(): Status {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: this.metadata,
      status: "Failure",
      message: this.message,
      ...(this.reason ? { reason: this.reason } : {}),
      ...(this.details ? { details: this.details } : {}),
      code: this.code,
    };
  }

  /** The error that a Status of a server stands for. */
  static from(status: Partial<Status>, fallbackCode = 500): ApiError {
    const code = status.code ?? fallbackCode;
    return new ApiError(
      status.reason ?? "Unknown",
      status.message ?? `the server answered ${code}`,
      status.details,
      code,
      status.metadata,
    );
  }
}

/** `resource` is "pods" or "deployments.apps", as in messages. */
export const notFound = (resource: string, name: string): ApiError =>
  new ApiError("NotFound", `${resource} "${name}" not found`, { name, ...split(resource) });

export const alreadyExists = (resource: string, name: string): ApiError =>
  new ApiError("AlreadyExists", `${resource} "${name}" already exists`, { name, ...split(resource) });

export const conflict = (resource: string, name: string, why: string): ApiError =>
  new ApiError("Conflict", `Operation cannot be fulfilled on ${resource} "${name}": ${why}`, {
    name,
    ...split(resource),
  });

export const badRequest = (message: string): ApiError => new ApiError("BadRequest", message);

export const isNotFound = (error: unknown): error is ApiError =>
  error instanceof ApiError && error.reason === "NotFound";
export const isAlreadyExists = (error: unknown): error is ApiError =>
  error instanceof ApiError && error.reason === "AlreadyExists";
export const isConflict = (error: unknown): error is ApiError =>
  error instanceof ApiError && error.reason === "Conflict";
/**
 * No word about the request itself: it may have been carried out, or may be yet. (A refusal, of the
 * reasons below 500, says that it was not.)
 */
export const isDoubtful = (error: unknown): boolean => !(error instanceof ApiError) || error.code >= 500;
/** The revision asked for is no longer kept: list again. */
export const isExpired = (error: unknown): error is ApiError => error instanceof ApiError && error.code === 410;

function split(resource: string): { kind: string; group?: string } {
  const dot = resource.indexOf(".");
  return dot < 0 ? { kind: resource } : { kind: resource.slice(0, dot), group: resource.slice(dot + 1) };
}
