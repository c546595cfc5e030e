/**
 * Continue token: where a list in pages goes on, and at which resourceVersion.
 *
 * The form is that of Kubernetes (apiserver/pkg/storage/continue.go), though clients must not look inside.
 */
import { badRequest } from "../../machinery/objects/status.ts";

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
  if (v !== VERSION) throw badRequest(`continue key is not valid: server does not recognize this encoded version ${v}`);
  if (typeof rv !== "number" || !Number.isInteger(rv) || rv === 0) {
    throw badRequest("continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)");
  }
  if (typeof start !== "string" || !start.endsWith("\0")) {
    throw badRequest("continue key is not valid: encoded start key empty (version meta.k8s.io/v1)");
  }
  return { resourceVersion: rv, after: start.slice(0, -1) };
}

function parse(token: string): { readonly v?: unknown; readonly rv?: unknown; readonly start?: unknown } {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // falls through: a token is ours or it is not
  }
  throw badRequest("continue key is not valid: illegal base64 data or JSON");
}
