/**
 * gRPC: the one place that knows it. Unary calls and one kind of stream to containerd's socket.
 *
 * Errors become CriErrors here. A containerd that restarts is found again by itself: a call made
 * while it is away waits for it up to its deadline, but not longer than a few seconds.
 */
import { Client, type ClientReadableStream, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import type { Clock } from "../../../machinery/process/clock.ts";
import type { CallOptions } from "../../cri/contract.ts";
import { CriError, codeOfGrpc } from "../../cri/errors.ts";

export interface GrpcMethod<Q, A> {
  /** "/runtime.v1.RuntimeService/Version" */
  readonly path: string;
  /** containerd's own services want to know in whose name they act. */
  readonly namespace?: string;
  encode(request: Q): Buffer;
  decode(bytes: Buffer): A;
}

export interface GrpcChannel {
  call<Q, A>(method: GrpcMethod<Q, A>, request: Q, options?: CallOptions): Promise<A>;
  /** Each message as it comes; throws Unavailable when cut. */
  stream<Q, A>(method: GrpcMethod<Q, A>, request: Q, signal: AbortSignal): AsyncIterable<A>;
  close(): void;
}

const MESSAGE_BYTES = 16 * 1024 * 1024;

/** How often a call that found no containerd is tried again, and how long. */
const AWAY_RETRY_MS = 100;
const AWAY_PATIENCE_MS = 5_000;

export function openChannel(socket: string, clock: Clock): GrpcChannel {
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": MESSAGE_BYTES,
    "grpc.max_send_message_length": MESSAGE_BYTES,
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.min_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 500,
    "grpc.enable_retries": 0,
    // authority of a unix socket: containerd's server refuses the default one, a path
    "grpc.default_authority": "localhost",
  });
  return {
    async call(method, request, options = {}) {
      const until = clock.monotonic() + Math.min(options.timeoutMs ?? AWAY_PATIENCE_MS, AWAY_PATIENCE_MS);
      for (;;) {
        try {
          return await once(client, clock, method, request, options);
        } catch (error) {
          if (!neverTaken(error) || clock.monotonic() > until) throw error;
        }
        await clock.sleep(AWAY_RETRY_MS, options.signal);
      }
    },
    stream: (method, request, signal) => messages(client, method, request, signal),
    close: () => client.close(),
  };
}

function once<Q, A>(
  client: Client,
  clock: Clock,
  method: GrpcMethod<Q, A>,
  request: Q,
  options: CallOptions,
): Promise<A> {
  const { signal, timeoutMs } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(canceled(method.path, signal));
    const deadline = timeoutMs === undefined ? {} : { deadline: clock.now() + timeoutMs };
    const call = client.makeUnaryRequest(
      method.path,
      (value: Q) => method.encode(value),
      (bytes: Buffer) => method.decode(bytes),
      request,
      metadataOf(method),
      deadline,
      (error, answer) => {
        signal?.removeEventListener("abort", cancel);
        if (error) reject(signal?.aborted ? canceled(method.path, signal) : translate(error));
        else resolve(answer as A);
      },
    );
    const cancel = () => call.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
  });
}

async function* messages<Q, A>(
  client: Client,
  method: GrpcMethod<Q, A>,
  request: Q,
  signal: AbortSignal,
): AsyncGenerator<A> {
  const call: ClientReadableStream<A> = client.makeServerStreamRequest(
    method.path,
    (value: Q) => method.encode(value),
    (bytes: Buffer) => method.decode(bytes),
    request,
  );
  const cancel = () => call.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  call.on("error", () => undefined); // the loop sees it too; here so that one after the loop breaks nothing
  try {
    for await (const message of call as AsyncIterable<A>) yield message;
    if (!signal.aborted) throw new CriError("Unavailable", `${method.path} ended`);
  } catch (error) {
    if (signal.aborted) return;
    throw error instanceof CriError ? error : translate(error as ServiceError);
  } finally {
    signal.removeEventListener("abort", cancel);
    call.cancel();
  }
}

function metadataOf({ namespace }: { readonly namespace?: string }): Metadata {
  const metadata = new Metadata();
  if (namespace) metadata.set("containerd-namespace", namespace);
  return metadata;
}

/** What containerd's CRI part answers, as an unknown error, while it still looks at what it ran before. */
const STARTING = /server is not initialized yet/;

/** Foreign errors become ours here, once. */
function translate(error: ServiceError): CriError {
  const code = STARTING.test(error.details) ? "Unavailable" : codeOfGrpc(error.code);
  return new CriError(code, error.details || error.message, { cause: error });
}

function canceled(path: string, signal: AbortSignal): CriError {
  return new CriError("Canceled", `${path} was given up`, { cause: signal.reason });
}

/** containerd cannot have acted on the request: there was no connection, or it was not ready to. */
function neverTaken(error: unknown): boolean {
  const cause = error instanceof CriError ? (error.cause as Partial<ServiceError> | undefined) : undefined;
  const { code, details = "" } = cause ?? {};
  if (code === status.UNAVAILABLE) return /No connection established|ECONNREFUSED|ENOENT/.test(details);
  return STARTING.test(details);
}
