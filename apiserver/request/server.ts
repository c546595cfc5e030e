/**
 * Server: puts the parts of the pipeline together. What happens with a request: handler.ts.
 *
 * The parts that the process owns (store, keys, schema, tunnels) come in; nothing here opens or closes them.
 */
import type { Handler, RequestRecord } from "../../machinery/client/transport/contract.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { builtinPlugins, createAdmission } from "../admission/chain.ts";
import { measuredAdmission, measuredPlugins } from "../admission/measured.ts";
import { createServiceAddresses, type ServiceAddresses } from "../admission/service-addresses.ts";
import { createAggregation, type RunningAggregation } from "../aggregation/aggregation.ts";
import type { FrontProxy } from "../aggregation/contract.ts";
import { createFieldManagement } from "../apply/create-field-management.ts";
import { type AuditOptions, createAudit } from "../audit/audit.ts";
import { createAuthenticate } from "../auth/authenticate.ts";
import { type Authorizer, allow, MASTERS, noOpinion } from "../auth/contract.ts";
import { createNodeAuthorizer } from "../auth/node-authorizer.ts";
import { createRbac } from "../auth/rbac.ts";
import { createTokens, type TokenOptions } from "../auth/tokens.ts";
import type { WatchCache } from "../cache/contract.ts";
import { storagePrefix } from "../cache/keys.ts";
import { createRegistry, type Registry } from "../custom/registry.ts";
import { createCollector } from "../node-metrics/collector.ts";
import type { ReadNode } from "../node-metrics/contract.ts";
import type { ResourceRow } from "../resources/contract.ts";
import { ResourceTable } from "../resources/table.ts";
import type { SchedulingDesk } from "../scheduling/desk.ts";
import type { Schema } from "../schema/contract.ts";
import { createDecoders } from "../schema/decode.ts";
import { createOpenApi } from "../schema/openapi.ts";
import { createProtobuf } from "../schema/protobuf.ts";
import type { Tunnels } from "../tunnel/contract.ts";
import { createPlaceResolver } from "../tunnel/service-dial.ts";
import type { WebhookClient } from "../webhooks/contract.ts";
import { createWebhookClient } from "../webhooks/webhook-client.ts";
import { createAdmissionServices } from "./admission-services.ts";
import { readBody } from "./body.ts";
import type { Resources, Server } from "./contract.ts";
import { createHandler } from "./handler.ts";
import type { HealthCheck } from "./health.ts";
import type { ServerMetrics } from "./metrics.ts";
import { readyNodes } from "./metrics-api.ts";
import { createCachedObjects, createResources } from "./resources.ts";
import { version } from "./version.ts";

export interface ServerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly schema: Schema;
  readonly cache: WatchCache;
  /** PKCS#8 PEM that signs service account tokens. */
  readonly tokenKey: string;
  readonly tokens?: TokenOptions | undefined;
  readonly serviceCidr: string;
  readonly nodePorts: readonly [number, number];
  readonly tunnels?: Tunnels | undefined;
  /** By what API servers behind this one know it. */
  readonly frontProxy?: FrontProxy | undefined;
  readonly scheduling: SchedulingDesk;
  readonly readNode: ReadNode;
  /** Checks besides those of the pipeline itself. */
  readonly checks: readonly HealthCheck[];
  readonly address: string;
  readonly stopping: AbortSignal;
  /** True from when the server is told to stop: it still serves, but is no longer ready. */
  readonly leaving: () => boolean;
  readonly metrics: ServerMetrics;
  readonly audit?: AuditTarget | undefined;
  readonly requestMs: number;
  /** True while what permissions are read from may not be there yet. */
  readonly starting: () => boolean;
}

/** What is written to the audit log, and where. */
export type AuditTarget = Pick<AuditOptions, "policy" | "sink">;

export interface AssembledServer {
  readonly handler: Handler;
  readonly server: Server;
  readonly addresses: ServiceAddresses;
  /** Where definitions of custom kinds are brought to be served. */
  readonly registry: Registry;
  readonly aggregation: RunningAggregation;
  /** To be closed with the server. */
  readonly webhooks: WebhookClient;
}

export function assembleServer(options: ServerOptions): AssembledServer {
  const { clock, log, schema, cache, stopping } = options;
  const table = new ResourceTable();
  const resources = createResources(table, cache);
  const objects = createCachedObjects(resources);
  const tokens = createTokens(clock, options.tokenKey, options.tokens);
  const rbac = createRbac(objects);
  const authorize = inOrder([masters, createNodeAuthorizer(objects), rbac.authorize]);
  const { protobuf, decoders, fields } = compiledFrom(schema);
  const merge: typeof fields.merge = (...what) => fields.merge(...what);
  const { all } = options.metrics;
  const { serviceCidr, nodePorts } = options;
  const addresses = createServiceAddresses({ clock, objects, internal: cache.internal, serviceCidr, nodePorts });
  const placeOf = createPlaceResolver({ objects, tunnels: options.tunnels, clock });
  const webhooks = createWebhookClient({
    clock,
    async resolve(namespace, name, port) {
      const place = placeOf({ namespace, name, port });
      return { host: place.host, port: place.port, dial: place.tunneled ? place.dial : undefined };
    },
  });

  const aggregation = createAggregation({
    cache: resources.cache(apiServicesRow(resources)),
    rows: () => resources.rows,
    objects,
    tunnels: options.tunnels,
    frontProxy: options.frontProxy,
    clock,
    log,
    signal: stopping,
  });

  const server: Server = {
    clock,
    log,
    schema,
    decoders,
    protobuf,
    openApi: createOpenApi({
      schema,
      rows: () => resources.rows,
      version: version.gitVersion,
      clock,
      foreign: () => aggregation.openApi(),
    }),
    fields,
    resources,
    cache,
    objects,
    authenticate: createAuthenticate(tokens, objects, clock),
    authorize,
    rbac,
    tokens,
    admission: measuredAdmission(
      createAdmission(
        measuredPlugins(
          builtinPlugins({ rbac, authorize, webhooks, clock, merge, metrics: all, rows: () => resources.rows }),
          all,
          clock,
        ),
        createAdmissionServices({ clock, objects, resources, schema, decoders }),
      ),
      all,
      clock,
    ),
    allocate: addresses.allocate,
    tunnels: options.tunnels,
    aggregation,
    scheduling: options.scheduling,
    nodeMetrics: createCollector({
      clock,
      log,
      nodes: () => readyNodes(objects),
      readNode: options.readNode,
      stopping,
    }),
    metrics: options.metrics,
    audit:
      options.audit &&
      createAudit({ ...options.audit, clock, metrics: all, read: (record) => readQuietly(protobuf, record) }),
    requestMs: options.requestMs,
    checks: [
      { name: "ping", live: true, check: () => undefined },
      ...options.checks,
      { name: "informer-sync", live: false, check: () => cache.trouble() },
      { name: "shutdown", live: false, check: () => (options.leaving() ? "process is shutting down" : undefined) },
    ],
    address: options.address,
    stopping,
    starting: options.starting,
  };
  const registry = createRegistry({
    table,
    schema,
    decoders: server.decoders,
    clock,
    webhooks,
    changed: () => {
      server.openApi.reset();
      aggregation.rowsChanged();
    },
    gone: ({ group, plural }) => cache.release(storagePrefix(group, plural)),
  });
  return { handler: createHandler(server), server, addresses, registry, aggregation, webhooks };
}

type Compiled = Pick<Server, "protobuf" | "decoders" | "fields">;

const compiled = new WeakMap<Schema, Compiled>();

/** Made on first use, part by part, and only once: servers of one schema share it. */
function compiledFrom(schema: Schema): Compiled {
  const known = compiled.get(schema);
  if (known) return known;
  const made = {
    protobuf: createProtobuf(schema),
    decoders: createDecoders(schema),
    fields: createFieldManagement(schema),
  };
  compiled.set(schema, made);
  return made;
}

function apiServicesRow({ find }: Pick<Resources, "find">): ResourceRow {
  const row = find("apiregistration.k8s.io", "v1", "apiservices");
  if (!row) throw new Error("APIServices are not in the table of resources");
  return row;
}

/** For the audit log: a body that cannot be read is told by the answer. */
function readQuietly(protobuf: Server["protobuf"], record: RequestRecord): unknown {
  try {
    return readBody({ protobuf }, record)?.value;
  } catch {
    return undefined;
  }
}

/** system:masters may do everything, whatever becomes of the roles. */
const masters: Authorizer = ({ user }) => (user.groups.includes(MASTERS) ? allow() : noOpinion);

/** The first that allows or denies decides; what the others would have wanted is told when nobody does. */
function inOrder(authorizers: readonly Authorizer[]): Authorizer {
  return (asked) => {
    let reason = "";
    for (const authorize of authorizers) {
      const decision = authorize(asked);
      if (decision.kind !== "noOpinion") return decision;
      if (decision.reason) reason = reason ? `${reason}, ${decision.reason}` : decision.reason;
    }
    return { kind: "noOpinion", reason };
  };
}
