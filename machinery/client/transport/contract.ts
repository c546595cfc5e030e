/**
 * Transport: how requests travel between a client and the API server's pipeline.
 *
 * Two sides meet here. The server is a `Handler` from a request record to a response record;
 * https (apiserver/request/http.ts) and `direct` (same process, no bytes) are adapters of it.
 * A client sees a `Transport`; https, unix socket and direct pass one file of cases.
 * Objects that came through the direct transport are frozen and shared: never change them.
 */
import type { Duplex } from "node:stream";
import type { StoredObject } from "../../objects/wire.ts";

/** Headers by which a reconcile says what made it write. Kept in the store's envelope: see `kubectl trace`. */
export const CAUSE_REVISION_HEADER = "k8ts-cause-revision";
export const CAUSE_CONTROLLER_HEADER = "k8ts-cause-controller";

/** A WebSocket sub-protocol that carries a bearer token in base64url. It never travels on to a node. */
export const TOKEN_PROTOCOL = "base64url.bearer.authorization.k8s.io.";

/** Who is at the other end, as far as the transport itself can tell; bearer tokens stand in the headers. */
export type Peer =
  | { readonly kind: "anonymous" }
  | { readonly kind: "certificate"; readonly user: string; readonly groups: readonly string[] }
  /** A component in the server's own process, with the identity it was started with. */
  | { readonly kind: "direct"; readonly user: string; readonly groups: readonly string[] };

export type RequestBody =
  | { readonly kind: "none" }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** Direct transport: the object itself, which the pipeline copies before it changes anything. */
  | { readonly kind: "object"; readonly value: unknown };

export interface RequestRecord {
  readonly method: string;
  /** Percent-encoded, without query: "/api/v1/namespaces/default/pods". */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names. Several impersonate- headers of one name are lines of one value. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: RequestBody;
  readonly peer: Peer;
  /** The address of the other end, where there is one. */
  readonly source?: string | undefined;
  /** True when the client asked to leave HTTP (exec, attach, port-forward, tunnel, watch over WebSocket). */
  readonly upgrade: boolean;
  /** Aborted when the client went away or the server stops. */
  readonly signal: AbortSignal;
}

export type WatchEventType = "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";

export interface WatchEvent<T = StoredObject> {
  readonly type: WatchEventType;
  /** The object; for BOOKMARK only kind, apiVersion and metadata.resourceVersion; for ERROR a Status. */
  readonly object: T;
}

/** An event on its way to a watcher: encoded at most once per representation, whoever asks. */
export interface WatchItem {
  event(): WatchEvent;
  /** One line of JSON with its newline, in the representation that the request negotiated. */
  encoded(): Uint8Array;
}

export type ResponseBody =
  | { readonly kind: "none" }
  /** An object or list; `encoded`, where given, yields the same as JSON in slices, from cached bytes. */
  | { readonly kind: "object"; value(): unknown; encoded?(): Iterable<Uint8Array> }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** Log streams and the like; ending the iteration early releases the source. */
  | { readonly kind: "stream"; readonly chunks: AsyncIterable<Uint8Array> }
  /** Batches of events; ends when the watch's time is over. */
  | {
      readonly kind: "watch";
      readonly batches: AsyncIterable<readonly WatchItem[]>;
      /** Told of events as they go out as bytes. */
      readonly sent?: (events: number, bytes: number) => void;
    }
  /** The pipeline takes the connection over. Only for requests with `upgrade`. */
  | { readonly kind: "upgrade"; accept(socket: Duplex, head: Uint8Array): void };

export interface ResponseRecord {
  readonly status: number;
  /** Lower-case names. `content-type` is set for every body but "none" and "upgrade". */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: ResponseBody;
  /** Told how many bytes the body took, where it went out as bytes. */
  readonly sized?: { observe(bytes: number): void };
}

/** The whole API server as a function. Never rejects: failures are Status responses. */
export type Handler = (request: RequestRecord) => Promise<ResponseRecord>;

export interface ClientRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON (or as the object itself by the direct transport). */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/**
 * The client's end. Every method rejects with an ApiError: the server's own Status, or
 * ServiceUnavailable when no answer came (connection refused, cut or closed), or Timeout when
 * none came in time. Where the request's own signal aborted, it rejects with that signal's reason.
 */
export interface Transport {
  /** True where objects are shared with the server and frozen (direct); false where each answer is a fresh copy. */
  readonly shared: boolean;
  /** One exchange, decoded. */
  request(request: ClientRequest): Promise<unknown>;
  /** A watch: batches of events as they arrive. Ends normally when the server ends it. */
  watch(request: ClientRequest): AsyncIterable<readonly WatchEvent[]>;
  /** Undecoded bytes, for logs. */
  stream(request: ClientRequest): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}
