/**
 * Unreadable bodies: how a client is told that what it sent is no object, in Kubernetes' words.
 *
 * Two sentences: one where the body does not even say its kind, with the beginning of the bytes, and one where it
 * does. The reasons themselves come from the readers of each format: body.ts.
 */
import { type ApiError, badRequest } from "../../machinery/objects/status.ts";

/** Its message is what Go's decoder says. `type`: what the body said of itself before it broke. */
export class UnreadableBody extends Error {
  override readonly name = "UnreadableBody";
  readonly type: { readonly apiVersion: string; readonly kind: string } | undefined;

  constructor(message: string, type?: UnreadableBody["type"]) {
    super(message);
    this.type = type;
  }
}

/** `kind`: what was expected. */
export function unrecognized(kind: string, error: UnreadableBody, bytes: Uint8Array): ApiError {
  if (error.type?.kind) {
    const version = error.type.apiVersion.split("/").at(-1) ?? "";
    return badRequest(
      `${error.type.kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${error.message}`,
    );
  }
  return badRequest(
    `the object provided is unrecognized (must be of type ${kind}): ${error.message} (${summary(bytes)})`,
  );
}

const SHOWN_BYTES = 30;
const BRACE = 0x7b;

function summary(bytes: Uint8Array): string {
  if (bytes.length === 0) return "<empty>";
  const first = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, SHOWN_BYTES));
  const text = first.toString(first[0] === BRACE ? "utf8" : "hex");
  return bytes.length > SHOWN_BYTES ? `${text} ...` : text;
}

/** Where Kubernetes keeps its kinds: part of what it says of those that it does not know. */
const SCHEME = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30";

export function notRegistered(apiVersion: string, kind: string): string {
  return `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme ${JSON.stringify(SCHEME)}`;
}

/** The package of the group's types between versions. */
export function internalPackage(group: string): string {
  return group === "" || group === "events.k8s.io" ? "core" : (group.split(".", 1)[0] as string);
}
