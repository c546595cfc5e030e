/**
 * Service dial: a byte stream to a port of a Service, for what the server itself asks: webhooks, other API servers.
 *
 * Ready endpoints that are Pods are reached through the tunnel of their node where there is one, so that no service
 * proxy and no Pod network is needed on this machine; all else by its address. One attempt, bounded in time.
 */
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import type { Service } from "../../machinery/objects/kinds.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { CachedObjects } from "../auth/contract.ts";
import type { Tunnels } from "./contract.ts";
import { dialPod } from "./pod-dial.ts";

export interface ServicePort {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

/** One place behind the Service. `host` and `port` are how it is told. */
export interface ServicePlace {
  readonly host: string;
  readonly port: number;
  dial(signal: AbortSignal): Promise<Duplex>;
  /** Whether `dial` goes through the tunnel of a node, and not to host and port. */
  readonly tunneled: boolean;
}

/** Throws where the Service leads nowhere. */
export type ResolvePlace = (service: ServicePort) => ServicePlace;

export interface ResolveOptions {
  readonly objects: CachedObjects;
  readonly tunnels: Pick<Tunnels, "dial" | "nodes"> | undefined;
  readonly clock: Pick<Clock, "random">;
}

interface Slice extends StoredObject {
  readonly endpoints?: readonly {
    readonly addresses: readonly string[];
    readonly conditions?: { readonly ready?: boolean };
    readonly nodeName?: string;
    readonly targetRef?: { readonly kind?: string; readonly name?: string };
  }[];
  readonly ports?: readonly { readonly name?: string; readonly port?: number }[];
}

export function createPlaceResolver({ objects, tunnels, clock }: ResolveOptions): ResolvePlace {
  const byTunnel = (node: string | undefined): node is string =>
    node !== undefined && (tunnels?.nodes().includes(node) ?? false);

  const readyPlaces = (namespace: string, service: string, portName: string): ServicePlace[] => {
    const places: ServicePlace[] = [];
    for (const slice of slicesOf(objects, namespace, service)) {
      const port = portOf(slice, portName);
      if (port === undefined) continue;
      for (const { addresses, conditions, nodeName, targetRef } of slice.endpoints ?? []) {
        const [host] = addresses;
        if (conditions?.ready === false || host === undefined) continue;
        const pod = targetRef?.kind === "Pod" ? targetRef.name : undefined;
        if (tunnels && pod && byTunnel(nodeName)) {
          const at = { node: nodeName, namespace, pod, port };
          places.push({ host, port, tunneled: true, dial: (signal) => dialPod(tunnels, at, signal) });
        } else places.push(byAddress(host, port));
      }
    }
    return places;
  };

  return ({ namespace, name, port }) => {
    const service = objects.get("services", namespace, name) as Service | undefined;
    if (!service) throw new Error(`service ${JSON.stringify(name)} not found`);
    const { type, clusterIP, externalName = "", ports = [] } = service.spec ?? {};
    if (type === "ExternalName") return byAddress(externalName, port);
    const own = ports.find((one) => one.port === port);
    if (!own) throw new Error(`no service port ${port} found for service ${JSON.stringify(name)}`);
    const places = readyPlaces(namespace, name, own.name ?? "");
    if (places.length > 0) return places[Math.floor(clock.random() * places.length)] as ServicePlace;
    if (clusterIP && clusterIP !== "None") return byAddress(clusterIP, port);
    throw new Error(`no endpoints available for service ${JSON.stringify(name)}`);
  };
}

export function* slicesOf(objects: CachedObjects, namespace: string, service: string): Iterable<Slice> {
  for (const slice of objects.list("endpointslices.discovery.k8s.io", namespace) as Iterable<Slice>)
    if (slice.metadata.labels?.["kubernetes.io/service-name"] === service) yield slice;
}

export const portOf = ({ ports = [] }: Slice, name: string): number | undefined =>
  ports.find((one) => (one.name ?? "") === name)?.port;

export const hasReady = ({ endpoints = [] }: Slice): boolean =>
  endpoints.some(({ conditions }) => conditions?.ready !== false);

function byAddress(host: string, port: number): ServicePlace {
  return {
    host,
    port,
    tunneled: false,
    dial: (signal) =>
      new Promise((resolve, reject) => {
        const socket = connect({ host, port, timeout: limits.proxyConnectMs, signal });
        socket.once("error", reject);
        socket.once("timeout", () => socket.destroy(Object.assign(new Error("i/o timeout"), { code: "ETIMEDOUT" })));
        socket.once("connect", () => {
          socket.setTimeout(0);
          socket.removeAllListeners("timeout").off("error", reject);
          resolve(socket);
        });
      }),
  };
}
