/**
 * Service addresses: which ClusterIP and node ports a Service has, each given to one Service only.
 *
 * Every address in use is a key of its own beside the objects, written in the same transaction as the
 * Service: two servers cannot give one away twice, and nothing leaks when a write fails.
 * What a crash of an older version left behind is set right at start by `repair`. What an update keeps
 * of them, or gives back, is in resources/service.ts.
 */
import { isIP } from "node:net";
import type { IpFamily } from "../../machinery/objects/ip.ts";
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
import { type IpRange, serviceRanges, shuffledFrom } from "./service-ranges.ts";

export interface AddressOptions {
  readonly clock: Clock;
  readonly objects: CachedObjects;
  readonly internal: WatchCache["internal"];
  /** "10.43.0.0/16", or one of each family: there are others besides, as ServiceCIDRs say. */
  readonly serviceCidr: string;
  /** First and last node port. */
  readonly nodePorts: readonly [number, number];
}

export interface ServiceAddresses {
  readonly allocate: Allocate;
  /** Makes the kept addresses those that the stored Services have. Answers how many were wrong. */
  repair(): Promise<number>;
}

/** As Kubernetes marks the IPAddresses that its allocator makes. */
const MANAGED_BY = "ipaddress.kubernetes.io/managed-by";
const ALLOCATOR = "ipallocator.k8s.io";

const PREFIX = `${internalPrefix}service-addresses/`;
const ipKey = (ip: string) => `${PREFIX}ip/${ip}`;
const portKey = (protocol: string, port: number) => `${PREFIX}port/${protocol}/${port}`;

export function createServiceAddresses(options: AddressOptions): ServiceAddresses {
  const ranges = serviceRanges(options.serviceCidr, options.objects);
  return {
    allocate(row, object, old) {
      if (row.group !== "" || row.plural !== "services") return undefined;
      return allocate(options, ranges(), object as Service | undefined, old as Service | undefined);
    },
    repair: () => repair(options),
  };
}

async function allocate(
  options: AddressOptions,
  ranges: readonly IpRange[],
  service: Service | undefined,
  old: Service | undefined,
) {
  const before = new Set(old ? keysOf(old) : []);
  const undo = service ? await choose(options, ranges, service, before) : () => {};
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
  ranges: readonly IpRange[],
  { metadata, spec }: Service,
  own: ReadonlySet<string>,
): Promise<() => void> {
  if (!spec) return () => {};
  const errors = new FieldErrors();
  const undo: (() => void)[] = [];
  const taken = takenBy(options.objects, metadata.uid);
  if (needsAddress(spec)) chooseFamilies(ranges, spec, errors, undo);
  if (needsAddress(spec) && spec.clusterIP !== "None") await chooseIps(options, ranges, spec, taken, own, errors, undo);
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

/** A Service of two families where the cluster has both and the author asks for it; headless ones name what they like. */
function chooseFamilies(ranges: readonly IpRange[], spec: Spec, errors: FieldErrors, undo: (() => void)[]): void {
  if (spec.clusterIP === "None") spec.clusterIPs ??= ["None"];
  const before = spec.ipFamilies;
  const families = (before?.length ? [...before] : [isIP(spec.clusterIP ?? "") === 6 ? "IPv6" : "IPv4"]) as IpFamily[];
  const has = new Set(ranges.map(({ family }) => family));
  spec.ipFamilyPolicy ||= "SingleStack";
  const other: IpFamily = families[0] === "IPv6" ? "IPv4" : "IPv6";
  if (spec.ipFamilyPolicy !== "SingleStack" && families.length === 1 && has.has(other)) families.push(other);
  spec.ipFamilies = families;
  undo.push(() => {
    if (before) spec.ipFamilies = before;
    else delete spec.ipFamilies;
  });
  if (spec.clusterIP === "None") return;
  if (spec.ipFamilyPolicy === "RequireDualStack" && families.length < 2)
    errors.invalid(
      "spec.ipFamilyPolicy",
      spec.ipFamilyPolicy,
      "this cluster is not configured for dual-stack services",
    );
  for (const [index, family] of families.entries())
    if (!has.has(family)) errors.invalid(`spec.ipFamilies[${index}]`, family, "not configured on this cluster");
}

/** One of each of its families, in their order; what it has it keeps. */
async function chooseIps(
  options: AddressOptions,
  all: readonly IpRange[],
  spec: Spec,
  taken: ReadonlySet<string>,
  own: ReadonlySet<string>,
  errors: FieldErrors,
  undo: (() => void)[],
): Promise<void> {
  const { clusterIP, clusterIPs } = spec;
  const wanted = clusterIPs?.length ? clusterIPs : clusterIP ? [clusterIP] : [];
  const chosen: string[] = [];
  for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
    const ranges = all.filter((range) => range.family === family);
    if (ranges.length === 0) return; // said already
    const ip = wanted[index];
    if (ip) await checkIp(options, ranges, ip, taken, own, errors);
    chosen.push(ip || (await freeIp(options, ranges, taken)));
  }
  spec.clusterIP = chosen[0] as string;
  spec.clusterIPs = chosen;
  undo.push(() => {
    if (clusterIP === undefined) delete spec.clusterIP;
    else spec.clusterIP = clusterIP;
    if (clusterIPs === undefined) delete spec.clusterIPs;
    else spec.clusterIPs = clusterIPs;
  });
}

const isFree =
  // people may reserve addresses by objects of their own
    ({ internal, objects }: AddressOptions, taken: ReadonlySet<string>) =>
    async (ip: string) =>
      !taken.has(ipKey(ip)) && !isReservedBy(objects, ip) && !(await internal.get(ipKey(ip)));

async function checkIp(
  options: AddressOptions,
  ranges: readonly IpRange[],
  ip: string,
  taken: ReadonlySet<string>,
  own: ReadonlySet<string>,
  errors: FieldErrors,
): Promise<void> {
  if (own.has(ipKey(ip))) return;
  const refuse = (why: string) => errors.invalid("spec.clusterIPs", [ip], `failed to allocate IP ${ip}: ${why}`);
  if (!ranges.some((range) => range.contains(ip))) {
    const valid = ranges.map(({ text }) => text).join(",");
    refuse(`the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${valid}`);
  } else if (!(await isFree(options, taken)(ip))) refuse("provided IP is already allocated");
}

async function freeIp(
  options: AddressOptions,
  ranges: readonly IpRange[],
  taken: ReadonlySet<string>,
): Promise<string> {
  const ip = await firstFree(candidatesOf(ranges, options.clock), isFree(options, taken));
  if (ip === undefined)
    throw new ApiError("InternalError", "Internal error occurred: failed to allocate a serviceIP: range is full");
  return ip;
}

/** The first block is used up before the next one. */
function* candidatesOf(ranges: readonly IpRange[], clock: Clock): Generator<string> {
  for (const range of ranges) yield* range.candidates(clock);
}

/** By an IPAddress that is not the mirror of an allotment: controllers/service-cidrs.ts keeps these. */
function isReservedBy(objects: CachedObjects, ip: string): boolean {
  const found = objects.get("ipaddresses.networking.k8s.io", "", ip);
  return found !== undefined && found.metadata.labels?.[MANAGED_BY] !== ALLOCATOR;
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
