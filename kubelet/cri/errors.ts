/**
 * Errors of the runtime interface: gRPC's code names, and the HTTP status each travels under.
 *
 * A runtime throws CriError and nothing else; the client throws the same one again.
 */

/** Code name ► [gRPC number, HTTP status]. */
export const criCodes = {
  Canceled: [1, 499],
  Unknown: [2, 500],
  InvalidArgument: [3, 400],
  DeadlineExceeded: [4, 504],
  NotFound: [5, 404],
  AlreadyExists: [6, 409],
  PermissionDenied: [7, 403],
  ResourceExhausted: [8, 429],
  FailedPrecondition: [9, 412],
  Aborted: [10, 409],
  OutOfRange: [11, 400],
  Unimplemented: [12, 501],
  Internal: [13, 500],
  Unavailable: [14, 503],
  DataLoss: [15, 500],
  Unauthenticated: [16, 401],
} as const satisfies Record<string, readonly [grpc: number, http: number]>;

export type CriCode = keyof typeof criCodes;

export class CriError extends Error {
  override readonly name = "CriError";
  readonly code: CriCode;

  constructor(code: CriCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export function isCriError(error: unknown, code?: CriCode): error is CriError {
  return error instanceof CriError && (code === undefined || error.code === code);
}

/** The code of a gRPC number; Unknown for numbers that gRPC does not have. */
export function codeOfGrpc(number: number): CriCode {
  return codeNames.find((name) => criCodes[name][0] === number) ?? "Unknown";
}

export function isCriCode(name: unknown): name is CriCode {
  return typeof name === "string" && Object.hasOwn(criCodes, name);
}

const codeNames = Object.keys(criCodes) as CriCode[];
