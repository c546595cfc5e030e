/**
 * Load process: sends requests over kept-alive connections, or listens to watches, and counts.
 *
 * Bounded in connections, requests and time by what it is told; it ends with its parent.
 */
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { answerCommands } from "./child.ts";
import { type Answer, type HttpConnection, openConnection, type Target } from "./http-connection.ts";
import type { Measured } from "./measured.ts";
import { nodeClient } from "./node-client.ts";
import { NAME_MARK } from "./objects.ts";

export interface Load {
  readonly target: Target;
  readonly client: ClientKind;
  readonly connections: number;
  readonly method: "GET" | "POST";
  /** May hold NAME_MARK. */
  readonly path: string;
  readonly body?: string;
  /** What is put at NAME_MARK, by the number of the request; always of one length. */
  readonly names: { readonly series: string; readonly digits: number; readonly first: number; readonly cycle?: number };
  readonly seconds: number;
  readonly requests: number;
}

/** Ready-made bytes, which cost the client next to nothing, or Node's own client. */
export type ClientKind = "bytes" | "node";

export interface WatchLoad {
  readonly target: Target;
  readonly watchers: number;
  readonly path: string;
}

async function load({ seconds, requests, ...spec }: Load): Promise<Measured> {
  const senders = spec.client === "bytes" ? await byteSenders(spec) : nodeSenders(spec);
  const latencies: number[] = [];
  let [sent, bytes] = [0, 0];
  const start = clock.monotonic();
  const until = start + seconds * 1000;

  const work = async (send: Sender): Promise<void> => {
    for (let now = clock.monotonic(); sent < requests && now < until; ) {
      const answer = await send(sent++);
      if (answer.status >= 300) throw new Error(`${spec.method} ${spec.path}: ${answer.status} ${answer.start}`);
      bytes += answer.bytes;
      const done = clock.monotonic();
      latencies.push(done - now);
      now = done;
    }
  };
  const stop = lookNowAndThen();
  try {
    await Promise.all(senders.all.map(work));
  } finally {
    stop();
    senders.close();
  }
  return { count: latencies.length, seconds: (clock.monotonic() - start) / 1000, bytes, latencies };
}

const LOOK_MS = 0.2;

/**
 * A client that waits for each answer has to be woken by it, and on a virtual machine the server pays more
 * for that than for many a request; a server that is faster than its client would not pay. So the client
 * looks at what has come every so often, and nobody is woken.
 */
function lookNowAndThen(): () => void {
  const never = new Int32Array(new SharedArrayBuffer(4));
  let looking = true;
  const look = () => {
    if (!looking) return;
    Atomics.wait(never, 0, 0, LOOK_MS);
    setImmediate(look);
  };
  look();
  return () => {
    looking = false;
  };
}

/** Sends the request of this number. */
type Sender = (number: number) => Promise<Answer>;

interface Senders {
  /** One a connection. */
  readonly all: readonly Sender[];
  close(): void;
}

type LoadSpec = Omit<Load, "seconds" | "requests">;

async function byteSenders(spec: LoadSpec): Promise<Senders> {
  const make = template(spec);
  const open = await Promise.all(Array.from({ length: spec.connections }, () => openConnection(spec.target)));
  return {
    all: open.map((connection) => (number) => connection.send(make(number))),
    close() {
      for (const connection of open) connection.close();
    },
  };
}

function nodeSenders({ target, connections, method, path, body, names }: LoadSpec): Senders {
  const client = nodeClient(target, connections);
  const send: Sender = (number) => {
    const put = (text: string) => text.replaceAll(NAME_MARK, numbered(names, number));
    return client.send({ method, path: put(path), body: body === undefined ? undefined : put(body) });
  };
  return { all: Array.from({ length: connections }, () => send), close: () => client.close() };
}

const numbered = ({ series, digits, first, cycle }: Load["names"], number: number): string =>
  `${series}-${String(first + (cycle ? number % cycle : number)).padStart(digits, "0")}`;

/** Request number ► its bytes: one copy of a prepared buffer with the name written into it. */
function template({ method, path, body, names }: LoadSpec) {
  const placeholder = numbered(names, 0);
  const put = (text: string) => text.replaceAll(NAME_MARK, placeholder);
  const head = [
    `${method} ${put(path)} HTTP/1.1`,
    "host: 127.0.0.1",
    "accept: application/json",
    ...(body === undefined
      ? []
      : ["content-type: application/json", `content-length: ${Buffer.byteLength(put(body))}`]),
  ];
  const bytes = Buffer.from(`${head.join("\r\n")}\r\n\r\n${put(body ?? "")}`);
  const places: number[] = [];
  for (let at = bytes.indexOf(placeholder); at >= 0; at = bytes.indexOf(placeholder, at + 1)) places.push(at);
  return (number: number): Buffer => {
    const request = Buffer.from(bytes);
    const name = numbered(names, number);
    for (const at of places) request.write(name, at, "latin1");
    return request;
  };
}

interface Listener {
  readonly connection: HttpConnection;
  events: number;
  /** The last chunk ended with "}": its newline comes with the next. */
  open: boolean;
}

let listeners: Listener[] = [];

/** Resolves once every watch has been answered by its first bytes. */
async function openWatches({ target, watchers, path }: WatchLoad): Promise<void> {
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\n\r\n`);
  listeners = await Promise.all(
    Array.from({ length: watchers }, async () => ({
      connection: await openConnection(target),
      events: 0,
      open: false,
    })),
  );
  await Promise.all(
    listeners.map(
      (listener) =>
        new Promise<void>((resolve) => {
          let head = true;
          listener.connection.stream(request, (chunk) => {
            if (head) resolve();
            head = false;
            count(listener, chunk);
          });
        }),
    ),
  );
}

const EVENT_END = Buffer.from("}\n");

/** Every event ends so; JSON has no bare newline, and chunk sizes end with "\r\n". */
function count(listener: Listener, chunk: Buffer): void {
  if (listener.open && chunk[0] === 0x0a) listener.events++;
  for (let at = chunk.indexOf(EVENT_END); at >= 0; at = chunk.indexOf(EVENT_END, at + 2)) listener.events++;
  listener.open = chunk.at(-1) === 0x7d;
}

/** Resolves with the time at which every watcher had heard so many events. */
async function heard({ events, seconds }: { readonly events: number; readonly seconds: number }): Promise<number> {
  const until = clock.monotonic() + seconds * 1000;
  for (;;) {
    if (listeners.every((one) => one.events >= events)) return clock.now();
    if (clock.monotonic() > until) {
      const fewest = Math.min(...listeners.map((one) => one.events));
      throw new Error(`a watcher heard ${fewest} of ${events} events in ${seconds} s`);
    }
    await clock.sleep(2);
  }
}

function closeWatches(): void {
  for (const { connection } of listeners) connection.close();
  listeners = [];
}

export interface WatchTimes {
  readonly target: Target;
  /** One watcher a path. */
  readonly paths: readonly string[];
  /** Watchers whose events are looked at; of the others only the bytes are counted. */
  readonly looked: number;
}

let latencies: number[] = [];
let received: number[] = [];
const AT = Buffer.from('"data":{"at":"');
const AT_DIGITS = 17;

/** Watches whose events tell when they were made. Resolves once every watch has been answered. */
async function openTimedWatches({ target, paths, looked }: WatchTimes): Promise<void> {
  latencies = [];
  received = paths.map(() => 0);
  const opened: Listener[] = [];
  for (const [index, path] of paths.entries()) {
    const connection = await openConnection(target);
    const listener: Listener = { connection, events: 0, open: false };
    opened.push(listener);
    let rest = Buffer.alloc(0);
    await new Promise<void>((resolve) => {
      const request = `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\n\r\n`;
      connection.stream(Buffer.from(request), (chunk) => {
        resolve();
        received[index] = (received[index] ?? 0) + chunk.length;
        if (index < looked) rest = lookAt(listener, Buffer.concat([rest, chunk]));
      });
    });
  }
  listeners = opened;
}

/** Notes how old each event is; returns the end of the chunk that may be the beginning of a mark. */
function lookAt(listener: Listener, chunk: Buffer): Buffer<ArrayBuffer> {
  const now = clock.now();
  let from = 0;
  for (let at = chunk.indexOf(AT); at >= 0; at = chunk.indexOf(AT, from)) {
    from = at + AT.length + AT_DIGITS;
    if (from > chunk.length) return Buffer.from(chunk.subarray(at));
    const made = Number(chunk.toString("latin1", at + AT.length, from));
    if (made > 0) latencies.push(now - made);
    listener.events++;
  }
  return Buffer.from(chunk.subarray(Math.max(from, chunk.length - AT.length)));
}

/** What has come since the watches were opened. */
const timedSoFar = () => ({
  latencies,
  events: listeners.reduce((sum, { events }) => sum + events, 0),
  fewestBytes: Math.min(...received),
  mostBytes: Math.max(...received),
  bytes: received.reduce((sum, one) => sum + one, 0),
});

export type TimedSoFar = ReturnType<typeof timedSoFar>;

answerCommands({ load, openTimedWatches, timedSoFar, openWatches, heard, closeWatches }, async () => closeWatches());
