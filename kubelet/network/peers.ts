/**
 * Peers: how this node's Pods reach the Pods of every other node. Pure.
 *
 * A node on the same link is its own Pods' router: one route by its address, nothing wrapped. Any other
 * is reached through a VXLAN, and so is one on the link that was found not to pass Pods' packets on
 * (clouds drop addresses that they did not give). Who reads and writes the kernel's state: node-routes.ts.
 */
import { createHash } from "node:crypto";
import { familyOf, type IpFamily } from "../../machinery/objects/ip.ts";
import { numberToAddress } from "../../machinery/objects/ip-numbers.ts";
import type { Node } from "../../machinery/objects/kinds.ts";
import { addressAt, contains, parseCidr } from "./cidr.ts";

export const VXLAN = "k8ts-vxlan";

/** A network that this machine is directly part of. */
export interface Attached {
  readonly device: string;
  /** "192.0.2.7/24". */
  readonly cidr: string;
}

export interface Peer {
  readonly name: string;
  readonly alive: boolean;
  readonly addresses: readonly string[];
  /** Its podCIDRs, one a family. */
  readonly ranges: readonly string[];
}

export interface Route {
  readonly range: string;
  /** The next hop. */
  readonly via: string;
  readonly device: string;
  /** What this machine's own packets have as source: an address of the Pod network. */
  readonly source: string;
}

/** Where in the VXLAN a next hop is found. */
export interface Neighbour {
  readonly address: string;
  readonly mac: string;
  /** Address of the machine that has it. */
  readonly machine: string;
}

export interface Tunnel {
  readonly mac: string;
  /** Source of the wrapped packets. */
  readonly local: string;
  readonly addresses: readonly string[];
  readonly neighbours: readonly Neighbour[];
}

export interface Plan {
  readonly routes: readonly Route[];
  readonly tunnel: Tunnel | undefined;
  /** Peer ► how its first range is reached. */
  readonly ways: ReadonlyMap<string, "route" | "tunnel">;
  /** What cannot be done, for people. */
  readonly problems: readonly string[];
}

export function peerOf(node: Node): Peer {
  const { spec, status, metadata } = node;
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  return {
    name: metadata.name,
    alive: ready?.status === "True",
    addresses: (status?.addresses ?? []).flatMap(({ type, address }) => (type === "InternalIP" ? [address] : [])),
    ranges: (spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : [])).map(asKernelsWrite),
  };
}

/** `wrapped`: peers on the link whose Pods are not reached by a plain route. */
export function planOf(
  self: Peer,
  others: readonly Peer[],
  attached: readonly Attached[],
  wrapped: ReadonlySet<string>,
): Plan {
  const routes: Route[] = [];
  const neighbours: Neighbour[] = [];
  const ways = new Map<string, "route" | "tunnel">();
  const problems: string[] = [];
  const local = self.addresses[0];
  const sources = new Map(self.ranges.map((range) => [familyIn(range), gatewayOf(range)]));
  const taken = new Set(self.ranges);

  for (const peer of [...others].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    for (const range of peer.ranges) {
      const family = familyIn(range);
      const source = sources.get(family);
      if (!source) continue;
      if (taken.has(range)) {
        problems.push(`node ${peer.name} has the Pod range ${range} of another node`);
        continue;
      }
      taken.add(range);
      const direct = wrapped.has(peer.name) ? undefined : onLink(peer, family, attached);
      if (direct) {
        routes.push({ range, ...direct, source });
        if (!ways.has(peer.name)) ways.set(peer.name, "route");
        continue;
      }
      const machine = peer.addresses.find((address) => local && familyOf(address) === familyOf(local));
      if (!machine) {
        problems.push(`node ${peer.name} has no address of the family of ${local ?? "this node, which has none"}`);
        continue;
      }
      const via = gatewayOf(range);
      routes.push({ range, via, device: VXLAN, source });
      neighbours.push({ address: via, mac: macOf(peer), machine });
      if (!ways.has(peer.name)) ways.set(peer.name, "tunnel");
    }
  }
  const addresses = [...sources.values()];
  const tunnel = local && neighbours.length > 0 ? { mac: macOf(self), local, addresses, neighbours } : undefined;
  return { routes, tunnel, ways, problems };
}

function onLink(peer: Peer, family: IpFamily, attached: readonly Attached[]) {
  for (const address of peer.addresses) {
    if (familyOf(address) !== family) continue;
    const link = attached.find(({ cidr }) => contains(parseCidr(cidr), address));
    if (link) return { via: address, device: link.device };
  }
  return undefined;
}

/** So that what is read from the kernel can be compared. */
function asKernelsWrite(range: string): string {
  const { family, base, bits } = parseCidr(range);
  return `${numberToAddress(base, family)}/${bits}`;
}

export const gatewayOf = (range: string): string => addressAt(parseCidr(range), 1);

const familyIn = (range: string): IpFamily => (range.includes(":") ? "IPv6" : "IPv4");

/** Every node can tell every other's, so that nothing has to be published. Locally administered. */
export function macOf({ ranges }: Peer): string {
  const digest = createHash("sha256")
    .update(ranges[0] ?? "")
    .digest();
  return ["0e", ...[...digest.subarray(0, 5)].map((byte) => byte.toString(16).padStart(2, "0"))].join(":");
}
