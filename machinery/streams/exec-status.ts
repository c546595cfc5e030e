/**
 * The Status that ends a session of exec or attach, from v4 of the protocol on: outcome to JSON and back.
 */
import type { ExecOutcome } from "./channels.ts";

interface SessionStatus {
  readonly status?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly causes?: readonly { readonly reason?: string; readonly message?: string }[] };
}

export function statusOf(outcome: ExecOutcome): string {
  return JSON.stringify(bodyOf(outcome));
}

function bodyOf(outcome: ExecOutcome): unknown {
  if (outcome.kind === "failed") {
    const { message } = outcome;
    const details = { causes: [{ message }] };
    const text = `Internal error occurred: ${message}`;
    return { metadata: {}, status: "Failure", message: text, reason: "InternalError", details, code: 500 };
  }
  if (outcome.code === 0) return { metadata: {}, status: "Success" };
  return {
    metadata: {},
    status: "Failure",
    message: `command terminated with non-zero exit code: command terminated with exit code ${outcome.code}`,
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(outcome.code) }] },
  };
}

/** What protocols before v4 send: nothing, or the message as text. */
export function plainStatusOf(outcome: ExecOutcome): string {
  if (outcome.kind === "failed") return outcome.message;
  return outcome.code === 0 ? "" : `command terminated with exit code ${outcome.code}`;
}

export function outcomeOf(text: string): ExecOutcome {
  const status = parse(text);
  if (status.status === "Success") return { kind: "exited", code: 0 };
  const cause = status.details?.causes?.find(({ reason }) => reason === "ExitCode");
  if (status.reason === "NonZeroExitCode" && cause && /^\d+$/.test(cause.message ?? "")) {
    return { kind: "exited", code: Number(cause.message) };
  }
  return { kind: "failed", message: status.message ?? "the session failed without a reason" };
}

function parse(text: string): SessionStatus {
  try {
    return JSON.parse(text) as SessionStatus;
  } catch {
    return { status: "Failure", message: `error stream protocol error: ${JSON.stringify(text.slice(0, 200))}` };
  }
}
