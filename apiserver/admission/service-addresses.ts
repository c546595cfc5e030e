/**
 * Service addresses: which ClusterIP and node ports a Service has, each given to one Service only.
 *
 * Every address in use is a key of its own beside the objects, written in the same transaction as the
 * Service: two servers cannot give one away twice, and nothing leaks when a write fails.
 * What a crash of an older version left behind is set right at start by `repair`. What an update keeps
 * of them, or gives back, is in resources/service.ts.
 */
import { BlockList, isIP } from "node:net";
import { parseCidr } from "../../machinery/objects/ip.ts";
import type { Service, ServicePort } from "../../machinery/objects/kinds.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { CachedObjects } from "../auth/contract.ts";
import type { WatchCache } from "../cache/contract.ts";
import { internalPrefix } from "../cache/keys.ts";
import { FieldErrors } from "../resources/field-errors.ts";
import { needsAddress, needsHealthPort, needsNodePorts } from "../resources/service-type.ts";
import type { Condition, Operation } from "../store/contract.ts";
import type { Allocate } from "./contract.ts";

export interface AddressOptions {
  readonly clock: Clock;
  readonly objects: CachedObjects;
  readonly internal: WatchCache["internal"];
  /** "10.43.0.0/16" */
  readonly serviceCidr: string;
  /** First and last node port. */
  readonly nodePorts: readonly [number, number];
}

export interface ServiceAddresses {
  readonly allocate: Allocate;
  /** Makes the kept addresses those that the stored Services have. Answers how many were wrong. */
  repair(): Promise<number>;
}

const PREFIX = `${internalPrefix}service-addresses/`;
const ipKey = (ip: string) => `${PREFIX}ip/${ip}`;
const portKey = (protocol: string, port: number) => `${PREFIX}port/${protocol}/${port}`;

export function createServiceAddresses(options: AddressOptions): ServiceAddresses {
  const range = ipRange(options.serviceCidr);
  return {
    allocate(row, object, old) {
      if (row.group !== "" || row.plural !== "services") return undefined;
      return allocate(options, range, object as Service | undefined, old as Service | undefined);
    },
    repair: () => repair(options),
  };
}

async function allocate(
  options: AddressOptions,
  range: IpRange,
  service: Service | undefined,
  old: Service | undefined,
) {
  const before = new Set(old ? keysOf(old) : []);
  const undo = service ? await choose(options, range, service, before) : () => {};
  const after = new Set(service ? keysOf(service) : []);
  const added = [...after].filter((key) => !before.has(key));
  const dropped = [...before].filter((key) => !after.has(key));
  if (added.length + dropped.length === 0) return undefined;

  const owner = Buffer.from(`${(service ?? old)?.metadata.namespace}/${(service ?? old)?.metadata.name}`);
  const conditions: Condition[] = added.map((key) => ({ key, modRevision: 0 }));
  const operations: Operation[] = [
    ...added.map((key): Operation => ({ type: "put", key, value: owner })),
    ...dropped.map((key): Operation => ({ type: "delete", key })),
  ];
  return { conditions, operations, undo };
}

/** The keys of all addresses that a Service has. */
function keysOf({ spec }: Service): string[] {
  if (!spec) return [];
  const ips = needsAddress(spec) ? (spec.clusterIPs ?? []).filter((ip) => isIP(ip) !== 0) : [];
  const ports = needsNodePorts(spec) ? (spec.ports ?? []).filter(({ nodePort }) => nodePort) : [];
  return [
    ...ips.map(ipKey),
    ...new Set(ports.map(({ protocol = "TCP", nodePort = 0 }) => portKey(protocol, nodePort))),
    ...(spec.healthCheckNodePort ? [portKey("TCP", spec.healthCheckNodePort)] : []),
  ];
}

/** Sets what the Service left open; answers how to open it again. Throws 422 for what it cannot have. */
async function choose(
  options: AddressOptions,
  range: IpRange,
  { metadata, spec }: Service,
  own: ReadonlySet<string>,
): Promise<() => void> {
  if (!spec) return () => {};
  const errors = new FieldErrors();
  const undo: (() => void)[] = [];
  const taken = takenBy(options.objects, metadata.uid);
  if (needsAddress(spec) && spec.clusterIP !== "None") await chooseIp(options, range, spec, taken, own, errors, undo);
  if (needsAddress(spec)) setFamilies(spec, undo);
  if (needsNodePorts(spec)) await choosePorts(options, spec, taken, own, errors, undo);
  if (needsHealthPort(spec)) await chooseHealthPort(options, spec, taken, own, errors, undo);
  errors.throwIfAny("", "Service", metadata.name ?? "");
  return () => {
    for (const step of undo) step();
  };
}

/** Keys that other Services hold, as far as the cache knows: saves asking the store for each candidate. */
function takenBy(objects: CachedObjects, uid: string | undefined): ReadonlySet<string> {
  const taken = new Set<string>();
  for (const other of objects.list("services")) {
    if (other.metadata.uid === uid) continue;
    for (const key of keysOf(other as unknown as Service)) taken.add(key);
  }
  return taken;
}

type Spec = NonNullable<Service["spec"]>;

async function chooseIp(
  { clock, internal }: AddressOptions,
  range: IpRange,
  spec: Spec,
  taken: ReadonlySet<string>,
  own: ReadonlySet<string>,
  errors: FieldErrors,
  undo: (() => void)[],
): Promise<void> {
  const wanted = spec.clusterIP || spec.clusterIPs?.[0];
  const isFree = async (ip: string) => !taken.has(ipKey(ip)) && !(await internal.get(ipKey(ip)));
  if (wanted) {
    spec.clusterIP = wanted;
    spec.clusterIPs ??= [wanted];
    if (own.has(ipKey(wanted))) return;
    const refuse = (why: string) =>
      errors.invalid("spec.clusterIPs", [wanted], `failed to allocate IP ${wanted}: ${why}`);
    if (!range.contains(wanted))
      refuse(`the provided IP (${wanted}) is not in the valid range. The range of valid IPs is ${range.text}`);
    else if (!(await isFree(wanted))) refuse("provided IP is already allocated");
    return;
  }
  const ip = await firstFree(range.candidates(clock), isFree);
  if (ip === undefined)
    throw new ApiError("InternalError", "Internal error occurred: failed to allocate a serviceIP: range is full");
  spec.clusterIP = ip;
  spec.clusterIPs = [ip];
  undo.push(() => {
    delete spec.clusterIP;
    delete spec.clusterIPs;
  });
}

function setFamilies(spec: Spec, undo: (() => void)[]): void {
  if (spec.clusterIP === "None") spec.clusterIPs ??= ["None"];
  if (!spec.ipFamilies?.length) {
    spec.ipFamilies = [spec.clusterIP !== "None" && isIP(spec.clusterIP ?? "") === 6 ? "IPv6" : "IPv4"];
    undo.push(() => delete spec.ipFamilies);
  }
  spec.ipFamilyPolicy ||= "SingleStack";
}

async function choosePorts(
  { clock, internal, nodePorts: [first, last] }: AddressOptions,
  spec: Spec,
  taken: ReadonlySet<string>,
  own: ReadonlySet<string>,
  errors: FieldErrors,
  undo: (() => void)[],
): Promise<void> {
  const chosen = new Set<string>();
  const isFree = async (key: string) => !taken.has(key) && !chosen.has(key) && !(await internal.get(key));
  for (const [index, port] of ((spec.ports ?? []) as ServicePort[]).entries()) {
    const { protocol = "TCP" } = port;
    if (port.nodePort) {
      const key = portKey(protocol, port.nodePort);
      const path = `spec.ports[${index}].nodePort`;
      if (port.nodePort < first || port.nodePort > last)
        errors.invalid(
          path,
          port.nodePort,
          `provided port is not in the valid range. The range of valid ports is ${first}-${last}`,
        );
      else if (!own.has(key) && !(await isFree(key)))
        errors.invalid(path, port.nodePort, "provided port is already allocated");
      chosen.add(key);
      continue;
    }
    const numbers = shuffledFrom(clock, first, last);
    const free = await firstFree(numbers, (number) => isFree(portKey(protocol, number)));
    if (free === undefined)
      throw new ApiError("InternalError", "Internal error occurred: failed to allocate a nodePort: range is full");
    port.nodePort = free;
    chosen.add(portKey(protocol, free));
    undo.push(() => delete port.nodePort);
  }
}

/** Where the load balancer asks a node whether it has endpoints of the Service. */
async function chooseHealthPort(
  { clock, internal, nodePorts: [first, last] }: AddressOptions,
  spec: Spec,
  taken: ReadonlySet<string>,
  own: ReadonlySet<string>,
  errors: FieldErrors,
  undo: (() => void)[],
): Promise<void> {
  const chosen = new Set((spec.ports ?? []).map(({ protocol = "TCP", nodePort = 0 }) => portKey(protocol, nodePort)));
  const isFree = async (key: string) => !taken.has(key) && !chosen.has(key) && !(await internal.get(key));
  const { healthCheckNodePort: wanted } = spec;
  if (wanted) {
    if (!own.has(portKey("TCP", wanted)) && !(await isFree(portKey("TCP", wanted))))
      errors.invalid("spec.healthCheckNodePort", wanted, "provided port is already allocated");
    return;
  }
  const free = await firstFree(shuffledFrom(clock, first, last), (number) => isFree(portKey("TCP", number)));
  if (free === undefined)
    throw new ApiError("InternalError", "Internal error occurred: failed to allocate a nodePort: range is full");
  spec.healthCheckNodePort = free;
  undo.push(() => delete spec.healthCheckNodePort);
}

async function firstFree<T>(candidates: Iterable<T>, isFree: (one: T) => Promise<boolean>): Promise<T | undefined> {
  for (const candidate of candidates) if (await isFree(candidate)) return candidate;
  return undefined;
}

/** All numbers of a range, once each, beginning anywhere. */
function* shuffledFrom(clock: Clock, first: number, last: number): Generator<number> {
  const size = last - first + 1;
  const start = Math.floor(clock.random() * size);
  for (let step = 0; step < size; step++) yield first + ((start + step) % size);
}

interface IpRange {
  readonly text: string;
  contains(ip: string): boolean;
  /** Free to give: neither network nor broadcast; the upper part first, for people choose low ones by hand. */
  candidates(clock: Clock): Iterable<string>;
}

export function ipRange(text: string): IpRange {
  const block = parseCidr(text);
  const [address = "", bits = ""] = text.split("/");
  if (!block || isIP(address) !== 4) throw new Error(`--service-cidr: ${text} is not an IPv4 CIDR block`);
  const base = numberOf(address) & maskOf(Number(bits));
  const size = 2 ** (32 - Number(bits));
  const list = new BlockList();
  list.addSubnet(address, Number(bits), "ipv4");
  const reserved = Math.min(Math.max(16, Math.floor(size / 16)), 256);
  return {
    text,
    contains: (ip) => isIP(ip) === 4 && list.check(ip, "ipv4"),
    *candidates(clock) {
      const split = reserved < size - 2 ? reserved : 1;
      for (const offset of shuffledFrom(clock, split, size - 2)) yield addressOf(base + offset);
      for (let offset = 1; offset < split; offset++) yield addressOf(base + offset);
    },
  };
}

/** The nth address of a block: the API server's own Service has the first. */
export function nthAddress(cidr: string, n: number): string {
  const [address = "", bits = ""] = cidr.split("/");
  return addressOf((numberOf(address) & maskOf(Number(bits))) + n);
}

const maskOf = (bits: number): number => (bits === 0 ? 0 : -1 << (32 - bits));
const numberOf = (ip: string): number => ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
const addressOf = (number: number): string => [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join(".");

async function repair({ objects, internal }: AddressOptions): Promise<number> {
  const wanted = new Map<string, StoredObject>();
  for (const service of objects.list("services"))
    for (const key of keysOf(service as unknown as Service)) if (!wanted.has(key)) wanted.set(key, service);
  const kept = new Map((await internal.list({ prefix: PREFIX })).entries.map((entry) => [entry.key, entry]));
  let wrong = 0;
  for (const [key, { metadata }] of wanted) {
    if (kept.has(key)) continue;
    wrong++;
    const value = Buffer.from(`${metadata.namespace}/${metadata.name}`);
    await internal.commit([{ key, modRevision: 0 }], [{ type: "put", key, value }]);
  }
  for (const [key, { modRevision }] of kept) {
    if (wanted.has(key)) continue;
    wrong++;
    await internal.commit([{ key, modRevision }], [{ type: "delete", key }]);
  }
  return wrong;
}
