/**
 * DNS Service: keeps kube-system/kube-dns and this node's EndpointSlice as they should be.
 *
 * Every node has a name server of its own; internalTrafficPolicy Local sends a Pod to the one
 * beside it. Someone else's kube-dns (with a selector) is left alone.
 */
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
  readonly address: string;
  readonly port: number;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const NAMESPACE = "kube-system";
const NAME = "kube-dns";
const RETRY_MS = { first: 100, last: 5_000 };
const PORTS = [
  { name: "dns", protocol: "UDP" },
  { name: "dns-tcp", protocol: "TCP" },
] as const;

/** Resolves when the signal aborts. */
export async function keepDnsService(options: KeepDnsServiceOptions): Promise<void> {
  const { services, slices, clock, log, signal } = options;
  let wake = Promise.withResolvers<void>();
  const onChange = () => wake.resolve();
  const stop = [services.subscribe(onChange), slices.subscribe(onChange)];
  signal.addEventListener("abort", onChange, { once: true });
  let delay = RETRY_MS.first;
  try {
    await Promise.all([services.synced(signal), slices.synced(signal)]);
    while (!signal.aborted) {
      wake = Promise.withResolvers();
      try {
        await converge(options);
        delay = RETRY_MS.first;
        await wake.promise;
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

async function converge(options: KeepDnsServiceOptions): Promise<void> {
  const { client, services, slices } = options;
  const service = services.get(`${NAMESPACE}/${NAME}`);
  if (service?.spec?.selector && Object.keys(service.spec.selector).length) return;
  if (!service) await client.create("services", dnsService(options.clusterIP)).catch(unlessThere);

  const wanted = dnsSlice(options);
  const slice = slices.get(`${NAMESPACE}/${wanted.metadata.name}`);
  if (!slice) await client.create("endpointslices", wanted).catch(unlessThere);
  else if (slice.endpoints?.[0]?.addresses[0] !== options.address || slice.ports?.[0]?.port !== options.port) {
    await client.update("endpointslices", { ...slice, endpoints: wanted.endpoints ?? [], ports: wanted.ports ?? [] });
  }
}

/** The copy lags: another node, or our own last write. */
function unlessThere(error: unknown): void {
  if (!isAlreadyExists(error)) throw error;
}

function dnsService(clusterIP: string): Draft<Service> {
  return {
    metadata: {
      name: NAME,
      namespace: NAMESPACE,
      labels: { "k8s-app": "kube-dns", "kubernetes.io/name": "KubeDNS", "kubernetes.io/cluster-service": "true" },
    },
    spec: {
      clusterIP,
      internalTrafficPolicy: "Local",
      ports: PORTS.map((port) => ({ ...port, port: 53, targetPort: 53 })),
    },
  };
}

function dnsSlice({ nodeName, address, port }: KeepDnsServiceOptions): Draft<EndpointSlice> {
  return {
    metadata: {
      name: `${NAME}-${nodeName}`,
      namespace: NAMESPACE,
      labels: { "kubernetes.io/service-name": NAME, "endpointslice.kubernetes.io/managed-by": "dns.k8ts" },
    },
    addressType: "IPv4",
    ports: PORTS.map((one) => ({ ...one, port })),
    endpoints: [{ addresses: [address], nodeName, conditions: { ready: true, serving: true, terminating: false } }],
  };
}
