/**
 * IP numbers: addresses of both families as numbers, for those who count in ranges. Pure.
 *
 * Numbers are written back as the kernel and Go write addresses. Whether a text is an address: ip.ts.
 */
import { familyOf, type IpFamily } from "./ip.ts";

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
