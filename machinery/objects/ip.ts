/**
 * IP addresses and CIDR blocks as text: what the API accepts in fields that hold them.
 *
 * Parsing into numbers and allocating stand with those who allocate; here is only what several
 * components ask: is it one, of which family, does a block contain it.
 */
import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";

export { isIPv4, isIPv6 };

export type IpFamily = "IPv4" | "IPv6";

/** IPv4 numbers with leading zeros are read differently by different programs, so they are refused. */
export function familyOf(address: string): IpFamily | undefined {
  const version = isIP(address);
  return version === 4 ? "IPv4" : version === 6 && !address.includes("%") ? "IPv6" : undefined;
}

export const ipError = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
export const cidrError = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

export const ipAddress = (value: string): readonly string[] => (familyOf(value) ? [] : [ipError]);

export interface Cidr {
  readonly family: IpFamily;
  readonly address: string;
  readonly bits: number;
}

export function parseCidr(value: string): Cidr | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(value);
  const address = match?.[1] ?? "";
  const family = familyOf(address);
  const bits = Number(match?.[2]);
  if (!family || bits > (family === "IPv4" ? 32 : 128)) return undefined;
  return { family, address, bits };
}

export const cidr = (value: string): readonly string[] => (parseCidr(value) ? [] : [cidrError]);

export function cidrContains(block: Cidr, address: string): boolean {
  if (familyOf(address) !== block.family) return false;
  const family = block.family === "IPv4" ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(block.address, block.bits, family);
  return list.check(address, family);
}
