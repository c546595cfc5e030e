/**
 * Continue token: where a list in pages goes on, and at which resourceVersion.
 *
 * The form is that of Kubernetes (apiserver/pkg/storage/continue.go), though clients must not look inside.
 * A token is a client's word: it must never reach outside of the list that it is used with.
 */
import { type ApiError, badRequest } from "../../machinery/objects/status.ts";

export interface Continuation {
  /** resourceVersion of the list's first page, or INCONSISTENT. */
  readonly resourceVersion: number;
  /** The last key that was handed out, under the list's own prefix. */
  readonly after: string;
}

/** Goes on in whatever there is now. */
export const INCONSISTENT = -1;

const VERSION = "meta.k8s.io/v1";

export function encodeContinue({ resourceVersion, after }: Continuation): string {
  const token = { v: VERSION, rv: resourceVersion, start: `${after}\0` };
  return Buffer.from(JSON.stringify(token)).toString("base64url");
}

export function decodeContinue(token: string): Continuation {
  const { v, rv, start } = parse(token);
  if (v !== VERSION) throw invalid(`: server does not recognize this encoded version ${String(v ?? "")}`);
  if (typeof rv !== "number" || !Number.isSafeInteger(rv) || rv === 0) {
    throw invalid(`: incorrect encoded start resourceVersion (version ${VERSION})`);
  }
  if (typeof start !== "string" || start === "") throw invalid(`: encoded start key empty (version ${VERSION})`);
  if (!start.endsWith("\0") || !staysInside(start)) throw invalid(`: ${start}`);
  return { resourceVersion: Math.max(rv, INCONSISTENT), after: start.slice(0, -1) };
}

/** No empty part, no "." and no "..": as it would be after cleaning. */
const staysInside = (start: string): boolean => {
  const parts = start.replace(/^\//, "").split("/");
  return parts.every((part) => part !== "" && part !== "." && part !== "..");
};

function parse(token: string): { readonly v?: unknown; readonly rv?: unknown; readonly start?: unknown } {
  if (!/^[\w-]*$/.test(token)) throw invalid(": illegal base64 data");
  try {
    const value: unknown = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // falls through: a token is ours or it is not
  }
  throw invalid(": it is not the JSON of a token");
}

const invalid = (why: string): ApiError => badRequest(`invalid continue token: continue key is not valid${why}`);
