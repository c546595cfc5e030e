/**
 * CIDR: arithmetic on address ranges of both families. Pure; throws RangeError for what is not one.
 *
 * Addresses as numbers: machinery/objects/ip-numbers.ts.
 */
import { familyOf, type IpFamily } from "../../machinery/objects/ip.ts";
import { addressToNumber, numberToAddress } from "../../machinery/objects/ip-numbers.ts";

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
