/**
 * Rules: what nftables should hold for Services, their EndpointSlices and host ports. Pure.
 *
 * A packet's destination (address, protocol, port) is looked up in one map, so that its cost does
 * not grow with the number of Services. Each service port has a chain of its own that picks an
 * endpoint. Which change leads to which commands: script.ts; how they reach the kernel: service-proxy.ts.
 */
import type { EndpointSlice, Pod, Service, ServicePort } from "../../machinery/objects/kinds.ts";

export interface Rules {
  /** Chain ► its rules. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Map or set ► key ► value ("" in sets). */
  readonly elements: Readonly<Record<ElementSet, ReadonlyMap<string, string>>>;
  /** Maps that remember a client's endpoint: name ► seconds. */
  readonly affinities: ReadonlyMap<string, number>;
}

export type ElementSet = "services" | "node-ports" | "refused" | "refused-node-ports" | "hairpins";

export interface RuleOptions {
  readonly nodeName: string;
  /** Sources inside keep their address; others are masqueraded towards a ClusterIP. */
  readonly clusterCIDR: string;
}

interface Target {
  readonly address: string;
  readonly port: number;
  readonly local: boolean;
}

/** Bit of the packet mark that asks for masquerading: see nft.ts. */
export const MASQUERADE_MARK = "0x00004000";

/** `pods` are those of this node, for their host ports. A Service's node port goes before a Pod's host port. */
export function rulesOf(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  pods: readonly Pod[],
  options: RuleOptions,
): Rules {
  const build = newRules();
  const byService = Map.groupBy(
    slices,
    (slice) => `${slice.metadata.namespace}/${slice.metadata.labels?.["kubernetes.io/service-name"]}`,
  );
  for (const service of services) {
    if (!hasClusterIP(service)) continue;
    const own = byService.get(`${service.metadata.namespace}/${service.metadata.name}`) ?? [];
    for (const port of service.spec?.ports ?? []) addPort(build, service, port, targetsOf(own, port, options), options);
  }
  for (const pod of pods) addHostPorts(build, pod);
  return build;
}

type Build = ReturnType<typeof newRules>;

function newRules() {
  return {
    chains: new Map<string, string[]>(),
    affinities: new Map<string, number>(),
    elements: {
      services: new Map<string, string>(),
      "node-ports": new Map<string, string>(),
      refused: new Map<string, string>(),
      "refused-node-ports": new Map<string, string>(),
      hairpins: new Map<string, string>(),
    },
  };
}

function hasClusterIP({ spec }: Service): boolean {
  return (
    spec?.type !== "ExternalName" &&
    spec?.clusterIP !== undefined &&
    spec.clusterIP !== "" &&
    spec.clusterIP !== "None" &&
    !spec.clusterIP.includes(":")
  );
}

function addPort(
  build: Build,
  service: Service,
  port: ServicePort,
  targets: readonly Target[],
  options: RuleOptions,
): void {
  const { spec } = service;
  const protocol = (port.protocol ?? "TCP").toLowerCase();
  const name = chainName(service, port);
  const internal = spec?.internalTrafficPolicy === "Local" ? targets.filter((one) => one.local) : targets;
  const external = spec?.externalTrafficPolicy === "Local" ? targets.filter((one) => one.local) : targets;
  const affinity =
    spec?.sessionAffinity === "ClientIP" ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10800) : undefined;
  for (const { address, local } of targets) if (local) build.elements.hairpins.set(`${address} . ${address}`, "");

  const internalKey = `${spec?.clusterIP} . ${protocol} . ${port.port}`;
  if (internal.length) {
    const masquerade = `ip saddr != ${options.clusterCIDR} meta mark set meta mark or ${MASQUERADE_MARK}`;
    addChain(build, `svc-${name}`, protocol, internal, affinity, [masquerade]);
    build.elements.services.set(internalKey, `goto svc-${name}`);
  } else build.elements.refused.set(internalKey, "goto no-endpoints");

  const outside = outsideAddresses(service);
  if (!outside.length && !port.nodePort) return;
  const keepsSource = spec?.externalTrafficPolicy === "Local";
  if (external.length) {
    addChain(
      build,
      `ext-${name}`,
      protocol,
      external,
      affinity,
      keepsSource ? [] : [`meta mark set meta mark or ${MASQUERADE_MARK}`],
    );
  }
  const [verdict, ips, ports] = external.length
    ? ([`goto ext-${name}`, "services", "node-ports"] as const)
    : (["goto no-endpoints", "refused", "refused-node-ports"] as const);
  for (const address of outside) build.elements[ips].set(`${address} . ${protocol} . ${port.port}`, verdict);
  if (port.nodePort) build.elements[ports].set(`${protocol} . ${port.nodePort}`, verdict);
}

/** A Pod's hostPort: the node's address, or the one that it names, leads to the Pod. */
function addHostPorts({ chains, elements }: Build, { metadata, spec, status }: Pod): void {
  const address = status?.podIP;
  const ended = status?.phase === "Succeeded" || status?.phase === "Failed";
  if (!address || address.includes(":") || ended || spec?.hostNetwork) return;
  for (const { hostPort, hostIP, containerPort, protocol = "TCP" } of (spec?.containers ?? []).flatMap(
    ({ ports }) => ports ?? [],
  )) {
    if (!hostPort || hostIP?.includes(":")) continue;
    const kind = protocol.toLowerCase();
    const one = hostIP && hostIP !== "0.0.0.0";
    const [set, key] = one
      ? (["services", `${hostIP} . ${kind} . ${hostPort}`] as const)
      : (["node-ports", `${kind} . ${hostPort}`] as const);
    if (elements[set].has(key)) continue;
    const chain = `host-${kind}-${hostPort}-${hash(metadata.uid)}`;
    chains.set(chain, [`meta l4proto ${kind} dnat ip to ${address}:${containerPort}`]);
    elements[set].set(key, `goto ${chain}`);
    elements.hairpins.set(`${address} . ${address}`, "");
  }
}

/** With affinity each endpoint has a chain that remembers the client; without, one rule picks at random. */
function addChain(
  build: Build,
  name: string,
  protocol: string,
  targets: readonly Target[],
  affinity: number | undefined,
  before: readonly string[],
): void {
  if (affinity === undefined) {
    const choices = targets.map(({ address, port }, index) => `${index} : ${address} . ${port}`).join(", ");
    build.chains.set(name, [
      ...before,
      `meta l4proto ${protocol} dnat ip to numgen random mod ${targets.length} map { ${choices} }`,
    ]);
    return;
  }
  // The map's name carries the endpoints: when they change, clients choose again among those that are left.
  const map = `aff-${name}-${hash(targets.map(({ address, port }) => `${address}:${port}`).join())}`;
  build.affinities.set(map, affinity);
  const choices = targets.map(({ address, port }, index) => {
    const chain = `${name}-${index}`;
    build.chains.set(chain, [
      `update @${map} { ip saddr : ${address} . ${port} } meta l4proto ${protocol} dnat ip to ${address}:${port}`,
    ]);
    return `${index} : goto ${chain}`;
  });
  build.chains.set(name, [
    ...before,
    `meta l4proto ${protocol} dnat ip to ip saddr map @${map}`,
    `numgen random mod ${targets.length} vmap { ${choices.join(", ")} }`,
  ]);
}

/** Ready endpoints; where there are none, those that still serve while they terminate (KEP-1669). */
function targetsOf(slices: readonly EndpointSlice[], port: ServicePort, options: RuleOptions): readonly Target[] {
  const ready = new Map<string, Target>();
  const serving = new Map<string, Target>();
  for (const slice of slices) {
    if (slice.addressType !== "IPv4") continue;
    const target = slice.ports?.find(
      (one) => (one.name ?? "") === (port.name ?? "") && (one.protocol ?? "TCP") === (port.protocol ?? "TCP"),
    );
    if (!target?.port) continue;
    for (const { addresses, conditions, nodeName } of slice.endpoints ?? []) {
      const [address] = addresses;
      if (address === undefined) continue;
      const one = { address, port: target.port, local: nodeName === options.nodeName };
      if (conditions?.ready !== false) ready.set(address, one);
      else if (conditions.serving && conditions.terminating) serving.set(address, one);
    }
  }
  const chosen = ready.size ? ready : serving;
  return [...chosen.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
}

function outsideAddresses({ spec, status }: Service): readonly string[] {
  const balanced =
    spec?.type === "LoadBalancer" ? (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []) : [];
  return [...(spec?.externalIPs ?? []), ...balanced].filter((address) => !address.includes(":"));
}

/** Readable and unique: nft allows 128 characters. */
function chainName({ metadata }: Service, port: ServicePort): string {
  const full = `${metadata.namespace}/${metadata.name}/${port.name ?? ""}/${port.protocol ?? "TCP"}/${port.port}`;
  return `${hash(full)}-${metadata.namespace}-${metadata.name}-${port.port}`.slice(0, 90).replaceAll(".", "-");
}

/** FNV-1a over UTF-16 units, 32 bits: names only. */
function hash(text: string): string {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  return value.toString(16).padStart(8, "0");
}
