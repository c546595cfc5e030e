/**
 * Failures: what went wrong with a connection or an answer, in the words in which Kubernetes tells it.
 *
 * People search for these words; Node's own are kept for what the tables do not have.
 */
import type { WebhookError } from "./contract.ts";

const UNTRUSTED = "tls: failed to verify certificate: x509: certificate signed by unknown authority";
const OUTDATED = "tls: failed to verify certificate: x509: certificate has expired or is not yet valid";

type Told = (error: NetworkError, place: string) => string;

interface NetworkError extends Error {
  readonly code?: string;
  readonly host?: string;
  readonly hostname?: string;
  readonly cert?: { readonly subjectaltname?: string };
}

/** By Node's code of the error. */
const told: Readonly<Record<string, Told>> = {
  ECONNREFUSED: (_error, place) => `dial tcp ${place}: connect: connection refused`,
  EHOSTUNREACH: (_error, place) => `dial tcp ${place}: connect: no route to host`,
  ENETUNREACH: (_error, place) => `dial tcp ${place}: connect: network is unreachable`,
  ETIMEDOUT: (_error, place) => `dial tcp ${place}: i/o timeout`,
  ENOTFOUND: ({ hostname = "" }) => `dial tcp: lookup ${hostname}: no such host`,
  EAI_AGAIN: ({ hostname = "" }) => `dial tcp: lookup ${hostname}: Temporary failure in name resolution`,
  ECONNRESET: () => "EOF",
  EPIPE: () => "EOF",
  EPROTO: () => "tls: first record does not look like a TLS handshake",
  SELF_SIGNED_CERT_IN_CHAIN: () => UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: () => UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: () => UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: () => UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: () => UNTRUSTED,
  CERT_SIGNATURE_FAILURE: () => UNTRUSTED,
  CERT_HAS_EXPIRED: () => OUTDATED,
  CERT_NOT_YET_VALID: () => OUTDATED,
  ERR_TLS_CERT_ALTNAME_INVALID: ({ cert, host = "" }) =>
    `tls: failed to verify certificate: x509: certificate is valid for ${namesOf(cert?.subjectaltname ?? "")}, not ${host}`,
};

export function connectionFailure(error: Error, place: string): string {
  const { code = "" } = error as NetworkError;
  return Object.hasOwn(told, code) ? (told[code] as Told)(error as NetworkError, place) : error.message;
}

/** "DNS:a, IP Address:127.0.0.1" */
const namesOf = (names: string): string =>
  names
    .split(", ")
    .map((name) => name.slice(name.indexOf(":") + 1))
    .join(", ");

/** By HTTP status, where the body is no Status of Kubernetes. */
const byStatus: Readonly<Record<number, string>> = {
  400: "the server rejected our request for an unknown reason",
  401: "the server has asked for the client to provide credentials",
  403: "forbidden",
  404: "the server could not find the requested resource",
  405: "the server does not allow this method on the requested resource",
  406: "the server was unable to respond with a content type that the client supports",
  413: "Request entity too large",
  429: "the server has received too many requests and has asked us to try again later",
};

/** What of a strange answer is shown. */
const SHOWN = 2_048;

export function answerFailure(status: number, text: string): string {
  const message = statusMessage(text);
  if (message !== undefined) return message;
  if (status >= 500) {
    const shown = text.trim().slice(0, SHOWN) || "unknown";
    return `an error on the server (${JSON.stringify(shown)}) has prevented the request from succeeding`;
  }
  return byStatus[status] ?? `the server responded with the status code ${status} but did not return more information`;
}

function statusMessage(text: string): string | undefined {
  try {
    const { kind, message } = JSON.parse(text) as { kind?: unknown; message?: unknown };
    return kind === "Status" && typeof message === "string" ? message : undefined;
  } catch {
    return undefined;
  }
}

export const codeOf = (error: unknown): WebhookError["code"] =>
  (error as { readonly name?: unknown }).name === "WebhookError" ? (error as WebhookError).code : 500;
