/**
 * Service rules: what one Service asks of the table, for one family. Pure but for the slots it is given.
 *
 * Several may ask for the same key (two Services with one external address): ranks decide, see ledger.ts.
 */
import { familyOf, type IpFamily } from "../../machinery/objects/ip.ts";
import { addressToNumber, numberToAddress } from "../../machinery/objects/ip-numbers.ts";
import type { EndpointSlice, Service, ServicePort } from "../../machinery/objects/kinds.ts";
import { type Memory, stickyChain } from "./affinity.ts";
import { type Place, type Target, targetsOf } from "./endpoints.ts";
import type { Slots } from "./slots.ts";
import {
  type Chain,
  type Draw,
  drawChain,
  drawOfMany,
  drawOfSlots,
  firewallChain,
  type Key,
  localChain,
  MASQUERADE,
  type SetName,
  type Side,
  SLOTS,
  type Source,
  slotMap,
  sourceRules,
  WORDS,
} from "./table.ts";

export interface Claim {
  readonly set: SetName;
  readonly key: string;
  /** "" in sets. */
  readonly value: string;
  /** The lowest one has the key. */
  readonly rank: string;
}

/** Where UDP arrives, and who may answer it: connections to others are stale. */
export interface Flow {
  /** Undefined: any address of this node. */
  readonly address: string | undefined;
  readonly port: number;
  readonly targets: readonly Target[];
}

export interface Contribution {
  readonly claims: readonly Claim[];
  readonly chains: readonly Chain[];
  readonly memories: readonly Memory[];
  readonly flows: readonly Flow[];
  /** Lists of endpoints that have numbers: see slots.ts. */
  readonly lists: readonly string[];
}

export interface RuleContext {
  readonly place: Place;
  /** The range of all Pods of the family, where there is one. */
  readonly pods: string | undefined;
  readonly slots: Slots;
}

export const PROTOCOLS: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, SCTP: 132 };
const AFFINITY_SECONDS = 10_800;
const OTHER_PROXY = "service.kubernetes.io/service-proxy-name";
const RANGES_ANNOTATION = "service.beta.kubernetes.io/load-balancer-source-ranges";

/** False for Services that have no address, or are somebody else's. */
export function isProxied({ spec, metadata }: Service): boolean {
  const { type, clusterIP } = spec ?? {};
  return (
    type !== "ExternalName" &&
    clusterIP !== undefined &&
    clusterIP !== "" &&
    clusterIP !== "None" &&
    metadata.labels?.[OTHER_PROXY] === undefined
  );
}

/** As nft writes an address, so that what is read from the kernel can be compared. */
export const written = (address: string): string =>
  address.includes(":") ? numberToAddress(addressToNumber(address), "IPv6") : address;

export function serviceRules(
  service: Service,
  slices: readonly EndpointSlice[],
  family: IpFamily,
  context: RuleContext,
): Contribution {
  const build = new Build(service, family, context);
  if (!isProxied(service)) return build;
  const { spec, metadata } = service;
  const ips = (spec?.clusterIPs ?? [spec?.clusterIP ?? ""]).filter((ip) => familyOf(ip) === family).map(written);
  if (ips.length === 0) return build;
  const rank = `${metadata.creationTimestamp} ${metadata.uid}`;
  const balanced = balancedAddresses(service, family);
  const outside = [...new Set([...addressesOf(spec?.externalIPs, family), ...balanced])];
  for (const ip of ips) build.claim("cluster-ips", ip, "", `0 ${rank}`);

  for (const port of spec?.ports ?? []) {
    const targets = targetsOf(slices, port, family, context.place);
    const protocol = PROTOCOLS[port.protocol ?? "TCP"] ?? 6;
    const internal = spec?.internalTrafficPolicy === "Local" ? targets.local : targets.cluster;
    const at = (address: string): Front => ({ key: "address", text: `${address} . ${protocol} . ${port.port}`, port });
    for (const ip of ips) {
      build.to(at(ip), internal, "cluster", `0 ${rank}`);
      build.flow(port, ip, internal);
    }
    const fronts = outside.map(at);
    if (port.nodePort) fronts.push({ key: "port", text: `${protocol} . ${port.nodePort}`, port });
    for (const front of fronts) {
      if (spec?.externalTrafficPolicy === "Local") build.toLocal(front, targets, `1 ${rank}`);
      else build.to(front, targets.cluster, "external", `1 ${rank}`);
    }
    const all = [...targets.cluster, ...targets.local];
    for (const address of outside) build.flow(port, address, all);
    if (port.nodePort) build.flow({ ...port, port: port.nodePort }, undefined, all);
    build.guard(balanced.map(at), sourceRanges(service, family), `1 ${rank}`);
  }
  return build;
}

interface Front {
  readonly key: Key;
  /** The destination as a key of the maps. */
  readonly text: string;
  readonly port: ServicePort;
}

class Build implements Contribution {
  readonly claims: Claim[] = [];
  readonly chains: Chain[] = [];
  readonly memories: Memory[] = [];
  readonly flows: Flow[] = [];
  readonly lists: string[] = [];
  readonly #service: Service;
  readonly #family: IpFamily;
  readonly #context: RuleContext;

  constructor(service: Service, family: IpFamily, context: RuleContext) {
    this.#service = service;
    this.#family = family;
    this.#context = context;
  }

  claim(set: SetName, key: string, value: string, rank: string): void {
    this.claims.push({ set, key, value, rank });
  }

  /** Leads a destination to its endpoints. */
  to(front: Front, targets: readonly Target[], source: Source, rank: string): void {
    const { pods } = this.#context;
    if (targets.length === 0) {
      this.#refuse(front, "no-endpoints", rank);
      return;
    }
    if (this.#seconds !== undefined) {
      this.#lead(front, this.#sticky(front, targets, sourceRules(this.#family, source, pods)), rank);
      return;
    }
    const draw = this.#draw(front, "outside", targets, rank);
    this.#lead(front, drawChain(this.#family, front.key, source, draw, pods), rank);
  }

  /** From outside to this node's endpoints alone, whose clients they see; Pods and this node reach all. */
  toLocal(
    front: Front,
    { local, cluster }: { local: readonly Target[]; cluster: readonly Target[] },
    rank: string,
  ): void {
    const { pods } = this.#context;
    const all = cluster.length > 0 ? cluster : local;
    if (all.length === 0) {
      this.#refuse(front, "no-endpoints", rank);
      return;
    }
    if (local.length === 0) this.#refuse(front, "nothing-here", rank);
    if (this.#seconds !== undefined) {
      const { nft } = WORDS[this.#family];
      const inside = this.#sticky(front, all, []);
      const before = [
        ...(pods ? [`${nft} saddr ${pods} goto ${inside.name}`] : []),
        `fib saddr type local ${MASQUERADE}`,
        `fib saddr type local goto ${inside.name}`,
      ];
      this.#lead(front, this.#sticky(front, local, before), rank);
      return;
    }
    const here = local.length > 0 ? this.#draw(front, "outside", local, rank) : undefined;
    this.#lead(
      front,
      localChain(this.#family, front.key, { here, all: this.#draw(front, "inside", all, rank) }, pods),
      rank,
    );
  }

  /** Only these sources may reach these destinations; none given: all may. */
  guard(fronts: readonly Front[], ranges: readonly string[], rank: string): void {
    if (ranges.length === 0 || fronts.length === 0) return;
    const chain = firewallChain(this.#family, ranges);
    this.chains.push(chain);
    for (const { text } of fronts) this.claim("firewalled", text, `goto ${chain.name}`, rank);
  }

  flow({ protocol, port }: ServicePort, address: string | undefined, targets: readonly Target[]): void {
    if (protocol === "UDP") this.flows.push({ address, port, targets });
  }

  get #seconds(): number | undefined {
    const { sessionAffinity, sessionAffinityConfig } = this.#service.spec ?? {};
    if (sessionAffinity !== "ClientIP") return undefined;
    return sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_SECONDS;
  }

  #lead({ key, text }: Front, chain: Chain, rank: string): void {
    this.chains.push(chain);
    this.claim(key === "address" ? "services" : "node-ports", text, `goto ${chain.name}`, rank);
  }

  #refuse({ key, text }: Front, chain: "no-endpoints" | "nothing-here", rank: string): void {
    this.claim(key === "address" ? "refused" : "refused-node-ports", text, `goto ${chain}`, rank);
  }

  #sticky({ port }: Front, targets: readonly Target[], before: readonly string[]): Chain {
    const { namespace, name } = this.#service.metadata;
    const protocol = (port.protocol ?? "TCP").toLowerCase();
    const id = `${namespace}/${name} ${port.name ?? ""} ${protocol} ${port.port}`;
    const sticky = stickyChain(this.#family, id, protocol, targets, this.#seconds ?? AFFINITY_SECONDS, before);
    this.chains.push(...sticky.chains);
    this.memories.push(...sticky.memories);
    return sticky.chain;
  }

  /** Gives each endpoint its number, where there are not too many. */
  #draw({ text, key, port }: Front, side: Side, targets: readonly Target[], rank: string): Draw {
    for (const { address, local } of targets)
      if (local) this.claim("hairpins", `${written(address)} . ${written(address)}`, "", rank);
    const values = targets.map((target) => `${written(target.address)} . ${target.port}`);
    if (values.length > SLOTS) return drawOfMany(this.#family, (port.protocol ?? "TCP").toLowerCase(), values.sort());
    const list = listOf(key, side, text);
    this.lists.push(list);
    const order = this.#context.slots.arrange(list, values);
    for (const [slot, value] of order.entries()) this.claim(slotMap(key, side, slot), text, value, rank);
    return drawOfSlots(key, side, order.length);
  }
}

/** A list's name; so it can be told from what the kernel has. */
export const listOf = (key: Key, side: Side, front: string): string => `${side} ${key} ${front}`;

const addressesOf = (all: readonly string[] | undefined, family: IpFamily): readonly string[] =>
  (all ?? []).filter((address) => familyOf(address) === family).map(written);

/** Load balancers that pass packets on unchanged; others reach the node port. */
function balancedAddresses({ spec, status }: Service, family: IpFamily): readonly string[] {
  if (spec?.type !== "LoadBalancer") return [];
  const ingress = (status?.loadBalancer?.ingress ?? []).filter(({ ipMode }) => (ipMode ?? "VIP") === "VIP");
  return addressesOf(
    ingress.flatMap(({ ip }) => ip ?? []),
    family,
  );
}

function sourceRanges({ spec, metadata }: Service, family: IpFamily): readonly string[] {
  const annotated = (metadata.annotations?.[RANGES_ANNOTATION] ?? "").split(",");
  const ranges = spec?.loadBalancerSourceRanges?.length ? spec.loadBalancerSourceRanges : annotated;
  return ranges
    .map((range) => range.trim())
    .filter((range) => range !== "" && range.includes(":") === (family === "IPv6"))
    .filter((range) => familyOf(range.split("/")[0] ?? "") === family);
}
