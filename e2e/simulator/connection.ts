/**
 * Connection: a process's transport to the API server, with the time that things take and what goes wrong.
 *
 * When the process dies, nothing leaves it any more and no answer arrives: whoever waits, waits for ever.
 * A write that was on its way when the process died has arrived, or never will: its fate is decided at once.
 */
import type { ClientRequest, Handler, Transport, WatchEvent } from "../../machinery/client/transport/contract.ts";
import { directTransport } from "../../machinery/client/transport/direct.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import type { Random } from "./random.ts";
import type { Trouble } from "./trouble.ts";
import type { ProcessClock } from "./virtual-time.ts";

export interface ConnectionOptions {
  readonly process: string;
  readonly user: string;
  readonly groups: readonly string[];
  /** Undefined while no server is there. */
  readonly handler: () => Handler | undefined;
  /** Aborts when the server of now dies. */
  readonly serverGone: () => AbortSignal;
  readonly clock: ProcessClock;
  readonly random: Random;
  readonly trouble: Trouble;
  /** The version that a list of any age may be answered at. */
  readonly oldVersion: (behindMs: number) => string | undefined;
  readonly crash: (downMs: number) => void;
  /** Called with the path of each write, before it is on its way. */
  readonly sends: (path: string) => void;
  /** False: Events are taken as written, and forgotten. */
  readonly events: boolean;
  /** Somebody else changes the object of a request. */
  readonly meddle: (path: string) => Promise<void>;
}

export interface Connection extends Transport {
  /** The process is dead. */
  sever(): void;
}

/** Anew each time: what waits for one that all share would be kept for ever. */
const never = () => new Promise<never>(() => undefined);
const away = () => new ApiError("ServiceUnavailable", "cannot reach the server: connect ECONNREFUSED");
const cutOff = () => new ApiError("ServiceUnavailable", "cannot reach the server: read ECONNRESET");

/** "/apis/apps/v1/namespaces/a/replicasets/b" ► "replicasets". */
export function resourceOf(path: string): string {
  const parts = path.split("/").slice(path.startsWith("/api/") ? 3 : 4);
  return (parts[0] === "namespaces" && parts.length > 2 ? parts[2] : parts[0]) ?? "";
}

/** A path without an object's name. */
export function isCollection(path: string): boolean {
  const parts = path.split("/").slice(path.startsWith("/api/") ? 3 : 4);
  return parts.length === 1 || (parts[0] === "namespaces" && parts.length === 3);
}

export function createConnection(options: ConnectionOptions): Connection {
  const { process, user, groups, handler, serverGone, clock, random, trouble } = options;
  const severed = new AbortController();
  let dead = false;

  const inner = (): Transport => {
    const now = handler();
    if (!now) throw away();
    return directTransport({ handler: now, user, groups });
  };
  const travel = async (longestMs: number) => {
    await clock.sleep(random.next() * longestMs);
    if (clock.pausedMs > 0) await clock.sleep(clock.pausedMs);
    if (dead) await never();
  };
  /** The answer, or what a client sees when the server dies meanwhile. */
  const answered = (request: ClientRequest): Promise<unknown> => {
    const gone = serverGone();
    return new Promise((resolve, reject) => {
      const cut = () => reject(cutOff());
      if (gone.aborted) return cut();
      gone.addEventListener("abort", cut, { once: true });
      inner()
        .request(request)
        .then(resolve, reject)
        .finally(() => gone.removeEventListener("abort", cut));
    });
  };

  const write = async (request: ClientRequest): Promise<unknown> => {
    const fate = trouble.write(process);
    if (fate.kind === "conflict") await options.meddle(request.path);
    if (fate.kind === "crash") {
      if (fate.how === "answer lost") await answered(request).catch(() => undefined); // nobody hears of it
      options.crash(fate.downMs);
      return never();
    }
    if (fate.kind === "lost" && fate.how === "refused") throw cutOff();
    const answer = await answered(request);
    if (fate.kind === "lost") throw cutOff();
    return answer;
  };

  const aged = (request: ClientRequest): ClientRequest => {
    if (request.query?.["resourceVersion"] !== "0" || request.query["watch"]) return request;
    const version = options.oldVersion(trouble.staleness());
    const query = { ...request.query, ...(version ? { resourceVersion: version, resourceVersionMatch: "Exact" } : {}) };
    return { ...request, query };
  };

  return {
    shared: true,
    async request(request) {
      if (dead) return never();
      if (request.method !== "GET") options.sends(request.path);
      if (!options.events && /^(POST|PATCH)$/.test(request.method) && resourceOf(request.path) === "events")
        return request.body;
      await travel(request.method === "GET" ? 2 : 6);
      request.signal?.throwIfAborted();
      try {
        if (request.method !== "GET") return await write(request);
        const late = isCollection(request.path) ? trouble.lateUntil(process, resourceOf(request.path)) : 0;
        const answer = await answered(aged(request));
        if (late > clock.monotonic()) await clock.sleep(late - clock.monotonic());
        return answer;
      } finally {
        await travel(3);
      }
    },

    async *watch(request) {
      if (dead) await never();
      await travel(2);
      const resource = resourceOf(request.path);
      const cut = new AbortController();
      const signals = [severed.signal, serverGone(), cut.signal, ...(request.signal ? [request.signal] : [])];
      const stop = trouble.watching(process, resource, (expired) =>
        cut.abort(expired ? new ApiError("Expired", "too old resource version: 1 (2)") : cutOff()),
      );
      const lag = random.next() * 60;
      try {
        for await (const batch of inner().watch({ ...request, signal: AbortSignal.any(signals) })) {
          await travel(lag);
          for (;;) {
            const held = trouble.heldUntil(process, resource) - clock.monotonic();
            if (held <= 0) break;
            await clock.sleep(held);
          }
          if (dead) await never();
          request.signal?.throwIfAborted();
          yield batch as readonly WatchEvent[];
          if (trouble.repeats(process, resource)) yield batch;
        }
      } catch (error) {
        if (dead) await never();
        request.signal?.throwIfAborted();
        if (cut.signal.aborted) throw cut.signal.reason;
        throw error instanceof ApiError ? error : cutOff();
      } finally {
        stop();
      }
    },

    stream: (request) => inner().stream(request),
    async close() {
      severed.abort();
    },
    sever() {
      dead = true;
      severed.abort(cutOff());
    },
  };
}
