/**
 * Conditions: what the peers and ports of one policy rule become in nft's words. Pure.
 *
 * Peers are joined by OR, so are ports, and one of each must hold: every combination is a rule of its own. A rule
 * without peers means everybody, one without ports everything. A named port is resolved by the Pod to which a
 * packet goes, so it is a set of addresses with ports.
 */
import { createHash } from "node:crypto";
import type { IpFamily } from "../../machinery/objects/ip.ts";
import type { NetworkPolicyPeer, NetworkPolicyPort } from "../../machinery/objects/kinds.ts";
import { everything, formatSelector, fromLabelSelector, type Selector } from "../../machinery/objects/selectors.ts";
import { blockRanges, merged } from "./ranges.ts";

export type Direction = "ingress" | "egress";

export interface PolicyRule {
  readonly peers?: readonly NetworkPolicyPeer[] | undefined;
  readonly ports?: readonly NetworkPolicyPort[] | undefined;
}

/** What a set holds to which rules refer. */
export type SetWish =
  | {
      readonly kind: "peers";
      /** One, or those that a selector means. */
      readonly namespaces: string | Selector;
      readonly pods: Selector;
    }
  | {
      readonly kind: "ports";
      readonly direction: Direction;
      /** Lower case. */
      readonly protocol: string;
      /** Its name. */
      readonly port: string;
    };

/** By name; there is one set for each family, which its name then ends in. */
export type NeededSets = Map<string, SetWish>;

export interface RuleContext {
  readonly direction: Direction;
  /** Of the policy. */
  readonly namespace: string;
  /** Of the Pods that are bound. */
  readonly families: readonly IpFamily[];
  readonly needed: NeededSets;
}

/** Words of the two families, and how the range of all addresses is written. */
const IP: Readonly<Record<IpFamily, { readonly word: string; readonly suffix: string; readonly all: string }>> = {
  IPv4: { word: "ip", suffix: "4", all: "0.0.0.0-255.255.255.255" },
  IPv6: { word: "ip6", suffix: "6", all: "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
};

/** A condition, and the family for which it holds; undefined: for both. */
interface Condition {
  readonly text: string;
  readonly family: IpFamily | undefined;
}

const ALWAYS: Condition = { text: "", family: undefined };

/** Each is enough; "" holds always. */
export function conditionsOf({ peers = [], ports = [] }: PolicyRule, context: RuleContext): readonly string[] {
  const from = peers.length ? peerConditions(peers, context) : [ALWAYS];
  const to = ports.length ? portConditions(ports, context) : [ALWAYS];
  return from.flatMap((peer) =>
    to
      .filter((port) => !peer.family || !port.family || peer.family === port.family)
      .map((port) => [peer.text, port.text].filter(Boolean).join(" ")),
  );
}

function peerConditions(peers: readonly NetworkPolicyPeer[], context: RuleContext): readonly Condition[] {
  const field = context.direction === "ingress" ? "saddr" : "daddr";
  const groups = [...new Set(peers.filter(({ ipBlock }) => !ipBlock).map((peer) => peerSet(peer, context)))];
  const blocks = peers.flatMap(({ ipBlock }) => ipBlock ?? []);
  return context.families.flatMap((family) => {
    const { word, suffix, all } = IP[family];
    const selected = groups.map((group) => ({ text: `${word} ${field} @${group}${suffix}`, family }));
    const ranges = blockRanges(blocks, family);
    if (!ranges.length) return selected;
    const text = ranges[0] === all ? `meta protocol ${word}` : `${word} ${field} ${oneOf(ranges)}`;
    return [...selected, { text, family }];
  });
}

function peerSet({ podSelector, namespaceSelector }: NetworkPolicyPeer, { namespace, needed }: RuleContext): string {
  const namespaces = namespaceSelector ? fromLabelSelector(namespaceSelector) : namespace;
  const pods = podSelector ? fromLabelSelector(podSelector) : everything;
  const where = typeof namespaces === "string" ? namespaces : `(${formatSelector(namespaces)})`;
  const name = `peers-${digest(`${where}/${formatSelector(pods)}`)}-`;
  needed.set(name, { kind: "peers", namespaces, pods });
  return name;
}

function portConditions(ports: readonly NetworkPolicyPort[], context: RuleContext): readonly Condition[] {
  const byProtocol = Map.groupBy(ports, ({ protocol = "TCP" }) => protocol.toLowerCase());
  return [...byProtocol].flatMap(([protocol, list]) => {
    if (list.some(({ port }) => port === undefined)) return [{ text: `meta l4proto ${protocol}`, family: undefined }];
    const numbers = list.flatMap(({ port, endPort }) =>
      typeof port === "number" ? [{ from: port, to: endPort ?? port }] : [],
    );
    const names = new Set(list.flatMap(({ port }) => (typeof port === "string" ? [port] : [])));
    const ranges = merged(numbers).map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`));
    const numbered = ranges.length ? [{ text: `${protocol} dport ${oneOf(ranges)}`, family: undefined }] : [];
    return [...numbered, ...[...names].flatMap((name) => namedPort(protocol, name, context))];
  });
}

function namedPort(protocol: string, port: string, { direction, families, needed }: RuleContext): readonly Condition[] {
  const name = `ports-${direction}-${protocol}-${port}-`;
  needed.set(name, { kind: "ports", direction, protocol, port });
  return families.map((family) => {
    const { word, suffix } = IP[family];
    return { text: `${word} daddr . ${protocol} dport @${name}${suffix}`, family };
  });
}

const oneOf = (values: readonly string[]): string =>
  values.length === 1 ? (values[0] as string) : `{ ${values.join(", ")} }`;

/** Short, for names in the kernel. */
export const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 12);
