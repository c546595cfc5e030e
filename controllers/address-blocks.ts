/**
 * Address blocks: a range of addresses cut into blocks of one size, and who holds which. Pure.
 *
 * A block may be held several times and is free when nobody holds it; what is held need not be a block, everything it
 * overlaps is taken. For one family; the range is cut into at most 2^16 blocks.
 */
import { type Cidr, parseCidr } from "../machinery/objects/ip.ts";

export interface AddressBlocks {
  readonly range: Cidr;
  /** What the owner holds from now on, in place of what it held; addresses outside of the range count for nothing. */
  hold(owner: string, cidrs: readonly string[]): void;
  /** The first block that nobody holds. */
  free(): string | undefined;
}

const MOST_BITS = 16;
const WIDTH = { IPv4: 32, IPv6: 128 } as const;

/** Throws for what is no range, or cannot be cut so. */
export function createAddressBlocks(text: string, blockBits: number): AddressBlocks {
  const range = parseCidr(text);
  if (!range || blockBits < range.bits || blockBits > WIDTH[range.family] || blockBits - range.bits > MOST_BITS)
    throw new Error(
      `the Pod range ${text} cannot be cut into blocks of /${blockBits} (at most ${2 ** MOST_BITS} of them)`,
    );
  const shift = BigInt(WIDTH[range.family] - blockBits);
  const holders = new Uint32Array(2 ** (blockBits - range.bits));
  const held = new Map<string, readonly [number, number][]>();
  const base = startOf(range) >> shift;
  let firstFree = 0;

  /** First and last block that an address range overlaps. */
  const span = (cidr: string): readonly [number, number][] => {
    const parsed = parseCidr(cidr);
    if (parsed?.family !== range.family) return [];
    const start = startOf(parsed);
    const end = start + (1n << BigInt(WIDTH[parsed.family] - parsed.bits)) - 1n;
    const first = Math.max(0, Number((start >> shift) - base));
    const last = Math.min(holders.length - 1, Number((end >> shift) - base));
    return first <= last ? [[first, last]] : [];
  };
  const count = (spans: readonly (readonly [number, number])[], by: 1 | -1) => {
    for (const [first, last] of spans)
      for (let at = first; at <= last; at++) {
        holders[at] = (holders[at] ?? 0) + by;
        if (holders[at] === 0) firstFree = Math.min(firstFree, at);
      }
  };

  return {
    range,
    hold(owner, cidrs) {
      const next = cidrs.flatMap(span);
      count(next, 1);
      count(held.get(owner) ?? [], -1);
      if (next.length > 0) held.set(owner, next);
      else held.delete(owner);
    },
    free() {
      while (firstFree < holders.length && holders[firstFree] !== 0) firstFree++;
      return firstFree < holders.length
        ? `${textOf((base + BigInt(firstFree)) << shift, range.family)}/${blockBits}`
        : undefined;
    },
  };
}

/** The first address of a block as a number, whatever address of it the text names. */
function startOf({ family, address, bits }: Cidr): bigint {
  const free = BigInt(WIDTH[family] - bits);
  return (numberOf(address, family) >> free) << free;
}

function numberOf(address: string, family: Cidr["family"]): bigint {
  if (family === "IPv4") return address.split(".").reduce((sum, part) => (sum << 8n) + BigInt(part), 0n);
  const [head = "", tail] = address.split("::");
  const groups = (text: string) => text.split(":").filter(Boolean).flatMap(groupsOf);
  const [before, after] = [groups(head), groups(tail ?? "")];
  const all = [...before, ...Array<bigint>(8 - before.length - after.length).fill(0n), ...after];
  return all.reduce((sum, group) => (sum << 16n) + group, 0n);
}

/** An IPv6 address may end in an IPv4 one. */
function groupsOf(text: string): bigint[] {
  if (!text.includes(".")) return [BigInt(`0x${text}`)];
  const number = numberOf(text, "IPv4");
  return [number >> 16n, number & 0xffffn];
}

function textOf(number: bigint, family: Cidr["family"]): string {
  const part = (bits: bigint, index: number) => (number >> (bits * BigInt(index))) & ((1n << bits) - 1n);
  if (family === "IPv4") return [3, 2, 1, 0].map((index) => part(8n, index)).join(".");
  const groups = [7, 6, 5, 4, 3, 2, 1, 0].map((index) => part(16n, index).toString(16)).join(":");
  return shortened(groups);
}

/** The longest row of zeros is left out, as addresses are written. */
function shortened(groups: string): string {
  const rows = groups.match(/(^|:)0(:0)+(:|$)/g) ?? [];
  const longest = rows.reduce((most, row) => (row.length > most.length ? row : most), "");
  return longest ? groups.replace(longest, "::") : groups;
}
