/**
 * Connection: calls to etcd, and its errors as StoreErrors. The only file that knows the etcd3 package.
 *
 * etcd3's own retries are off: a commit whose answer was lost must not be sent again, for its second try
 * would meet the first one's work and report a conflict. Reads are tried on every endpoint. Its Watcher is
 * not used either: it resumes at the wrong revision and loses events; watch.ts reads the raw stream.
 */
import {
  Etcd3,
  type ICompactionRequest,
  type IDuplexStream,
  type IOptions,
  type IRangeRequest,
  type IRangeResponse,
  type ITxnRequest,
  type ITxnResponse,
  type IWatchRequest,
  type IWatchResponse,
} from "etcd3";
import type { Clock } from "../../../machinery/process/clock.ts";
import { limits } from "../../../machinery/process/limits.ts";
import { StoreError, type StoreErrorCode } from "../contract.ts";

export type { IEvent, IKeyValue, IRequestOp } from "etcd3";
export type WatchStream = IDuplexStream<IWatchRequest, IWatchResponse>;
export type WatchResponse = IWatchResponse;

export interface EtcdCredentials {
  readonly ca: Buffer;
  readonly key?: Buffer;
  readonly certificate?: Buffer;
}

export interface Connection {
  range(request: IRangeRequest): Promise<IRangeResponse>;
  txn(request: ITxnRequest): Promise<ITxnResponse>;
  compact(request: ICompactionRequest): Promise<void>;
  /** Bytes of the database of the endpoint that is used. */
  size(): Promise<number>;
  /** A raw watch stream on some endpoint. */
  watch(): Promise<WatchStream>;
  close(): void;
}

export interface ConnectionOptions {
  readonly endpoints: readonly string[];
  readonly credentials?: EtcdCredentials;
  readonly clock: Clock;
  /** How long a call may take, a dead server included. */
  readonly callMs?: number;
}

export function connect(options: ConnectionOptions): Connection {
  const { endpoints, credentials, clock, callMs = limits.storeCallMs } = options;
  const clients = endpoints.map((endpoint) => clientOf(endpoint, credentials));
  let current = 0;

  const timed = <T>(call: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      // made only when it is needed: an error's stack costs more than the rest of this function
      const late = () => reject(new StoreError("unavailable", `etcd did not answer within ${callMs / 1000} s`));
      const timer = clock.after(callMs, late, { background: true });
      call.finally(() => timer.cancel()).then(resolve, reject);
    });

  /** Stays with an endpoint as long as it answers; tries each of them once when it does not. */
  const attempt = async <T>(call: (client: Etcd3) => Promise<T>, again: (error: StoreError) => boolean): Promise<T> => {
    for (let left = clients.length; ; left--) {
      const used = current;
      try {
        return await timed(call(clients[used] as Etcd3));
      } catch (cause) {
        const error = translate(cause);
        if (isUnavailable(error) && current === used) current = (used + 1) % clients.length;
        if (left <= 1 || !again(error)) throw error;
      }
    }
  };

  return {
    range: (request) => attempt(({ kv }) => kv.range(request), isUnavailable),
    txn: (request) => attempt(({ kv }) => kv.txn(request), neverSent),
    compact: async (request) => {
      await attempt(({ kv }) => kv.compact(request), isUnavailable);
    },
    size: async () => Number((await attempt(({ maintenance }) => maintenance.status(), isUnavailable)).dbSize),
    watch: () => attempt(({ watchClient }) => watchClient.watch(), isUnavailable),
    close() {
      for (const client of clients) client.close();
    },
  };
}

function clientOf(endpoint: string, credentials: EtcdCredentials | undefined): Etcd3 {
  return new Etcd3({
    hosts: endpoint,
    grpcOptions: {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.keepalive_time_ms": 10_000,
      "grpc.keepalive_timeout_ms": 5_000,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 2_000,
    },
    faultHandling: { global: once, host: () => once },
    ...(credentials ? { credentials: credentialsOf(credentials) } : {}),
  });
}

const isUnavailable = (error: StoreError): boolean => error.code === "unavailable";

type Policy = NonNullable<NonNullable<IOptions["faultHandling"]>["global"]>;

/** A fault policy that does nothing: one call, its own error. */
const once = {
  execute: async (call: (context: { signal: AbortSignal }) => unknown) => call({ signal: NEVER }),
  onSuccess: () => ({ dispose() {} }),
  onFailure: () => ({ dispose() {} }),
} as unknown as Policy;

const NEVER = new AbortController().signal;

/** Messages of errors after which the request cannot have reached a server. */
const NOT_SENT = /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|No connection established|Name resolution failed/;

const neverSent = (error: StoreError): boolean => isUnavailable(error) && NOT_SENT.test(error.message);

const TRANSLATIONS: readonly (readonly [RegExp, StoreErrorCode])[] = [
  [/revision has been compacted/, "compacted"],
  [/required revision is a future revision/, "future"],
  [/database space exceeded/, "full"],
  [/request is too large|message larger than max/, "tooLarge"],
];

export function translate(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  for (const [pattern, code] of TRANSLATIONS) {
    if (pattern.test(message)) return new StoreError(code, message, { cause: error });
  }
  return new StoreError("unavailable", `etcd: ${message}`, { cause: error });
}

function credentialsOf({ ca, key, certificate }: EtcdCredentials): NonNullable<IOptions["credentials"]> {
  return {
    rootCertificate: ca,
    ...(key ? { privateKey: key } : {}),
    ...(certificate ? { certChain: certificate } : {}),
  };
}
