/**
 * Service ranges: the blocks from which Services get their addresses, and in which order these are tried.
 *
 * The first is the server's own; others are ServiceCIDRs that people make. One that is being deleted gives none.
 */
import { BlockList, isIP } from "node:net";
import { parseCidr } from "../../machinery/objects/ip.ts";
import type { ServiceCIDR } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { CachedObjects } from "../auth/contract.ts";

const CIDRS = "servicecidrs.networking.k8s.io";

/** Looked for again only when a ServiceCIDR has changed. */
export function serviceRanges(own: string, objects: CachedObjects): () => readonly IpRange[] {
  const first = ipRange(own);
  let known: { readonly generation: number; readonly ranges: readonly IpRange[] } | undefined;
  return () => {
    const generation = objects.generation(CIDRS);
    if (known?.generation !== generation) {
      const usable = ([...objects.list(CIDRS)] as unknown as ServiceCIDR[]).filter(
        ({ metadata }) => !metadata.deletionTimestamp,
      );
      const blocks = usable.flatMap(({ spec }) => spec?.cidrs ?? []);
      const others = [...new Set(blocks)].filter((block) => block !== own && parseCidr(block)?.family === "IPv4");
      known = { generation, ranges: [first, ...others.map(ipRange)] };
    }
    return known.ranges;
  };
}

export interface IpRange {
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

/** All numbers of a range, once each, beginning anywhere. */
export function* shuffledFrom(clock: Clock, first: number, last: number): Generator<number> {
  const size = last - first + 1;
  const start = Math.floor(clock.random() * size);
  for (let step = 0; step < size; step++) yield first + ((start + step) % size);
}
