/**
 * CIDR: arithmetic on address ranges of both families. Pure; throws RangeError for what is not one.
 *
 * An address is a number here; whether a text is an address at all is machinery/objects/ip.ts.
 */
import { familyOf, type IpFamily } from "../../machinery/objects/ip.ts";

export interface Cidr {
  readonly family: IpFamily;
  /** First address as a number. */
  readonly base: bigint;
  readonly bits: number;
}

export const WIDTH: Readonly<Record<IpFamily, number>> = { IPv4: 32, IPv6: 128 };

export function parseCidr(text: string): Cidr {
  const [address = "", length = ""] = text.split("/");
  const family = familyOf(address);
  const bits = Number(length);
  if (!family || !/^\d+$/.test(length) || bits > WIDTH[family]) throw new RangeError(`"${text}" is not a range`);
  const host = BigInt(WIDTH[family] - bits);
  return { family, base: (addressToNumber(address) >> host) << host, bits };
}

/** The n-th address of a range: 1 is the gateway's by custom. */
export function addressAt({ family, base, bits }: Cidr, index: number): string {
  if (BigInt(index) >= 1n << BigInt(WIDTH[family] - bits)) throw new RangeError(`a /${bits} has no address ${index}`);
  return numberToAddress(base + BigInt(index), family);
}

export function contains({ family, base, bits }: Cidr, address: string): boolean {
  if (familyOf(address) !== family) return false;
  const host = BigInt(WIDTH[family] - bits);
  return addressToNumber(address) >> host === base >> host;
}

export function addressToNumber(address: string): bigint {
  const family = familyOf(address);
  if (!family) throw new RangeError(`"${address}" is not an address`);
  if (family === "IPv4") return joined(address.split("."), 8n);
  const [head = "", tail] = address.split("::");
  const [before, after] = [groupsOf(head), groupsOf(tail ?? "")];
  const zeros = Array<bigint>(8 - before.length - after.length).fill(0n);
  return [...before, ...zeros, ...after].reduce((sum, group) => (sum << 16n) + group, 0n);
}

/** An IPv6 address may end in an IPv4 one. */
function groupsOf(text: string): bigint[] {
  return text
    .split(":")
    .filter(Boolean)
    .flatMap((group) => {
      if (!group.includes(".")) return [BigInt(`0x${group}`)];
      const number = joined(group.split("."), 8n);
      return [number >> 16n, number & 0xffffn];
    });
}

const joined = (parts: readonly string[], bits: bigint): bigint =>
  parts.reduce((sum, part) => (sum << bits) + BigInt(part), 0n);

export function numberToAddress(value: bigint, family: IpFamily): string {
  const part = (bits: bigint, index: number) => (value >> (bits * BigInt(index))) & ((1n << bits) - 1n);
  if (family === "IPv4") return [3, 2, 1, 0].map((index) => part(8n, index)).join(".");
  return shortened([7, 6, 5, 4, 3, 2, 1, 0].map((index) => part(16n, index).toString(16)).join(":"));
}

/** The longest row of zeros is left out, as addresses are written. */
function shortened(groups: string): string {
  const rows = groups.match(/(^|:)0(:0)+(:|$)/g) ?? [];
  const longest = rows.reduce((most, row) => (row.length > most.length ? row : most), "");
  return longest ? groups.replace(longest, "::") : groups;
}
