/**
 * Apply contract: who owns which field of an object, and how an applied configuration changes it.
 *
 * The generic steps (apiserver/request) call `track` once for every create, update and patch, after defaults and
 * before admission, as Kubernetes does: what admission changes belongs to nobody. Server-side apply calls `apply`
 * instead. Both write metadata.managedFields. Field sets and what is done with them: field-sets.ts, shapes/.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/
 */
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import type { GroupVersionKind } from "../schema/contract.ts";

/** The set of fields below a place, as FieldsV1 writes it: "f:name", `k:{"name":"a"}`, "v:1", "i:0", and "." itself. */
export interface Fields {
  readonly [element: string]: Fields;
}

/** One entry of metadata.managedFields. */
export interface ManagedFieldsEntry {
  readonly manager?: string;
  readonly operation?: string;
  readonly apiVersion?: string;
  readonly time?: string;
  readonly fieldsType?: string;
  readonly fieldsV1?: Fields;
  readonly subresource?: string;
}

/** Who writes, and through what. */
export interface Writer {
  /** fieldManager, or what the user agent says. */
  readonly manager: string;
  /** "status", "scale" or "". */
  readonly subresource: string;
  /** As it goes into the entry. */
  readonly time: string;
  /** Fields of the object that this endpoint leaves as they are: nobody comes to own them through it. */
  readonly ignored: ReadonlySet<string>;
}

export interface ApplyRequest {
  readonly kind: GroupVersionKind;
  /** Undefined where the configuration creates the object. */
  readonly live: StoredObject | undefined;
  /** As the client sent it, undecoded; left as it is. */
  readonly config: unknown;
  readonly writer: Writer;
  readonly force: boolean;
}

export interface FieldManagement {
  /**
   * Gives `object` the managedFields that this write leaves it with: what differs from `live` (everything, where
   * there is none) belongs to the writer from now on. What the client sent in managedFields counts where it is valid.
   */
  track(kind: GroupVersionKind, live: StoredObject | undefined, object: KubeObject, writer: Writer): void;
  /**
   * The live object with the configuration laid over, without what the same manager applied before and does not
   * any more. Undecoded, the caller's own. Throws an ApiError: 409 with its conflicts, 400 for what cannot be applied.
   */
  apply(request: ApplyRequest): KubeObject;
  /**
   * The object with a policy's configuration laid over: nobody comes to own anything, nobody is in conflict. The caller's
   * own. Throws a MergeError for what does not fit the kind, and for what would replace a list or struct as a whole.
   */
  merge(kind: GroupVersionKind, object: KubeObject, config: unknown): KubeObject;
}

export class MergeError extends Error {
  override readonly name = "MergeError";
}
