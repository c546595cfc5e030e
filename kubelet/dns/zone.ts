/**
 * Zone: answers for names of the cluster, out of Services and EndpointSlices. Pure but for its maps.
 *
 * Follows the DNS schema that CoreDNS serves: https://github.com/kubernetes/dns/blob/master/docs/specification.md
 * What is not of the cluster is for upstream.ts. Sockets are in server.ts.
 */
import type { EndpointSlice, Service } from "../../machinery/objects/kinds.ts";

export type RecordType = "A" | "AAAA" | "SRV" | "PTR" | "CNAME" | "TXT" | "SOA" | "NS";

export type DnsRecord =
  | { readonly type: "A" | "PTR" | "CNAME"; readonly name: string; readonly ttl: number; readonly data: string }
  | { readonly type: "TXT"; readonly name: string; readonly ttl: number; readonly data: string }
  | {
      readonly type: "SRV";
      readonly name: string;
      readonly ttl: number;
      readonly data: {
        readonly priority: number;
        readonly weight: number;
        readonly port: number;
        readonly target: string;
      };
    };

export interface Answer {
  /** "outside": not ours, ask upstream. A name with no record of the type is "found" with no answers. */
  readonly result: "found" | "missing" | "outside";
  readonly answers: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

export interface Zone {
  setService(key: string, service: Service | undefined): void;
  setSlice(key: string, slice: EndpointSlice | undefined): void;
  /** `name` in any case, without the last dot. */
  answer(name: string, type: string): Answer;
}

/** Short, for Pods come and go. */
const TTL = 5;
const WEIGHT = 100;
const SCHEMA_VERSION = "1.1.0";

interface Endpoint {
  readonly name: string;
  readonly address: string;
}

const missing: Answer = { result: "missing", answers: [], additionals: [] };
const outside: Answer = { result: "outside", answers: [], additionals: [] };
const found = (answers: readonly DnsRecord[], additionals: readonly DnsRecord[] = []): Answer => ({
  result: "found",
  answers,
  additionals,
});

export function createZone(domain: string): Zone {
  const services = new Map<string, Service>();
  const slices = new Map<string, EndpointSlice>();
  /** "namespace/service" ► keys of its slices. */
  const slicesOf = new Map<string, Set<string>>();
  /** Address ► names, for PTR: of Services and of headless endpoints. */
  const addresses = new Map<string, Set<string>>();

  const slicesOfService = (key: string) => [...(slicesOf.get(key) ?? [])].flatMap((one) => slices.get(one) ?? []);

  function rename(address: string, name: string, present: boolean): void {
    const names = addresses.get(address) ?? new Set();
    if (present) names.add(name);
    else names.delete(name);
    if (names.size) addresses.set(address, names);
    else addresses.delete(address);
  }

  function index(service: Service, present: boolean): void {
    const full = serviceName(service, domain);
    for (const address of clusterIPs(service)) rename(address, full, present);
    if (!isHeadless(service)) return;
    const key = `${service.metadata.namespace}/${service.metadata.name}`;
    for (const { name, address } of endpointsOf(slicesOfService(key))) rename(address, `${name}.${full}`, present);
  }

  /** Names of endpoints depend on Service and slices alike: take the old away, change, put the new. */
  function around(serviceKey: string, change: () => void): void {
    const before = services.get(serviceKey);
    if (before) index(before, false);
    change();
    const after = services.get(serviceKey);
    if (after) index(after, true);
  }

  return {
    setService(key, service) {
      around(key, () => void (service ? services.set(key, service) : services.delete(key)));
    },
    setSlice(key, slice) {
      const owner = ownerOf(slice ?? slices.get(key));
      if (!owner) return;
      around(owner, () => {
        const keys = slicesOf.get(owner) ?? new Set();
        if (slice) {
          slices.set(key, slice);
          keys.add(key);
        } else {
          slices.delete(key);
          keys.delete(key);
        }
        if (keys.size) slicesOf.set(owner, keys);
        else slicesOf.delete(owner);
      });
    },
    answer(asked, type) {
      const name = asked.toLowerCase();
      if (name.endsWith(".in-addr.arpa")) return reverse(name, type);
      if (name !== domain && !name.endsWith(`.${domain}`)) return outside;
      const labels = name === domain ? [] : name.slice(0, -domain.length - 1).split(".");
      if (labels.length === 0 || labels.join() === "svc" || labels.join() === "pod") return found([]);
      if (labels.join(".") === "dns-version")
        return found(type === "TXT" ? [{ type: "TXT", name: asked, ttl: TTL, data: SCHEMA_VERSION }] : []);
      if (labels.at(-1) === "pod") return podAnswer(asked, labels, type);
      if (labels.at(-1) === "svc") return serviceAnswer(asked, labels, type);
      return missing;
    },
  };

  function reverse(name: string, type: string): Answer {
    const address = name.slice(0, -".in-addr.arpa".length).split(".").reverse().join(".");
    const names = addresses.get(address);
    if (!names) return outside;
    return found(type === "PTR" ? [...names].sort().map((data) => ({ type: "PTR", name, ttl: TTL, data })) : []);
  }

  function serviceAnswer(asked: string, labels: readonly string[], type: string): Answer {
    const [namespace, name] = [labels.at(-2), labels.at(-3)];
    if (namespace === undefined) return missing;
    if (name === undefined) return found([]);
    const service = services.get(`${namespace}/${name}`);
    if (!service) return missing;
    const rest = labels.slice(0, -3);
    const endpoints = () => endpointsOf(slicesOfService(`${namespace}/${name}`));
    if (rest.length === 0) return wholeService(asked, service, type, endpoints);
    if (rest.length === 1) {
      const named = isHeadless(service) ? endpoints().filter((one) => one.name === rest[0]) : [];
      if (!named.length) return missing;
      return found(type === "A" ? named.map(({ address }) => a(asked, address)) : []);
    }
    return portAnswer(asked, service, rest, type);
  }

  function wholeService(asked: string, service: Service, type: string, endpoints: () => readonly Endpoint[]): Answer {
    if (service.spec?.type === "ExternalName") {
      const data = service.spec.externalName ?? "";
      return found(["A", "AAAA", "CNAME"].includes(type) ? [{ type: "CNAME", name: asked, ttl: TTL, data }] : []);
    }
    if (type === "SRV") return srv(asked, service, () => true);
    const list = isHeadless(service) ? unique(endpoints().map((one) => one.address)) : clusterIPs(service);
    if (!list.length && isHeadless(service)) return missing;
    return found(type === "A" ? list.map((address) => a(asked, address)) : []);
  }

  function portAnswer(asked: string, service: Service, rest: readonly string[], type: string): Answer {
    const [port = "", protocol = ""] = rest;
    if (rest.length !== 2 || !port.startsWith("_") || !protocol.startsWith("_")) return missing;
    const answer = srv(asked, service, (name, kind) => `_${name}` === port && `_${kind}` === protocol);
    if (!answer.answers.length) return missing;
    return type === "SRV" ? answer : found([]);
  }

  function srv(asked: string, service: Service, wanted: (port: string, protocol: string) => boolean): Answer {
    const full = serviceName(service, domain);
    const targets = srvTargets(
      service,
      full,
      slicesOfService(`${service.metadata.namespace}/${service.metadata.name}`),
      wanted,
    );
    const records = targets.map(
      ({ port, target }): DnsRecord => ({
        type: "SRV",
        name: asked,
        ttl: TTL,
        data: { priority: 0, weight: WEIGHT, port, target },
      }),
    );
    const extra = new Map(targets.map(({ target, address }) => [`${target} ${address}`, a(target, address)]));
    return found(records, [...extra.values()]);
  }
}

/** What SRV records point at: the Service itself, or each endpoint of a headless one. */
function srvTargets(
  service: Service,
  full: string,
  slices: readonly EndpointSlice[],
  wanted: (port: string, protocol: string) => boolean,
) {
  if (!isHeadless(service)) {
    const ports = (service.spec?.ports ?? []).filter((port) =>
      wanted(port.name ?? "", (port.protocol ?? "TCP").toLowerCase()),
    );
    return ports.flatMap(({ port }) => clusterIPs(service).map((address) => ({ port, target: full, address })));
  }
  return slices.flatMap((slice) => {
    const ports = (slice.ports ?? []).filter((port) => wanted(port.name ?? "", (port.protocol ?? "TCP").toLowerCase()));
    return endpointsOf([slice]).flatMap(({ name, address }) =>
      ports.map((port) => ({ port: port.port ?? 0, target: `${name}.${full}`, address })),
    );
  });
}

/** Every Pod has a name made of its address: 10-42-0-5.default.pod.cluster.local. */
function podAnswer(asked: string, labels: readonly string[], type: string): Answer {
  if (labels.length === 2) return found([]);
  const address = labels[0]?.replaceAll("-", ".") ?? "";
  if (labels.length !== 3 || !/^(\d{1,3}\.){3}\d{1,3}$/.test(address)) return missing;
  return found(type === "A" ? [a(asked, address)] : []);
}

function endpointsOf(slices: readonly EndpointSlice[]): readonly Endpoint[] {
  return slices
    .filter((slice) => slice.addressType === "IPv4")
    .flatMap((slice) => slice.endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses, hostname }) => {
      const [address] = addresses;
      return address === undefined ? [] : [{ address, name: hostname ?? address.replaceAll(".", "-") }];
    });
}

const a = (name: string, data: string): DnsRecord => ({ type: "A", name, ttl: TTL, data });

const unique = (list: readonly string[]) => [...new Set(list)];

function ownerOf(slice: EndpointSlice | undefined): string | undefined {
  const name = slice?.metadata.labels?.["kubernetes.io/service-name"];
  return slice && name ? `${slice.metadata.namespace}/${name}` : undefined;
}

const isHeadless = ({ spec }: Service) => spec?.clusterIP === "None";

const clusterIPs = ({ spec }: Service) =>
  (spec?.clusterIPs ?? (spec?.clusterIP ? [spec.clusterIP] : [])).filter((address) => /^[\d.]+$/.test(address));

const serviceName = ({ metadata }: Service, domain: string) => `${metadata.name}.${metadata.namespace}.svc.${domain}`;
