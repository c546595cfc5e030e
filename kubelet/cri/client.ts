/**
 * Client: the runtime interface, spoken over the runtime server's unix socket.
 *
 * Every call has a deadline (calls.ts). A call that cannot have reached the server is sent again for
 * a while, so that a kubelet outlives a restart of the server without an error; one that may have
 * reached it only if asking twice is safe. What cannot be reached is Unavailable.
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Clock, systemClock } from "../../machinery/process/clock.ts";
import { type Call, callNames, calls, methodOf } from "./calls.ts";
import type { CallName, CallOptions, Runtime, RuntimeService } from "./contract.ts";
import { CriError, isCriCode } from "./errors.ts";
import type { ContainerEventResponse } from "./messages.ts";
import { streamingClient } from "./streaming-client.ts";

export interface ClientOptions {
  readonly socket: string;
  readonly clock?: Clock;
  /** How long a call that never reached the server is tried again. */
  readonly patienceMs?: number;
}

/** No event and no heartbeat for so long: the server is gone. */
const EVENTS_SILENCE_MS = 30_000;
const DEFAULT_PATIENCE_MS = 5_000;

interface Wire {
  readonly socket: string;
  readonly clock: Clock;
  readonly patienceMs: number;
}

export function connectRuntime(options: ClientOptions): Runtime {
  const wire = { clock: systemClock, patienceMs: DEFAULT_PATIENCE_MS, ...options };
  const unary = Object.fromEntries(
    callNames.map((name) => [methodOf(name), (body: object, given?: CallOptions) => call(wire, name, body, given)]),
  ) as unknown as Pick<Runtime, Uncapitalize<CallName>>;
  return {
    ...unary,
    ...streamingClient(wire),
    getContainerEvents: (signal) => events(wire, signal),
    importImage: (tar, given) => importImage(wire, tar, given),
    async close() {}, // each call has a connection of its own: nothing stays open
  };
}

async function call(wire: Wire, name: CallName, body: object, options: CallOptions = {}): Promise<unknown> {
  const spec = calls[name];
  const extra = name === "StopContainer" ? ((body as { timeout?: number }).timeout ?? 0) : 0;
  const timeoutMs = options.timeoutMs ?? spec.timeoutMs + extra * 1000;
  const text = JSON.stringify(body);
  return withDeadline(wire.clock, name, { ...options, timeoutMs }, (signal) =>
    persist(wire, spec, signal, () =>
      exchange(wire, name, signal, (request) => {
        request.setHeader("content-type", "application/json");
        request.setHeader("content-length", Buffer.byteLength(text));
        request.end(text);
      }),
    ),
  );
}

async function importImage(wire: Wire, tar: Readable, options: CallOptions = {}) {
  const sent = withDeadline(wire.clock, "ImportImage", options, (signal) =>
    exchange(wire, "ImportImage", signal, (request) => {
      request.setHeader("content-type", "application/x-tar");
      // an error of the pipe is one of the request, which reports it
      pipeline(tar, request).catch((error: Error) => request.destroy(error));
    }),
  );
  return (await sent) as { images: string[] };
}

/** Runs `work` under the caller's signal and a deadline, and tells the two apart. */
async function withDeadline<T>(
  clock: Clock,
  name: string,
  { timeoutMs, signal }: CallOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const late = () => deadline.abort(new CriError("DeadlineExceeded", `${name} took longer than ${timeoutMs} ms`));
  const timer = timeoutMs === undefined ? undefined : clock.after(timeoutMs, late, { background: true });
  const either = signal ? AbortSignal.any([signal, deadline.signal]) : deadline.signal;
  try {
    return await work(either);
  } catch (error) {
    if (deadline.signal.aborted) throw deadline.signal.reason;
    if (signal?.aborted) throw new CriError("Canceled", `${name} was given up`, { cause: signal.reason });
    throw error;
  } finally {
    timer?.cancel();
  }
}

/** Tries again while the server is away, as far as the call allows it. */
async function persist<T>(wire: Wire, spec: Call, signal: AbortSignal, send: () => Promise<T>): Promise<T> {
  const until = wire.clock.monotonic() + wire.patienceMs;
  for (let wait = 20; ; wait = Math.min(wait * 2, 500)) {
    try {
      return await send();
    } catch (error) {
      const { sent } = error as Partial<ConnectionError>;
      const again = error instanceof ConnectionError && (!sent || spec.retry);
      if (!again || wire.clock.monotonic() + wait > until) throw error;
    }
    await wire.clock.sleep(wait, signal);
  }
}

/** The connection failed; `sent` when the request may have reached the server. */
class ConnectionError extends CriError {
  readonly sent: boolean;

  constructor(socket: string, cause: Error, sent: boolean) {
    super("Unavailable", `the runtime server on ${socket} does not answer: ${cause.message}`, { cause });
    this.sent = sent;
  }
}

function exchange(
  wire: Wire,
  name: string,
  signal: AbortSignal,
  send: (request: ClientRequest) => void,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let connected = false;
    const request = open(wire, name, signal);
    request.on("socket", (socket) => socket.once("connect", () => (connected = true)));
    request.on("error", (error) => reject(new ConnectionError(wire.socket, error, connected)));
    request.on("response", (response) => {
      readAll(response).then(
        (text) => settle(response, text),
        (error: Error) => reject(new ConnectionError(wire.socket, error, true)),
      );
    });
    send(request);

    function settle(response: IncomingMessage, text: string) {
      try {
        const value: unknown = JSON.parse(text);
        if (response.statusCode === 200) resolve(value);
        else reject(criErrorOf(value));
      } catch (error) {
        reject(
          new CriError("Internal", `the runtime server answered ${response.statusCode} without JSON`, { cause: error }),
        );
      }
    }
  });
}

function open(wire: Wire, name: string, signal: AbortSignal): ClientRequest {
  return httpRequest({ socketPath: wire.socket, path: `/v1/${name}`, method: "POST", agent: false, signal });
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function criErrorOf(value: unknown): CriError {
  const { code, message } = value as { code?: unknown; message?: unknown };
  return new CriError(isCriCode(code) ? code : "Unknown", String(message ?? "no message"));
}

async function* events(wire: Wire, signal: AbortSignal): AsyncGenerator<ContainerEventResponse | undefined> {
  const silence = new AbortController();
  const watchdog = () => wire.clock.after(EVENTS_SILENCE_MS, () => silence.abort(), { background: true });
  let timer = watchdog();
  try {
    const response = await subscribe(wire, AbortSignal.any([signal, silence.signal]));
    for await (const line of createInterface({ input: response })) {
      timer.cancel();
      timer = watchdog();
      const value = JSON.parse(line) as { subscribed?: boolean; code?: string; containerId?: string };
      if (value.code !== undefined) throw criErrorOf(value);
      if (value.subscribed) yield undefined;
      else if (value.containerId !== undefined) yield value as ContainerEventResponse;
    }
    if (!signal.aborted) throw new CriError("Unavailable", "the stream of container events ended");
  } catch (error) {
    if (signal.aborted) return;
    throw error instanceof CriError
      ? error
      : new CriError("Unavailable", "the stream of container events was cut", { cause: error });
  } finally {
    timer.cancel();
  }
}

function subscribe(wire: Wire, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = open(wire, "GetContainerEvents", signal);
    request.on("error", (error) => reject(new ConnectionError(wire.socket, error, true)));
    request.on("response", (response) => {
      if (response.statusCode === 200) return resolve(response);
      readAll(response).then((text) => reject(criErrorOf(JSON.parse(text))), reject);
    });
    request.end();
  });
}

export type { RuntimeService };
