/**
 * Zone: answers for names of the cluster, out of Services and EndpointSlices. Pure but for its maps.
 *
 * Follows the DNS schema of Kubernetes, and CoreDNS where that says nothing:
 * https://github.com/kubernetes/dns/blob/master/docs/specification.md
 * What is not of the cluster is for forward.ts. Sockets are in server.ts.
 */
import { isIP } from "node:net";
import type { EndpointSlice, Service } from "../../machinery/objects/kinds.ts";
import { type Endpoint, type EndpointPort, endpointsOf } from "./endpoints.ts";
import { addressRecord, type DnsRecord, reverseName, startOfAuthority, TTL, text, undashed } from "./records.ts";

export interface Answer {
  /** "outside": not ours, ask others. A name with no record of the type is "found" with no answers. */
  readonly result: "found" | "missing" | "outside";
  readonly answers: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

export interface Zone {
  setService(key: string, service: Service | undefined): void;
  setSlice(key: string, slice: EndpointSlice | undefined): void;
  /** `name` in any case, without the last dot. Records have the name as it was asked. */
  answer(name: string, type: string): Answer;
}

/** A Service with what its slices say. */
interface Known {
  readonly service: Service;
  readonly fullName: string;
  readonly clusterIPs: readonly string[];
  readonly headless: boolean;
  readonly endpoints: readonly Endpoint[];
}

const SCHEMA_VERSION = "1.1.0";
const OWN_SERVICE = "kube-system/kube-dns";
const REVERSE = /\.(in-addr|ip6)\.arpa$/;

const missing: Answer = { result: "missing", answers: [], additionals: [] };
const outside: Answer = { result: "outside", answers: [], additionals: [] };
const found = (answers: readonly DnsRecord[], additionals: readonly DnsRecord[] = []): Answer => ({
  result: "found",
  answers,
  additionals,
});
const ofType = (type: string, records: readonly DnsRecord[]) => found(records.filter((one) => one.type === type));

export function createZone(domain: string): Zone {
  const services = new Map<string, Service>();
  /** "namespace/service" ► its slices by key. */
  const slicesOf = new Map<string, Map<string, EndpointSlice>>();
  const ownerOfSlice = new Map<string, string>();
  const known = new Map<string, Known>();
  /** Reverse name ► names: of Services and of headless endpoints. */
  const reverses = new Map<string, Set<string>>();

  function rename({ clusterIPs, fullName, headless, endpoints }: Known, present: boolean): void {
    for (const address of clusterIPs) renameOne(reverseName(address), fullName, present);
    if (!headless) return;
    for (const { name, address } of endpoints) renameOne(reverseName(address), `${name}.${fullName}`, present);
  }

  function renameOne(reverse: string, name: string, present: boolean): void {
    const names = reverses.get(reverse) ?? new Set();
    if (present) names.add(name);
    else names.delete(name);
    if (names.size) reverses.set(reverse, names);
    else reverses.delete(reverse);
  }

  /** Names of endpoints depend on Service and slices alike: take the old away, put the new. */
  function renew(key: string): void {
    const before = known.get(key);
    if (before) rename(before, false);
    const service = services.get(key);
    if (!service) return void known.delete(key);
    const after = knownOf(service, [...(slicesOf.get(key)?.values() ?? [])], domain);
    known.set(key, after);
    rename(after, true);
  }

  function forgetSlice(key: string): void {
    const owner = ownerOfSlice.get(key);
    if (owner === undefined) return;
    ownerOfSlice.delete(key);
    const slices = slicesOf.get(owner);
    slices?.delete(key);
    if (slices?.size === 0) slicesOf.delete(owner);
    renew(owner);
  }

  return {
    setService(key, service) {
      if (service) services.set(key, service);
      else services.delete(key);
      renew(key);
    },
    setSlice(key, slice) {
      const owner = slice && ownerOf(slice);
      if (owner === undefined || ownerOfSlice.get(key) !== owner) forgetSlice(key);
      if (!slice || owner === undefined) return;
      ownerOfSlice.set(key, owner);
      slicesOf.set(owner, (slicesOf.get(owner) ?? new Map()).set(key, slice));
      renew(owner);
    },
    answer(asked, type) {
      const name = asked.toLowerCase();
      if (REVERSE.test(name)) return reverse(asked, name, type);
      if (name !== domain && !name.endsWith(`.${domain}`)) return outside;
      const labels = name === domain ? [] : name.slice(0, -domain.length - 1).split(".");
      const last = labels.at(-1);
      if (last === undefined) return apex(asked, type);
      if (last === "svc") return serviceAnswer(asked, labels, type);
      if (last === "pod") return podAnswer(asked, labels, type);
      return wellKnown(asked, labels.join("."), type);
    },
  };

  function apex(asked: string, type: string): Answer {
    return ofType(type, [startOfAuthority(domain), text("NS", asked, `ns.dns.${domain}`)]);
  }

  function wellKnown(asked: string, name: string, type: string): Answer {
    if (name === "dns-version") return ofType(type, [text("TXT", asked, SCHEMA_VERSION)]);
    if (name === "dns") return found([]);
    if (name !== "ns.dns") return missing;
    return ofType(
      type,
      (known.get(OWN_SERVICE)?.clusterIPs ?? []).map((address) => addressRecord(asked, address)),
    );
  }

  function reverse(asked: string, name: string, type: string): Answer {
    const names = reverses.get(name);
    if (!names) return outside;
    return found(type === "PTR" ? [...names].sort().map((target) => text("PTR", asked, target)) : []);
  }

  function serviceAnswer(asked: string, labels: readonly string[], type: string): Answer {
    if (labels.length < 3) return found([]);
    const service = known.get(`${labels.at(-2)}/${labels.at(-3)}`);
    if (!service) return missing;
    const [first = "", second = ""] = labels;
    if (labels.length === 3) return wholeService(asked, service, type);
    if (labels.length === 4) return endpointAnswer(asked, service, first, type);
    if (labels.length !== 5 || !first.startsWith("_") || !second.startsWith("_")) return missing;
    return portAnswer(asked, service, { name: first.slice(1), protocol: second.slice(1) }, type);
  }
}

function knownOf(service: Service, slices: readonly EndpointSlice[], domain: string): Known {
  const { metadata, spec } = service;
  return {
    service,
    fullName: `${metadata.name}.${metadata.namespace}.svc.${domain}`,
    clusterIPs: clusterIPs(service),
    headless: spec?.clusterIP === "None",
    endpoints: endpointsOf(slices),
  };
}

function wholeService(asked: string, one: Known, type: string): Answer {
  const { type: kind, externalName = "" } = one.service.spec ?? {};
  if (kind === "ExternalName") {
    if (!externalName || isIP(externalName)) return missing;
    const alias = text("CNAME", asked, externalName.replace(/\.$/, "").toLowerCase());
    return found(["A", "AAAA", "CNAME"].includes(type) ? [alias] : []);
  }
  if (one.headless && !one.endpoints.length) return missing;
  if (type === "SRV") return srv(asked, targetsOf(one));
  const addresses = one.headless ? one.endpoints.map(({ address }) => address) : one.clusterIPs;
  return ofType(
    type,
    addresses.map((address) => addressRecord(asked, address)),
  );
}

/** A name of one endpoint. Services with a ClusterIP have them too, for Pods that name such a Service as subdomain. */
function endpointAnswer(asked: string, one: Known, name: string, type: string): Answer {
  const named = one.endpoints.filter((endpoint) => endpoint.name === name);
  if (!named.length) return missing;
  if (type === "SRV") return srv(asked, endpointTargets(one, named));
  return ofType(
    type,
    named.map(({ address }) => addressRecord(asked, address)),
  );
}

function portAnswer(
  asked: string,
  one: Known,
  { name, protocol }: Pick<EndpointPort, "name" | "protocol">,
  type: string,
): Answer {
  const targets = targetsOf(one).filter((target) => target.name === name && target.protocol === protocol);
  if (!targets.length) return missing;
  return type === "SRV" ? srv(asked, targets) : found([]);
}

interface Target extends EndpointPort {
  readonly target: string;
  readonly address: string;
}

/** What SRV records point at: the Service itself, or each endpoint of a headless one. */
function targetsOf(one: Known): readonly Target[] {
  if (one.headless) return endpointTargets(one, one.endpoints);
  return (one.service.spec?.ports ?? []).flatMap(({ name = "", protocol = "TCP", port }) =>
    one.clusterIPs.map((address) => ({
      name,
      protocol: protocol.toLowerCase(),
      port,
      target: one.fullName,
      address,
    })),
  );
}

const endpointTargets = ({ fullName }: Known, endpoints: readonly Endpoint[]): readonly Target[] =>
  endpoints.flatMap(({ name, address, ports }) =>
    ports.map((port) => ({ ...port, target: `${name}.${fullName}`, address })),
  );

function srv(asked: string, targets: readonly Target[]): Answer {
  const places = new Map(targets.map(({ port, target }) => [`${port} ${target}`, { port, target }]));
  const weight = Math.max(1, Math.floor(100 / places.size));
  const records = [...places.values()].map(
    ({ port, target }): DnsRecord => ({
      type: "SRV",
      name: asked,
      ttl: TTL,
      data: { priority: 0, weight, port, target },
    }),
  );
  const addresses = new Map(
    targets.map(({ target, address }) => [`${target} ${address}`, addressRecord(target, address)]),
  );
  return found(records, [...addresses.values()]);
}

/** Every Pod has a name made of its address: 10-42-0-5.default.pod.cluster.local. */
function podAnswer(asked: string, labels: readonly string[], type: string): Answer {
  if (labels.length < 3) return found([]);
  const address = undashed(labels[0] as string);
  if (labels.length > 3 || address === undefined) return missing;
  return ofType(type, [addressRecord(asked, address)]);
}

function ownerOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.["kubernetes.io/service-name"];
  return name ? `${metadata.namespace}/${name}` : undefined;
}

const clusterIPs = ({ spec }: Service): readonly string[] =>
  (spec?.clusterIPs ?? (spec?.clusterIP ? [spec.clusterIP] : [])).filter((address) => isIP(address) !== 0);
