/** CIDR: arithmetic on IPv4 ranges. Pure; throws RangeError for what is not one. */

export interface Cidr {
  /** First address as a number. */
  readonly base: number;
  readonly bits: number;
}

export function parseCidr(text: string): Cidr {
  const [address = "", length = ""] = text.split("/");
  const bits = Number(length);
  if (!/^\d+$/.test(length) || bits > 32) throw new RangeError(`"${text}" is not an IPv4 range`);
  const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
  return { base: (addressToNumber(address) & mask) >>> 0, bits };
}

/** The n-th address of a range: 1 is the gateway's by custom. */
export function addressAt(cidr: Cidr, index: number): string {
  if (index >= 2 ** (32 - cidr.bits)) throw new RangeError(`a /${cidr.bits} has no address ${index}`);
  return numberToAddress(cidr.base + index);
}

export function addressToNumber(address: string): number {
  const parts = address.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) {
    throw new RangeError(`"${address}" is not an IPv4 address`);
  }
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function numberToAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
}
