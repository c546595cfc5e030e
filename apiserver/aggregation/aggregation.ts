/**
 * Aggregation: follows APIServices, and keeps for each that names a Service a connection and what is known of it.
 *
 * Whether the other server can be asked is looked at again and again, since a network tells nobody that it is cut; it
 * is written to the APIService when it changes. Several servers on one store do the same; whoever comes second finds
 * nothing left to write. A request for what does not answer is refused at once, so that discovery, namespaces and
 * garbage collection know what they do not know.
 */
import type { Client } from "../../machinery/client/client.ts";
import { createWorkQueue } from "../../machinery/loop/work-queue.ts";
import { findCondition, isTrue, withCondition } from "../../machinery/objects/conditions.ts";
import { cloneJson, equalJson } from "../../machinery/objects/json-value.ts";
import { isConflict, isNotFound } from "../../machinery/objects/status.ts";
import type { Draft } from "../../machinery/objects/wire.ts";
import { type Clock, wireTime } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { CachedObjects } from "../auth/contract.ts";
import type { ResourceCache } from "../cache/contract.ts";
import { follow } from "../cache/follow.ts";
import type { ApiService, ApiServiceCondition } from "../resources/api-service.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { RemoteVersion } from "../resources/discovery.ts";
import type { ForeignOpenApi } from "../schema/openapi-foreign.ts";
import type { Tunnels } from "../tunnel/contract.ts";
import { createPlaceResolver, type ServicePort } from "../tunnel/service-dial.ts";
import { failedDiscovery, nobodyThere, passed } from "./availability.ts";
import type { Aggregation, FrontProxy, ServeRemote } from "./contract.ts";
import { keepCustom, makeBuiltin } from "./local-services.ts";
import { proxyTo, unavailable } from "./proxy.ts";
import { discoverRemote, undiscovered } from "./remote.ts";
import { createRemoteConnection, type RemoteConnection, type RemoteTrust } from "./remote-connection.ts";
import { createRemoteOpenApi } from "./remote-openapi.ts";

export interface AggregationOptions {
  /** Where APIServices are kept. */
  readonly cache: ResourceCache;
  readonly rows: () => readonly ResourceRow[];
  readonly objects: CachedObjects;
  readonly tunnels: Tunnels | undefined;
  readonly frontProxy: FrontProxy | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface RunningAggregation extends Aggregation {
  /** Resolves when what is served by others is known. May be tried again. */
  start(client: Client): Promise<void>;
  /** Rows of custom kinds came or went. */
  rowsChanged(): void;
  /** Resolves when nothing is under way any more. */
  stopped(): Promise<void>;
}

interface Remote {
  readonly service: ServicePort;
  readonly trust: RemoteTrust;
  readonly connection: RemoteConnection;
  readonly openApi: ForeignOpenApi;
  /** As the APIService says. */
  available: boolean;
  version: RemoteVersion;
  /** When it was last asked, whether it answered, and how often in a row it did not. */
  asked: { readonly at: number; readonly failures: number } | undefined;
  /** What was known of Services and endpoints then. */
  generation: number;
}

/** How often this server looks at what it knows of the Service itself; how often it asks one that answers. */
const LOOK_MS = 1_000;
const ASK_MS = 30_000;
const RETRY_MS = 1_000;
/** Stands for all APIServices of custom kinds in the queue. */
const CUSTOM_KINDS = "";

export function createAggregation(options: AggregationOptions): RunningAggregation {
  const { cache, rows, objects, tunnels, frontProxy, clock, signal } = options;
  const log = options.log.child({ controller: "apiservice" });
  const queue = createWorkQueue(clock);
  const remotes = new Map<string, Remote>();
  const resolve = createPlaceResolver({ objects, tunnels, clock });

  const drop = (name: string): void => {
    remotes.get(name)?.connection.close();
    remotes.delete(name);
  };

  const look = (name: string): void => {
    const object = cache.peek({ name })?.object as ApiService | undefined;
    const { spec } = object ?? {};
    if (!object || !spec?.service) {
      drop(name);
      return;
    }
    const { namespace = "", name: service = "", port = 443 } = spec.service;
    const where = { service: { namespace, name: service, port }, trust: trustOf(spec) };
    const { group = "", version = "" } = spec;
    const known = remotes.get(name);
    const same = known && equalJson(where, { service: known.service, trust: known.trust });
    if (!same) drop(name);
    const remote = same ? known : open(where, `apis/${group}/${version}`);
    const priorities = { groupPriority: spec.groupPriorityMinimum, versionPriority: spec.versionPriority };
    const described = { group, version, ...priorities };
    remote.available = isTrue(object.status?.conditions, "Available");
    remote.version = { ...(same ? remote.version : undiscovered(described)), ...described };
    remotes.set(name, remote);
    queue.add(name, { revision: object.metadata.resourceVersion });
  };

  const open = (where: Pick<Remote, "service" | "trust">, document: string): Remote => {
    const connection = createRemoteConnection({ ...where, resolve, frontProxy, clock });
    return {
      ...where,
      connection,
      openApi: createRemoteOpenApi(connection, clock, document),
      available: false,
      version: undiscovered({ group: "", version: "", groupPriority: 0, versionPriority: 0 }),
      asked: undefined,
      generation: -1,
    };
  };

  /** What holds for it now. A server that was asked lately, under the same circumstances, is not asked again. */
  const judge = async (remote: Remote, before: ApiServiceCondition | undefined): Promise<ApiServiceCondition> => {
    const nobody = nobodyThere(remote.service, objects);
    if (nobody) {
      remote.asked = undefined;
      remote.version = { ...remote.version, fresh: false };
      return nobody;
    }
    const generation = objects.generation("endpointslices.discovery.k8s.io") + objects.generation("services");
    const { at = 0, failures = 0 } = remote.asked ?? {};
    const restMs = failures > 0 ? Math.min(RETRY_MS * 2 ** (failures - 1), ASK_MS) : ASK_MS;
    const changed = failures > 0 && generation !== remote.generation;
    if (remote.asked && !changed && clock.monotonic() - at < restMs && before) return before;
    remote.generation = generation;
    try {
      const { host, port } = resolve(remote.service);
      const resources = await discoverRemote(remote.connection, clock, `${host}:${port}`, remote.version);
      remote.version = { ...remote.version, resources, fresh: true };
      remote.asked = { at: clock.monotonic(), failures: 0 };
      return passed;
    } catch (error) {
      remote.version = { ...remote.version, fresh: false };
      remote.asked = { at: clock.monotonic(), failures: failures + 1 };
      return failedDiscovery((error as Error).message);
    }
  };

  const reconcile = async (name: string, client: Client): Promise<number | undefined> => {
    if (name === CUSTOM_KINDS) {
      await keepCustom({ client, cache, rows });
      return undefined;
    }
    const remote = remotes.get(name);
    const object = cache.peek({ name })?.object as ApiService | undefined;
    if (!remote || !object) return undefined;
    const before = findCondition(object.status?.conditions, "Available");
    const condition = await judge(remote, before);
    // an APIService that was changed meanwhile is in the queue again
    if (remotes.get(name) === remote && !says(before, condition)) await tell(client, object, condition, clock);
    return LOOK_MS;
  };

  const work = async (client: Client): Promise<void> => {
    for (let item = await queue.next(signal); item; item = await queue.next(signal)) {
      try {
        queue.finish(item, { after: await reconcile(item.key, client) });
      } catch (error) {
        if (signal.aborted) return;
        const waitMs = queue.retry(item, RETRY_MS);
        if (!isConflict(error) && !isNotFound(error))
          log.warn("APIService not settled", { name: item.key, waitMs, error });
      }
    }
  };

  const serve = (name: string, remote: Remote): ServeRemote => {
    if (!remote.available) return async () => unavailable("service unavailable");
    const doubt = () => {
      remote.asked = undefined;
      queue.add(name);
    };
    return ({ record, user }) => proxyTo(remote.connection, record, user, doubt);
  };

  let running: Promise<unknown> | undefined;
  return {
    find(path) {
      if (remotes.size === 0 || !path.startsWith("/apis/")) return undefined;
      const [, , group = "", version = ""] = path.split("/", 4);
      const name = `${version}.${group}`;
      const remote = remotes.get(name);
      return remote && serve(name, remote);
    },
    versions: () => [...remotes.values()].map(({ version }) => version),
    openApi: () => [...remotes.values()].filter(({ available }) => available).map(({ openApi }) => openApi),
    rowsChanged() {
      queue.add(CUSTOM_KINDS);
    },
    async start(client) {
      await makeBuiltin({ client, cache, rows });
      const page = await cache.list({ selection: {}, signal });
      for (const { object } of page.items) look(object.metadata.name);
      queue.add(CUSTOM_KINDS);
      const following = () =>
        follow({
          cache,
          clock,
          signal,
          since: page.resourceVersion,
          look,
          known: () => remotes.keys(),
          failed: (error) => log.warn("APIServices cannot be watched", { error }),
        });
      running ??= Promise.all([following(), ...Array.from({ length: WORKERS }, () => work(client))]);
    },
    async stopped() {
      await running;
      for (const name of [...remotes.keys()]) drop(name);
    },
  };
}

/** One server that does not answer keeps nobody from asking the others. */
const WORKERS = 4;

type Spec = NonNullable<ApiService["spec"]>;

const trustOf = ({ caBundle = "", insecureSkipTLSVerify = false }: Spec): RemoteTrust => ({
  caBundle,
  insecure: insecureSkipTLSVerify,
});

const says = (before: ApiServiceCondition | undefined, { status, reason, message }: ApiServiceCondition): boolean =>
  before?.status === status && before.reason === reason && before.message === message;

async function tell(client: Client, object: ApiService, condition: ApiServiceCondition, clock: Clock): Promise<void> {
  const body = cloneJson(object) as Draft<ApiService>;
  const conditions = withCondition(object.status?.conditions, condition, wireTime(clock.now()));
  const path = `/apis/apiregistration.k8s.io/v1/apiservices/${object.metadata.name}/status`;
  await client.raw({ method: "PUT", path, body: { ...body, status: { ...object.status, conditions } } });
}
