/**
 * DNS Service: keeps kube-system/kube-dns and this node's EndpointSlices as they should be.
 *
 * Every node has a name server of its own; internalTrafficPolicy Local sends a Pod to the one
 * beside it. The slices belong to the Node, and go with it. Someone else's kube-dns (with a
 * selector) is left alone.
 */
import { isIPv6 } from "node:net";
import type { Client } from "../../machinery/client/client.ts";
import type { Informer } from "../../machinery/client/informer.ts";
import type { EndpointSlice, Service } from "../../machinery/objects/kinds.ts";
import { isAlreadyExists } from "../../machinery/objects/status.ts";
import type { Draft } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";

export interface KeepDnsServiceOptions {
  readonly client: Client;
  readonly services: Informer<Service>;
  readonly slices: Informer<EndpointSlice>;
  readonly clusterIP: string;
  /** One of each family at most. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const NAMESPACE = "kube-system";
const NAME = "kube-dns";
const MANAGER = "dns.k8ts";
const RETRY_MS = { first: 100, last: 5_000 };
const NODE_LOOK_MS = 2_000;
const PORTS = [
  { name: "dns", protocol: "UDP" },
  { name: "dns-tcp", protocol: "TCP" },
] as const;

/** Resolves when the signal aborts. */
export async function keepDnsService(options: KeepDnsServiceOptions): Promise<void> {
  const { services, slices, clock, log, signal } = options;
  let wake = Promise.withResolvers<void>();
  const onChange = ({ key }: { readonly key: string }) => key.startsWith(`${NAMESPACE}/${NAME}`) && wake.resolve();
  const stop = [services.subscribe(onChange), slices.subscribe(onChange)];
  signal.addEventListener("abort", () => wake.resolve(), { once: true });
  let delay = RETRY_MS.first;
  try {
    await Promise.all([services.synced(signal), slices.synced(signal)]);
    while (!signal.aborted) {
      wake = Promise.withResolvers();
      try {
        const done = await converge(options);
        delay = RETRY_MS.first;
        if (signal.aborted) break;
        await (done ? wake.promise : clock.sleep(NODE_LOOK_MS, signal));
      } catch (error) {
        log.warn("kube-dns could not be kept", { error });
        await clock.sleep(delay, signal);
        delay = Math.min(delay * 2, RETRY_MS.last);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    for (const unsubscribe of stop) unsubscribe();
  }
}

/** False where something has to wait for the node to be registered. */
async function converge(options: KeepDnsServiceOptions): Promise<boolean> {
  const { client, services, slices, addresses } = options;
  const service = services.get(`${NAMESPACE}/${NAME}`);
  if (service?.spec?.selector && Object.keys(service.spec.selector).length) return true;
  if (!service) await client.create("services", dnsService(options)).catch(unlessThere);

  for (const address of addresses) {
    const wanted = dnsSlice(options, address);
    const slice = slices.get(`${NAMESPACE}/${wanted.metadata.name}`);
    if (slice && slice.endpoints?.[0]?.addresses[0] === address && slice.ports?.[0]?.port === options.port) continue;
    const node = await client.find("nodes", { name: options.nodeName });
    if (!node) return false;
    const { name, uid } = node.metadata;
    const ownerReferences = [{ apiVersion: "v1", kind: "Node", name, uid }];
    const { metadata, endpoints = [], ports = [] } = wanted;
    const owned = { ...wanted, metadata: { ...metadata, ownerReferences } };
    if (!slice) await client.create("endpointslices", owned).catch(unlessThere);
    else {
      const mended = { ...slice, metadata: { ...slice.metadata, ownerReferences }, endpoints, ports };
      await client.update("endpointslices", mended);
    }
  }
  return true;
}

/** The copy lags: another node, or our own last write. */
function unlessThere(error: unknown): void {
  if (!isAlreadyExists(error)) throw error;
}

function dnsService({ clusterIP, addresses }: KeepDnsServiceOptions): Draft<Service> {
  return {
    metadata: {
      name: NAME,
      namespace: NAMESPACE,
      labels: { "k8s-app": "kube-dns", "kubernetes.io/name": "KubeDNS", "kubernetes.io/cluster-service": "true" },
    },
    spec: {
      clusterIP,
      ...(addresses.some(isIPv6) ? { ipFamilyPolicy: "PreferDualStack" } : {}),
      internalTrafficPolicy: "Local",
      ports: PORTS.map((port) => ({ ...port, port: 53, targetPort: 53 })),
    },
  };
}

function dnsSlice({ nodeName, port }: KeepDnsServiceOptions, address: string): Draft<EndpointSlice> {
  return {
    metadata: {
      name: isIPv6(address) ? `${NAME}-ipv6-${nodeName}` : `${NAME}-${nodeName}`,
      namespace: NAMESPACE,
      labels: { "kubernetes.io/service-name": NAME, "endpointslice.kubernetes.io/managed-by": MANAGER },
    },
    addressType: isIPv6(address) ? "IPv6" : "IPv4",
    ports: PORTS.map((one) => ({ ...one, port })),
    endpoints: [{ addresses: [address], nodeName, conditions: { ready: true, serving: true, terminating: false } }],
  };
}
