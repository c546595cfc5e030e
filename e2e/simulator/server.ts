/**
 * Server: the real API server over the ledger's store, which dies and comes back over the same data.
 *
 * A dead server is abandoned like any process: what it was doing in the store has happened, or never will.
 */
import { generateKeyPairSync } from "node:crypto";
import { type Apiserver, createApiserver } from "../../apiserver/create-apiserver.ts";
import type { ReadNode } from "../../apiserver/node-metrics/contract.ts";
import type { Schema } from "../../apiserver/schema/contract.ts";
import { loadSchema } from "../../apiserver/schema/load.ts";
import type { Operation, Store } from "../../apiserver/store/contract.ts";
import { createMemoryStore } from "../../apiserver/store/memory.ts";
import { CONTROLLERS_USER, runControllers } from "../../controllers/controllers.ts";
import type { Handler } from "../../machinery/client/transport/contract.ts";
import { directTransport } from "../../machinery/client/transport/direct.ts";
import { silent } from "../../machinery/process/logging.ts";
import { random } from "./random.ts";
import { createVirtualTime, type ProcessClock, type VirtualTime, within } from "./virtual-time.ts";

/** What all simulations of a process share; costly to make. */
export interface Prepared {
  readonly schema: Schema;
  readonly tokenKey: string;
  /** What is written when a cluster starts for the first time, before it has nodes, commit by commit. */
  readonly first: readonly (readonly Operation[])[];
}

export async function prepare(): Promise<Prepared> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const schema = await loadSchema();
  const tokenKey = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  return { schema, tokenKey, first: await firstStart({ schema, tokenKey, first: [] }) };
}

/** How long it takes at most until a cluster without nodes has all that it begins with. */
const FIRST_MS = 60_000;

/** What is the same in all clusters, by the server itself and by its controllers, is made once. */
async function firstStart(prepared: Prepared): Promise<Prepared["first"]> {
  const time = createVirtualTime(-2 * FIRST_MS);
  const clock = time.clock(random("first start"));
  const inner = createMemoryStore({ clock });
  const written: (readonly Operation[])[] = [];
  const store: Store = {
    ...inner,
    async commit(conditions, operations, options) {
      const result = await inner.commit(conditions, operations, options);
      if (result.committed) written.push(operations);
      return result;
    },
  };
  const server = createServer(0, time, store, prepared, () => Promise.reject(new Error("there are no nodes")));
  await within(time, server.start());
  const handler = server.handler() as Handler;
  const transport = directTransport({ handler, user: CONTROLLERS_USER, groups: [] });
  const over = new AbortController();
  const { signal } = over;
  void runControllers({ transport, clock, log: silent, signal, leadership: "none", identity: "first" });
  await time.run(FIRST_MS);
  clock.kill();
  over.abort();
  server.end();
  return written;
}

export interface SimulatedServer {
  /** Undefined while it is down. */
  handler(): Handler | undefined;
  /** Aborts when the server of now dies. */
  gone(): AbortSignal;
  /** Resolves when it serves. */
  start(): Promise<void>;
  crash(): void;
  /** The simulation is over: all its lives let go of what they hold. */
  end(): void;
}

/** Anew each time: what waits for one that all share would be kept for ever. */
const never = () => new Promise<never>(() => undefined);

export function createServer(
  seed: number,
  time: VirtualTime,
  store: Store,
  { schema, tokenKey }: Prepared,
  readNode: ReadNode,
): SimulatedServer {
  let lives = 0;
  let current: { readonly handler: Handler; readonly clock: ProcessClock; readonly gone: AbortController } | undefined;
  const apiservers: Apiserver[] = [];
  const none = new AbortController();
  none.abort();
  const crash = () => {
    current?.clock.kill();
    current?.gone.abort();
    current = undefined;
  };
  return {
    handler: () => current?.handler,
    gone: () => current?.gone.signal ?? none.signal,
    async start() {
      const clock = time.clock(random(seed, "server", ++lives));
      const gone = new AbortController();
      const apiserver = createApiserver({
        schema,
        tokenKey,
        readNode,
        store: mortal(store, gone.signal),
        advertiseAddress: "192.0.2.1",
        clock,
        log: silent,
      });
      apiservers.push(apiserver);
      const mine = { handler: apiserver.handler, clock, gone };
      current = mine;
      await apiserver.start();
    },
    crash,
    end() {
      crash();
      for (const apiserver of apiservers) void apiserver.close();
    },
  };
}

/** The store as one life of the server sees it: silent after its death. */
function mortal(store: Store, gone: AbortSignal): Store {
  const alive = async <T>(work: () => Promise<T>): Promise<T> => {
    if (gone.aborted) return never();
    const answer = await work();
    return gone.aborted ? never() : answer;
  };
  return {
    get: (key) => alive(() => store.get(key)),
    list: (request) => alive(() => store.list(request)),
    commit: (conditions, operations, options) => alive(() => store.commit(conditions, operations, options)),
    async *watch(request) {
      for await (const batch of store.watch({ ...request, signal: AbortSignal.any([request.signal, gone]) })) {
        if (gone.aborted) await never();
        yield batch;
      }
      if (gone.aborted) await never();
    },
    history: (key) => alive(() => store.history(key)),
    revision: () => alive(() => store.revision()),
    compact: (revision) => alive(() => store.compact(revision)),
    close: () => Promise.resolve(),
  };
}
