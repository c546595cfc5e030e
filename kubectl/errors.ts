/**
 * Errors: what a run that failed prints, in kubectl's words, and its exit code.
 *
 * Commands throw; this is the only place that turns errors into text for the user.
 */
import { ApiError, type StatusCause } from "../machinery/objects/status.ts";

/** What the user did wrong or what cannot be done; printed after "error: ". */
export class CommandError extends Error {
  override readonly name: string = "CommandError";
}

/** Ends the run with this exit code and nothing printed. */
export class ExitError extends Error {
  override readonly name = "ExitError";
  readonly code: number;
  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

/** Printed as it is, without "error: " before it. */
export class PlainError extends CommandError {
  readonly code: number;
  constructor(message: string, code = 1) {
    super(message);
    this.code = code;
  }
}

/** A line that cannot be meant; points to the command's help. */
export const usageError = (command: string, message: string): CommandError =>
  new CommandError(`${message}\nSee 'kubectl ${command} -h' for help and examples`);

/** Several failures of one run: each has its lines. */
export class ErrorList extends Error {
  override readonly name = "ErrorList";
  readonly errors: readonly unknown[];
  constructor(errors: readonly unknown[]) {
    super(`${errors.length} errors`);
    this.errors = errors;
  }
}

/** Throws what was collected, if anything. */
export function throwAll(errors: readonly unknown[]): void {
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new ErrorList(errors);
}

export interface Failure {
  readonly text: string;
  readonly code: number;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof ExitError) return { text: "", code: error.code };
  if (error instanceof ErrorList) return { text: error.errors.map(listed).join(""), code: 1 };
  if (error instanceof ApiError && error.reason === "Invalid") return { text: invalid(error), code: 1 };
  return { text: listed(error), code: error instanceof PlainError ? error.code : 1 };
}

function listed(error: unknown): string {
  if (error instanceof ApiError) return `${serverMessage(error)}\n`;
  if (error instanceof PlainError) return `${error.message}\n`;
  const message = error instanceof Error ? error.message : String(error);
  return message.startsWith("error: ") ? `${message}\n` : `error: ${message}\n`;
}

const UNREACHABLE = /^cannot reach (\S+): ([\s\S]*)$/;

/** What node says of a certificate that no known authority signed. */
const UNTRUSTED = /self-signed certificate|unable to verify the first certificate|unable to get local issuer/;

function serverMessage(error: ApiError): string {
  const [, address = "", why = ""] = UNREACHABLE.exec(error.message) ?? [];
  if (why.includes("ECONNREFUSED")) {
    const host = address.replace(/^https?:\/\//, "");
    return `The connection to the server ${host} was refused - did you specify the right host or port?`;
  }
  if (UNTRUSTED.test(why)) {
    return "Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown authority";
  }
  if (why !== "") return `Unable to connect to the server: ${why}`;
  if (error.reason === "Unauthorized") return `error: You must be logged in to the server (${error.message})`;
  return error.reason && error.reason !== "Unknown"
    ? `Error from server (${error.reason}): ${error.message}`
    : `Error from server: ${error.message}`;
}

function invalid({ details, message }: ApiError): string {
  if (!details) return `The request is invalid: ${message}\n`;
  const { kind = "", name = "" } = details;
  const causes = unique(details.causes ?? []);
  const named = kind !== "" || name !== "";
  const subject = named ? `The ${kind} ${JSON.stringify(name)} is invalid` : "The request is invalid";
  if (causes.length === 0) return `${named || !message ? subject : `${subject}: ${message}`}\n`;
  if (causes.length === 1) return `${subject}: ${causes[0]}\n`;
  return `${subject}: \n${causes.map((cause) => `* ${cause}\n`).join("")}`;
}

function unique(causes: readonly StatusCause[]): string[] {
  return [...new Set(causes.map(({ field = "", message = "" }) => `${field}: ${message}`))];
}

/** The same failure with where it came from: `error when creating "web.yaml": …`. */
export function withSource(error: unknown, verb: string, source: string): unknown {
  const before = `error when ${verb} ${JSON.stringify(source)}: `;
  if (error instanceof ApiError) {
    const { reason, message, details, code } = error;
    return new ApiError(reason, `${before}${message}`, details, code);
  }
  return error instanceof CommandError ? new CommandError(`${before}${error.message}`) : error;
}
