/**
 * Create API server: the request pipeline with everything it stands on, as one thing that starts and stops.
 *
 * Controllers and scheduler in the same process, and tests, use `handler` directly. Flags, keys, the store
 * and listeners around it: apiserver.ts.
 */
import { createClient } from "../machinery/client/create-client.ts";
import type { Handler } from "../machinery/client/transport/contract.ts";
import { directTransport } from "../machinery/client/transport/direct.ts";
import { ApiError } from "../machinery/objects/status.ts";
import type { Clock } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import { nthAddress } from "./admission/service-addresses.ts";
import { MASTERS } from "./auth/contract.ts";
import { bootstrap } from "./bootstrap.ts";
import { createWatchCache } from "./cache/watch-cache.ts";
import type { HealthCheck } from "./request/health.ts";
import { assembleServer } from "./request/server.ts";
import type { Schema } from "./schema/contract.ts";
import type { Store } from "./store/contract.ts";
import type { Tunnels } from "./tunnel/contract.ts";
import { createTunnels } from "./tunnel/tunnels.ts";

export interface ApiserverOptions {
  /** Stays the caller's: closed by the caller, after the API server. */
  readonly store: Store;
  readonly schema: Schema;
  readonly clock: Clock;
  readonly log: Logger;
  /** PKCS#8 PEM that signs service account tokens: see machinery/pki. */
  readonly tokenKey: string;
  readonly serviceCidr?: string;
  readonly nodePorts?: readonly [number, number];
  /** Where Pods and other machines reach this server. */
  readonly advertiseAddress?: string;
  readonly port?: number;
}

export interface Apiserver {
  readonly handler: Handler;
  readonly tunnels: Tunnels;
  /**
   * Resolves when everything that a cluster needs from its first moment is stored. Until then only health
   * checks and administrators are answered, everyone else is told to come back. A store that fails is tried again.
   */
  start(signal?: AbortSignal): Promise<void>;
  /** Ends watches and streams, refuses new requests. */
  close(): Promise<void>;
}

export const DEFAULT_SERVICE_CIDR = "10.43.0.0/16";
export const DEFAULT_NODE_PORTS: readonly [number, number] = [30000, 32767];
export const APISERVER_USER = "system:apiserver";

export function createApiserver(options: ApiserverOptions): Apiserver {
  const { store, schema, clock, log } = options;
  const { serviceCidr = DEFAULT_SERVICE_CIDR, nodePorts = DEFAULT_NODE_PORTS } = options;
  const { advertiseAddress = "127.0.0.1", port = 6443 } = options;
  const stop = new AbortController();
  const cache = createWatchCache({ store, clock, log });
  const tunnels = createTunnels({ clock, log });
  let starting = true;
  const checks: HealthCheck[] = [
    { name: "store", live: false, check: () => whyUnanswered(store) },
    { name: "poststarthook/bootstrap", live: false, check: () => (starting ? "not finished" : undefined) },
  ];

  const { handler, addresses } = assembleServer({
    clock,
    log,
    schema,
    cache,
    tokenKey: options.tokenKey,
    serviceCidr,
    nodePorts,
    tunnels,
    checks,
    address: `${advertiseAddress}:${port}`,
    stopping: stop.signal,
    starting: () => starting,
  });
  const client = createClient(directTransport({ handler, user: APISERVER_USER, groups: [MASTERS] }));
  const serviceAddress = nthAddress(serviceCidr, 1);

  const begin = async (signal: AbortSignal) => {
    await cache.synced(signal);
    const wrong = await addresses.repair();
    if (wrong > 0) log.warn("service addresses repaired", { count: wrong });
    await bootstrap({ client, serviceAddress, advertiseAddress, port });
    // A consistent read: permissions come from the cache, which then has everything that was just written.
    await client.list("namespaces", { limit: 1 });
  };

  return {
    handler,
    tunnels,
    async start(signal) {
      const until = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
      while (starting) {
        try {
          await begin(until);
          starting = false;
        } catch (error) {
          until.throwIfAborted();
          if (!(error instanceof ApiError) || !error.retryable) throw error;
          log.warn("start is tried again", { error });
          await clock.sleep(RETRY_MS, until);
        }
      }
    },
    async close() {
      stop.abort(new ApiError("ServiceUnavailable", "the server is shutting down"));
      await client.transport.close();
      await tunnels.close();
      await cache.close();
    },
  };
}

/** Wait between attempts to start over a store that fails. */
const RETRY_MS = 1_000;

/** Asks the store itself, not the cache: undefined when it answers. */
async function whyUnanswered(store: Pick<Store, "revision">): Promise<string | undefined> {
  try {
    await store.revision();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
