/**
 * Service ranges: the blocks from which Services get their addresses, and in which order these are tried.
 *
 * The first are the server's own, one or one of each family; others are ServiceCIDRs that people make. One that is
 * being deleted gives none.
 */
import { cidrContains, type IpFamily, parseCidr } from "../../machinery/objects/ip.ts";
import { addressToNumber, numberToAddress } from "../../machinery/objects/ip-numbers.ts";
import type { ServiceCIDR } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { CachedObjects } from "../auth/contract.ts";

const CIDRS = "servicecidrs.networking.k8s.io";

/** Looked for again only when a ServiceCIDR has changed. */
export function serviceRanges(own: string, objects: CachedObjects): () => readonly IpRange[] {
  const first = ownBlocks(own);
  let known: { readonly generation: number; readonly ranges: readonly IpRange[] } | undefined;
  return () => {
    const generation = objects.generation(CIDRS);
    if (known?.generation !== generation) {
      const usable = ([...objects.list(CIDRS)] as unknown as ServiceCIDR[]).filter(
        ({ metadata }) => !metadata.deletionTimestamp,
      );
      const blocks = usable.flatMap(({ spec }) => spec?.cidrs ?? []);
      const others = [...new Set(blocks)].filter((block) => !first.some(({ text }) => text === block));
      known = { generation, ranges: [...first, ...others.map(ipRange)] };
    }
    return known.ranges;
  };
}

/** "10.43.0.0/16", or "10.43.0.0/16,fd00:43::/112". */
function ownBlocks(text: string): readonly IpRange[] {
  const blocks = blocksOf(text).map(ipRange);
  if (blocks[0]?.family !== "IPv4" || blocks.length > 2 || blocks[1]?.family === "IPv4")
    throw new Error(`--service-cidr: ${text} is not an IPv4 CIDR block, nor one with an IPv6 block after it`);
  return blocks;
}

/** The blocks of a comma-separated list. */
export const blocksOf = (text: string): readonly string[] => text.split(",").map((block) => block.trim());

export interface IpRange {
  readonly text: string;
  readonly family: IpFamily;
  contains(ip: string): boolean;
  /** Free to give: neither network nor broadcast; the upper part first, for people choose low ones by hand. */
  candidates(clock: Clock): Iterable<string>;
}

/** Addresses that are tried of a block, however large it is. */
const MOST_OFFSETS = 2 ** 20;

export function ipRange(text: string): IpRange {
  const block = parseCidr(text);
  if (!block) throw new Error(`--service-cidr: ${text} is not a CIDR block`);
  const { family, bits } = block;
  const width = family === "IPv4" ? 32 : 128;
  const base = baseOf(text);
  const size = width - bits > 20 ? MOST_OFFSETS : 2 ** (width - bits);
  const last = size - 2; // an IPv4 block's last address is its broadcast
  const reserved = Math.min(Math.max(16, Math.floor(size / 16)), 256);
  return {
    text,
    family,
    contains: (ip) => cidrContains(block, ip),
    *candidates(clock) {
      const split = reserved < last ? reserved : 1;
      const at = (offset: number) => numberToAddress(base + BigInt(offset), family);
      for (const offset of shuffledFrom(clock, split, last)) yield at(offset);
      for (let offset = 1; offset < split; offset++) yield at(offset);
    },
  };
}

/** The nth address of a block, the first of several: the API server's own Service has the first. */
export function nthAddress(cidrs: string, n: number): string {
  const [cidr = ""] = blocksOf(cidrs);
  return numberToAddress(baseOf(cidr) + BigInt(n), cidr.includes(":") ? "IPv6" : "IPv4");
}

function baseOf(cidr: string): bigint {
  const [address = "", bits = ""] = cidr.split("/");
  const free = BigInt((address.includes(":") ? 128 : 32) - Number(bits));
  return (addressToNumber(address) >> free) << free;
}

/** All numbers of a range, once each, beginning anywhere. */
export function* shuffledFrom(clock: Clock, first: number, last: number): Generator<number> {
  const size = last - first + 1;
  const start = Math.floor(clock.random() * size);
  for (let step = 0; step < size; step++) yield first + ((start + step) % size);
}
