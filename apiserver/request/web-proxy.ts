/**
 * Web proxy steps: which Pod and port a path under pods/…/proxy or services/…/proxy means.
 *
 * A name may say scheme and port: "https:web:443", "web:http". A Service is reached at one of its ready endpoints;
 * endpoints that are no Pods are not: nothing here opens connections to addresses that somebody wrote into an object.
 * https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/
 */
import type { Pod, Service } from "../../machinery/objects/kinds.ts";
import { ApiError, badRequest, notFound } from "../../machinery/objects/status.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import { dialPod } from "../tunnel/pod-dial.ts";
import { proxyToWeb } from "../tunnel/web-proxy.ts";
import { qualified, type ResourceExchange, type Step } from "./contract.ts";
import { tunnelsOf } from "./node-connect.ts";

interface Named {
  readonly scheme: "http" | "https";
  readonly name: string;
  /** A number, a name, or "". */
  readonly port: string;
}

interface Place {
  readonly pod: Pod;
  readonly port: number;
}

export const podProxy: Step = (exchange) => {
  const { scheme, name, port } = named(exchange.info.name);
  return through(exchange, scheme, async () => {
    const pod = (await found(exchange, name)) as unknown as Pod;
    return { pod, port: podPort(pod, port) };
  });
};

export const serviceProxy: Step = (exchange) => {
  const { scheme, name, port } = named(exchange.info.name);
  return through(exchange, scheme, async () => {
    const service = (await found(exchange, name)) as unknown as Service;
    return endpointOf(exchange, service, servicePort(service, port));
  });
};

async function through(
  exchange: ResourceExchange,
  scheme: Named["scheme"],
  find: () => Promise<Place>,
): ReturnType<Step> {
  const { record, info, server } = exchange;
  const { pod, port } = await find();
  const query = record.query.toString();
  const tail = query ? `?${query}` : "";
  // Relative links of the page at the root need the slash.
  if (info.rest === "" && !record.path.endsWith("/") && (record.method === "GET" || record.method === "HEAD"))
    return { status: 301, headers: { location: `${record.path}/${tail}` }, body: { kind: "none" } };
  const path = `/${info.rest.split("/").map(encodeURIComponent).join("/")}`;
  const at = record.path.indexOf("/proxy");
  const prefix = record.path.slice(0, at + "/proxy".length);
  const { namespace = "", name } = pod.metadata;
  const tcp = await dialPod(
    tunnelsOf(server),
    { node: pod.spec?.nodeName ?? "", namespace, pod: name, port },
    record.signal,
  );
  const host = `${pod.status?.podIP ?? name}:${port}`;
  return proxyToWeb(tcp, { scheme, host, path: `${path}${tail}`, prefix }, record);
}

/** "name", "name:port" or "scheme:name:port". */
function named(text: string): Named {
  const parts = text.split(":");
  const [scheme, name, port] = parts.length === 3 ? parts : ["", parts[0], parts[1] ?? ""];
  const known = scheme === "" || scheme === "http" || scheme === "https";
  if (parts.length > 3 || !name || !known) throw badRequest(`invalid service request ${JSON.stringify(text)}`);
  return { scheme: scheme === "https" ? "https" : "http", name, port: port ?? "" };
}

async function found({ cache, info, row }: ResourceExchange, name: string): Promise<StoredObject> {
  const item = await cache.get({ namespace: info.namespace, name });
  if (!item) throw notFound(qualified(row), name);
  return item.object;
}

/** Without a port it is the first that a container names. */
function podPort({ metadata, spec, status }: Pod, asked: string): number {
  const ports = (spec?.containers ?? []).flatMap((container) => container.ports ?? []);
  const port = asked === "" ? ports[0]?.containerPort : Number(asked);
  if (!port || !Number.isInteger(port) || port > 65_535)
    throw badRequest(asked === "" ? `pod ${metadata.name} names no port` : `invalid port ${JSON.stringify(asked)}`);
  if (!spec?.nodeName || !status?.podIP) throw badRequest("address not allowed");
  return port;
}

/** The name of the Service's port: "" for the only one. */
function servicePort({ metadata, spec }: Service, asked: string): string {
  const ports = spec?.ports ?? [];
  const match =
    asked === ""
      ? ports.length === 1
        ? ports[0]
        : ports.find(({ name = "" }) => name === "")
      : ports.find(({ name, port }) => name === asked || String(port) === asked);
  if (match) return match.name ?? "";
  const what = asked === "" ? "" : ` ${asked}`;
  throw new ApiError("ServiceUnavailable", `no service port${what} found for service ${JSON.stringify(metadata.name)}`);
}

interface Slice {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> };
  readonly ports?: readonly { readonly name?: string; readonly port?: number }[];
  readonly endpoints?: readonly {
    readonly conditions?: { readonly ready?: boolean };
    readonly targetRef?: { readonly kind?: string; readonly name?: string };
  }[];
}

function endpointOf({ server }: ResourceExchange, { metadata }: Service, portName: string): Place {
  const { name, namespace = "" } = metadata;
  const places: Place[] = [];
  for (const object of server.objects.list("endpointslices.discovery.k8s.io", namespace)) {
    const slice = object as unknown as Slice;
    if (slice.metadata.labels?.["kubernetes.io/service-name"] !== name) continue;
    const port = slice.ports?.find((one) => (one.name ?? "") === portName)?.port;
    if (port === undefined) continue;
    for (const { conditions, targetRef } of slice.endpoints ?? []) {
      if (conditions?.ready === false || targetRef?.kind !== "Pod") continue;
      const pod = server.objects.get("pods", namespace, targetRef.name ?? "") as unknown as Pod | undefined;
      if (pod?.spec?.nodeName && pod.status?.podIP) places.push({ pod, port });
    }
  }
  const place = places[Math.floor(server.clock.random() * places.length)];
  if (place) return place;
  throw new ApiError("ServiceUnavailable", `no endpoints available for service ${JSON.stringify(name)}`);
}
