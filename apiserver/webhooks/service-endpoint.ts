/**
 * Service endpoint: where this process reaches a Service that a webhook configuration names.
 *
 * Ready endpoints come first, since they need no service proxy on this machine; else the ClusterIP.
 */
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { CachedObjects } from "../auth/contract.ts";
import type { ResolveService } from "./contract.ts";

interface Service extends StoredObject {
  readonly spec?: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly externalName?: string;
    readonly ports?: readonly { readonly name?: string; readonly port: number }[];
  };
}

interface Slice extends StoredObject {
  readonly endpoints?: readonly {
    readonly addresses: readonly string[];
    readonly conditions?: { readonly ready?: boolean };
  }[];
  readonly ports?: readonly { readonly name?: string; readonly port?: number }[];
}

export function createServiceResolver(objects: CachedObjects, clock: Pick<Clock, "random">): ResolveService {
  return async (namespace, name, port) => {
    const service = objects.get("services", namespace, name) as Service | undefined;
    if (!service) throw new Error(`service ${JSON.stringify(name)} not found`);
    const { type, clusterIP, externalName, ports = [] } = service.spec ?? {};
    if (type === "ExternalName") return { host: externalName ?? "", port };
    const own = ports.find((one) => one.port === port);
    if (!own) throw new Error(`no service port ${port} found for service ${JSON.stringify(name)}`);
    const ready = readyEndpoints(objects, namespace, name, own.name ?? "");
    if (ready.length > 0) return ready[Math.floor(clock.random() * ready.length)]!;
    if (clusterIP && clusterIP !== "None") return { host: clusterIP, port };
    throw new Error(`no endpoints available for service ${JSON.stringify(name)}`);
  };
}

function readyEndpoints(objects: CachedObjects, namespace: string, service: string, portName: string) {
  const found: { host: string; port: number }[] = [];
  for (const slice of objects.list("endpointslices.discovery.k8s.io", namespace) as Iterable<Slice>) {
    if (slice.metadata.labels?.["kubernetes.io/service-name"] !== service) continue;
    const port = slice.ports?.find((one) => (one.name ?? "") === portName)?.port;
    if (port === undefined) continue;
    for (const { addresses, conditions } of slice.endpoints ?? []) {
      if (conditions?.ready !== false) found.push(...addresses.map((host) => ({ host, port })));
    }
  }
  return found;
}
