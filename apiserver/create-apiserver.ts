/**
 * Create API server: the request pipeline with everything it stands on, as one thing that starts and stops.
 *
 * Controllers and scheduler in the same process, and tests, use `handler` directly. Flags, keys, the store
 * and listeners around it: apiserver.ts.
 */
import { createClient } from "../machinery/client/create-client.ts";
import type { Handler } from "../machinery/client/transport/contract.ts";
import { directTransport } from "../machinery/client/transport/direct.ts";
import { isIPv6 } from "../machinery/objects/ip.ts";
import { ApiError } from "../machinery/objects/status.ts";
import type { Clock } from "../machinery/process/clock.ts";
import { limits } from "../machinery/process/limits.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { Metrics } from "../machinery/process/metrics.ts";
import { createPolicyStatus, policiesRow } from "./admission/policy-status.ts";
import { nthAddress } from "./admission/service-ranges.ts";
import type { FrontProxy } from "./aggregation/contract.ts";
import { trustFrontProxy } from "./aggregation/front-proxy.ts";
import { MASTERS } from "./auth/contract.ts";
import type { TokenOptions } from "./auth/tokens.ts";
import { bootstrap } from "./bootstrap.ts";
import { bootstrapJoin } from "./bootstrap-join.ts";
import { asApi } from "./cache/errors.ts";
import { createWatchCache } from "./cache/watch-cache.ts";
import { createDefinitions, definitionsRow } from "./custom/definitions.ts";
import type { ReadNode } from "./node-metrics/contract.ts";
import { readNodeThrough } from "./node-metrics/read-node.ts";
import { drained } from "./request/drained.ts";
import type { HealthCheck } from "./request/health.ts";
import { createServerMetrics } from "./request/metrics.ts";
import { type AuditTarget, assembleServer } from "./request/server.ts";
import { createSchedulingDesk, type SchedulingDesk } from "./scheduling/desk.ts";
import type { Schema } from "./schema/contract.ts";
import { createPeers, type PeerIdentity } from "./servers/peers.ts";
import { createPresence, type ServerAddress } from "./servers/presence.ts";
import { createServers } from "./servers/servers.ts";
import type { Store } from "./store/contract.ts";
import { measured } from "./store/measured.ts";
import { prepareStore } from "./store/store-state.ts";
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
  /** Who tokens say they are from, and for whom; keys besides the one that signs. */
  readonly tokens?: TokenOptions | undefined;
  readonly serviceCidr?: string;
  readonly nodePorts?: readonly [number, number];
  /** Where Pods and other machines reach this server. */
  readonly advertiseAddress?: string;
  readonly port?: number;
  readonly audit?: AuditTarget | undefined;
  /** Other servers may work on the same store, now or later. */
  readonly shared?: boolean;
  /** How this server shows itself to those: without it, nodes whose tunnels they hold are not reached from here. */
  readonly peers?: PeerIdentity | undefined;
  /** By what API servers behind this one know it, and PEM of the authority of clients, which they are told too. */
  readonly frontProxy?: FrontProxy | undefined;
  readonly clientAuthority?: string | undefined;
  /** What machines that join are told; without it, none can. */
  readonly joining?: { readonly authority: string; readonly clusterCidr: string } | undefined;
  /** Longest that a request may take which is no watch or stream. */
  readonly requestMs?: number;
  /** How a node is asked what it uses; default: through its tunnel. */
  readonly readNode?: ReadNode | undefined;
}

export interface Apiserver {
  readonly handler: Handler;
  readonly tunnels: Tunnels;
  /** Where a scheduler of this process says that it may be asked. */
  readonly scheduling: SchedulingDesk;
  /** What the process counts; others in it may add to it. */
  readonly metrics: Metrics;
  /**
   * Resolves when everything that a cluster needs from its first moment is stored. Until then only health
   * checks and administrators are answered, everyone else is told to come back. A store that fails is tried again.
   */
  start(signal?: AbortSignal): Promise<void>;
  /** Others find it under another address from now on. */
  moved(address: string): Promise<void>;
  /** No longer ready, but still serving: load balancers turn away meanwhile. */
  leave(): void;
  /** Ends watches and streams, refuses new requests, and waits for those that are being answered. */
  close(): Promise<void>;
}

export const DEFAULT_SERVICE_CIDR = "10.43.0.0/16";
export const DEFAULT_NODE_PORTS: readonly [number, number] = [30000, 32767];
export const APISERVER_USER = "system:apiserver";

export function createApiserver(options: ApiserverOptions): Apiserver {
  const { schema, clock, log } = options;
  const { serviceCidr = DEFAULT_SERVICE_CIDR, nodePorts = DEFAULT_NODE_PORTS } = options;
  const { advertiseAddress = "127.0.0.1", port = 6443 } = options;
  const stop = new AbortController();
  const metrics = createServerMetrics(clock);
  const store = measured(options.store, metrics.all, clock);
  const cache = createWatchCache({ store, clock, log });
  const self = { address: advertiseAddress, port };
  const { shared = false } = options;
  const presence = createPresence({ clock, log, internal: cache.internal, self, shared });
  const peers = options.peers && createPeers(options.peers, clock);
  const elsewhere = peers && ((node: string, signal?: AbortSignal) => peers(presence.others(), node, signal));
  const tunnels = createTunnels({ clock, log, elsewhere });
  const scheduling = createSchedulingDesk(clock);
  let starting = true;
  let leaving = false;
  const checks: HealthCheck[] = [
    { name: "etcd", live: false, check: () => whyUnanswered(store) },
    { name: "poststarthook/bootstrap", live: false, check: () => (starting ? "not finished" : undefined) },
  ];

  const {
    handler: pipeline,
    addresses,
    server,
    registry,
    aggregation,
    webhooks,
  } = assembleServer({
    clock,
    log,
    schema,
    cache,
    tokenKey: options.tokenKey,
    tokens: options.tokens,
    serviceCidr,
    nodePorts,
    tunnels,
    frontProxy: options.frontProxy,
    scheduling,
    readNode: options.readNode ?? readNodeThrough(tunnels),
    checks,
    address: `${advertiseAddress}:${port}`,
    stopping: stop.signal,
    leaving: () => leaving || stop.signal.aborted,
    starting: () => starting,
    metrics,
    audit: options.audit,
    requestMs: options.requestMs ?? limits.requestMs,
  });
  const { handler, idle } = drained(pipeline, clock);
  const client = createClient(directTransport({ handler, user: APISERVER_USER, groups: [MASTERS] }));
  const serviceAddress = nthAddress(serviceCidr, 1);
  const servers = createServers({ presence, self, shared, client, objects: server.objects, clock, log });
  const definitions = createDefinitions({
    cache: server.resources.cache(definitionsRow(server.resources)),
    registry,
    rows: () => server.resources.rows,
    client,
    clock,
    log,
    signal: stop.signal,
  });

  const policyStatus = createPolicyStatus({
    cache: server.resources.cache(policiesRow(server.resources)),
    client,
    schema,
    rows: () => server.resources.rows,
    clock,
    log,
    signal: stop.signal,
  });

  const tellWhere = async () => {
    if (options.joining)
      await bootstrapJoin({ client, server: urlOf(self), ...joinFacts(options.joining, serviceCidr) });
  };

  const begin = async (signal: AbortSignal) => {
    await cache.synced(signal);
    await presence.announce();
    await asApi(prepareStore(store));
    const wrong = await addresses.repair();
    if (wrong > 0) log.warn("service addresses repaired", { count: wrong });
    await definitions.start();
    policyStatus.start();
    await bootstrap({ client, serviceCidr, serviceAddress, port });
    await trustFrontProxy({ client, clock, frontProxy: options.frontProxy, clientAuthority: options.clientAuthority });
    await aggregation.start(client);
    await tellWhere();
    await servers.serve();
    // A consistent read: permissions come from the cache, which then has everything that was just written.
    await client.list("namespaces", { limit: 1 });
  };

  return {
    handler,
    tunnels,
    scheduling,
    metrics: metrics.all,
    async moved(address) {
      self.address = address;
      if (starting || leaving) return;
      await tellWhere();
      await servers.serve();
    },
    leave() {
      leaving = true;
      void servers.leave();
    },
    async start(signal) {
      const until = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
      while (starting) {
        try {
          await begin(until);
          starting = false;
        } catch (error) {
          until.throwIfAborted();
          // A conflict is another server that starts at the same moment.
          if (!(error instanceof ApiError) || !(error.retryable || error.reason === "Conflict")) throw error;
          log.warn("start is tried again", { error });
          await clock.sleep(RETRY_MS, until);
        }
      }
    },
    async close() {
      leaving = true;
      const left = servers.leave();
      if (shared) await left; // what it still writes goes through here
      stop.abort(new ApiError("ServiceUnavailable", "the server is shutting down"));
      await idle(limits.drainMs);
      await definitions.stopped();
      await policyStatus.stopped();
      await aggregation.stopped();
      await server.nodeMetrics.close();
      registry.close();
      webhooks.close();
      await client.transport.close();
      await tunnels.close();
      await cache.close();
    },
  };
}

const urlOf = ({ address, port }: ServerAddress) => `https://${isIPv6(address) ? `[${address}]` : address}:${port}`;

const joinFacts = ({ authority, clusterCidr }: NonNullable<ApiserverOptions["joining"]>, serviceCidr: string) => ({
  authority,
  facts: { clusterCidr, serviceCidr, clusterDns: nthAddress(serviceCidr, 10), clusterDomain: "cluster.local" },
});

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
