/**
 * Table: what our nftables table is made of, whatever the Services are. Pure.
 *
 * A packet's destination is looked up in one map, which says where to go on. There a number is drawn, and each number
 * has a map of its own from destinations to endpoints. These chains depend on how many endpoints there are and on what
 * is done with the source, not on the Service: a change of endpoints changes elements of maps and nothing else. Only
 * Services with many endpoints have chains of their own. A chain's name says what is in it, so a chain never changes.
 * One table a family, of the same form.
 */
import type { IpFamily } from "../../machinery/objects/ip.ts";
import { digest } from "./digest.ts";

export const TABLE = "k8ts-proxy";

/** Bit of the packet mark that asks for masquerading. */
const MARK = "0x00004000";
export const MASQUERADE = `meta mark set meta mark or ${MARK}`;

interface Words {
  readonly nft: "ip" | "ip6";
  readonly type: "ipv4_addr" | "ipv6_addr";
  readonly loopback: string;
}

export const WORDS: Readonly<Record<IpFamily, Words>> = {
  IPv4: { nft: "ip", type: "ipv4_addr", loopback: "127.0.0.0/8" },
  IPv6: { nft: "ip6", type: "ipv6_addr", loopback: "::1" },
};

/** Endpoints that are drawn by number; a Service with more has a chain of its own. */
export const SLOTS = 8;

/** By which part of a packet its endpoint is found: address and port, or the port alone. */
export type Key = "address" | "port";
/** Where several lists of endpoints lead from one destination: the one for everybody, or that for Pods and this node. */
export type Side = "outside" | "inside";

export type SetName =
  | "services"
  | "node-ports"
  | "refused"
  | "refused-node-ports"
  | "firewalled"
  | "hairpins"
  | "cluster-ips"
  | `${Side}-by-${Key}-${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7}`;

/** The map of the endpoints that have this number. */
export const slotMap = (key: Key, side: Side, slot: number): SetName => `${side}-by-${key}-${slot}` as SetName;

const SLOT_KINDS = (["address", "port"] as const).flatMap((key) =>
  (["outside", "inside"] as const).flatMap((side) =>
    Array.from({ length: SLOTS }, (_, slot) => ({ key, side, slot, name: slotMap(key, side, slot) })),
  ),
);

/** All maps and sets, but for those of clients. */
export const SETS: readonly SetName[] = [
  "services",
  "node-ports",
  "refused",
  "refused-node-ports",
  "firewalled",
  "hairpins",
  "cluster-ips",
  ...SLOT_KINDS.map(({ name }) => name),
];

export interface Chain {
  readonly name: string;
  readonly rules: readonly string[];
}

function declarations({ nft, type }: Words): readonly string[] {
  const front = { address: `${type} . inet_proto . inet_service`, port: "inet_proto . inet_service" };
  const found = { address: `${nft} daddr . meta l4proto . th dport`, port: "meta l4proto . th dport" };
  return [
    `map services { type ${front.address} : verdict ; }`,
    `map node-ports { type ${front.port} : verdict ; }`,
    `map refused { type ${front.address} : verdict ; }`,
    `map refused-node-ports { type ${front.port} : verdict ; }`,
    `map firewalled { type ${front.address} : verdict ; }`,
    `set hairpins { type ${type} . ${type} ; }`,
    `set cluster-ips { type ${type} ; }`,
    ...SLOT_KINDS.map(({ key, name }) => `map ${name} { type ${front[key]} : ${type} . inet_service ; }`),
    ...SLOT_KINDS.map(
      ({ key, name }) =>
        `chain to-${name} { meta l4proto { tcp, udp, sctp } dnat ${nft} to ${found[key]} map @${name} ; }`,
    ),
  ];
}

/** Sets, and the chains through which every packet goes. */
export function base(family: IpFamily): string {
  const words = WORDS[family];
  const { nft, loopback } = words;
  const address = `${nft} daddr . meta l4proto . th dport`;
  const own = `fib daddr type local ${nft} daddr != ${loopback}`;
  const translate = `${address} vmap @services ; ${own} meta l4proto . th dport vmap @node-ports`;
  const refuse = `ct state new ${address} vmap @refused ; ct state new ${own} meta l4proto . th dport vmap @refused-node-ports ; ct state new ${nft} daddr @cluster-ips goto no-endpoints`;
  const guard = `ct state new ${address} vmap @firewalled`;
  return `
  ${declarations(words).join("\n  ")}
  chain no-endpoints { meta l4proto tcp reject with tcp reset ; reject ; }
  chain nothing-here { drop ; }
  chain guard-incoming { type filter hook prerouting priority dstnat - 10 ; ${guard} ; }
  chain guard-own { type filter hook output priority -110 ; ${guard} ; }
  chain translate-incoming { type nat hook prerouting priority dstnat ; ${translate} ; }
  chain translate-own { type nat hook output priority -100 ; ${translate} ; }
  chain masquerade-marked {
    type nat hook postrouting priority srcnat ;
    meta mark & ${MARK} == ${MARK} meta mark set meta mark xor ${MARK} masquerade fully-random ;
    ct status dnat ${nft} saddr . ${nft} daddr @hairpins masquerade fully-random ;
  }
  chain refuse-incoming { type filter hook input priority filter - 1 ; ${refuse} ; }
  chain refuse-forwarded { type filter hook forward priority filter - 1 ; ${refuse} ; }
  chain refuse-own { type filter hook output priority filter - 1 ; ${refuse} ; }
`;
}

/** An empty chain whose name says of which form the table is: another one is not understood, and made anew. */
export const formOf = (family: IpFamily, pods: string | undefined): string =>
  `form-${digest(`${base(family)}${pods} `)}`;

/** The chains of the base, which are no Service's, and how many rules each has. */
export const BASE_CHAINS: ReadonlyMap<string, number> = new Map(
  [...base("IPv4").matchAll(/chain (\S+) \{(.*?;)\s+\}$/gms)].map(([, name = "", body = ""]) => [
    name,
    body.split(" ;").filter((rule) => rule.trim() !== "" && !rule.trim().startsWith("type ")).length,
  ]),
);

/** What is done with the source of a packet on its way to an endpoint. */
export type Source =
  /** Masqueraded unless it is a Pod's. */
  | "cluster"
  /** Masqueraded. */
  | "external"
  /** Kept. */
  | "plain";

/** What a source needs before it goes on; `pods` is the range of all Pods, where it is known. */
export function sourceRules(family: IpFamily, source: Source, pods: string | undefined): readonly string[] {
  if (source === "plain") return [];
  const outside = source === "cluster" && pods ? `${WORDS[family].nft} saddr != ${pods} ` : "";
  return [`${outside}${MASQUERADE}`];
}

/** How one of several endpoints is drawn; `id` says which way. */
export interface Draw {
  readonly rule: string;
  readonly id: string;
}

/** Among endpoints that have numbers. */
export function drawOfSlots(key: Key, side: Side, count: number): Draw {
  const to = (slot: number) => `goto to-${slotMap(key, side, slot)}`;
  if (count === 1) return { rule: to(0), id: "1" };
  const choices = Array.from({ length: count }, (_, slot) => `${slot} : ${to(slot)}`).join(", ");
  return { rule: `numgen random mod ${count} vmap { ${choices} }`, id: String(count) };
}

/** Among these, "10.42.0.2 . 8080" each. */
export function drawOfMany(family: IpFamily, protocol: string, endpoints: readonly string[]): Draw {
  const choices = endpoints.map((endpoint, index) => `${index} : ${endpoint}`).join(", ");
  const { nft } = WORDS[family];
  const rule = `meta l4proto ${protocol} dnat ${nft} to numgen random mod ${endpoints.length} map { ${choices} }`;
  return { rule, id: digest(rule) };
}

export function drawChain(family: IpFamily, key: Key, source: Source, draw: Draw, pods: string | undefined): Chain {
  return { name: `${source}-by-${key}-${draw.id}`, rules: [...sourceRules(family, source, pods), draw.rule] };
}

/** From outside to one of this node's endpoints, whose source is kept; Pods and this node itself reach all of them. */
export function localChain(
  family: IpFamily,
  key: Key,
  { here, all }: { readonly here: Draw | undefined; readonly all: Draw },
  pods: string | undefined,
): Chain {
  const { nft } = WORDS[family];
  return {
    name: `local-by-${key}-${here?.id ?? 0}-of-${all.id}`,
    rules: [
      ...(pods ? [`${nft} saddr ${pods} ${all.rule}`] : []),
      `fib saddr type local ${MASQUERADE}`,
      `fib saddr type local ${all.rule}`,
      ...(here ? [here.rule] : []),
    ],
  };
}

/** Lets these sources pass, and no other. */
export function firewallChain(family: IpFamily, ranges: readonly string[]): Chain {
  const { nft } = WORDS[family];
  const sorted = [...new Set(ranges)].sort();
  const rules = [...sorted.map((range) => `${nft} saddr ${range} accept`), "drop"];
  return { name: `from-${digest(sorted.join())}`, rules };
}
