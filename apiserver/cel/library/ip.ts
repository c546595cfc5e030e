/**
 * IP: addresses and blocks of addresses, `ip()` and `cidr()` with what can be asked of them.
 */
import { isIP } from "node:net";
import { CelRuntimeError } from "../contract.ts";
import { add, fixed, scale, TEXT, UNKNOWN, walks } from "../costing.ts";
import { type Costing, global, member, type Overload, opaque, types } from "../declarations.ts";
import { Opaque, sizeOf } from "../values.ts";

const { bool, int, string } = types;
const ipType = opaque("net.IP");
const cidrType = opaque("net.CIDR");

class Ip extends Opaque {
  readonly typeName = "net.IP";
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    super();
    this.bytes = bytes;
  }
  override get size(): number {
    return this.bytes.length;
  }
  equals(other: Opaque): boolean {
    return other instanceof Ip && Buffer.compare(this.bytes, other.bytes) === 0;
  }
}

class Cidr extends Opaque {
  readonly typeName = "net.CIDR";
  readonly bytes: Uint8Array;
  readonly prefix: number;
  constructor(bytes: Uint8Array, prefix: number) {
    super();
    this.bytes = bytes;
    this.prefix = prefix;
  }
  override get size(): number {
    return Math.ceil(this.prefix / 8);
  }
  equals(other: Opaque): boolean {
    return other instanceof Cidr && this.prefix === other.prefix && Buffer.compare(this.bytes, other.bytes) === 0;
  }
  masked(): Cidr {
    return new Cidr(
      this.bytes.map((byte, index) => byte & byteMask(this.prefix, index)),
      this.prefix,
    );
  }
  holds(bytes: Uint8Array): boolean {
    return (
      bytes.length === this.bytes.length &&
      bytes.every((byte, index) => ((byte ^ (this.bytes[index] as number)) & byteMask(this.prefix, index)) === 0)
    );
  }
}

const byteMask = (prefix: number, index: number): number => {
  const bits = Math.min(Math.max(prefix - index * 8, 0), 8);
  return (0xff00 >> bits) & 0xff;
};

/** Undefined for what is no address; zones and IPv4 written as IPv6 are refused. */
function parseIp(text: string): Uint8Array | undefined {
  const family = text.includes("%") ? 0 : isIP(text);
  if (family === 4) return Uint8Array.from(text.split("."), Number);
  if (family !== 6) return undefined;
  let rest = text;
  const dotted = /:(\d+\.\d+\.\d+\.\d+)$/.exec(text)?.[1];
  if (dotted) {
    const [a = 0, b = 0, c = 0, d = 0] = dotted.split(".").map(Number);
    rest = `${text.slice(0, -dotted.length)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [head = "", tail] = rest.split("::");
  const words = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16));
  const [front, back] = [words(head), words(tail ?? "")];
  const all =
    tail === undefined ? front : [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
  const mapped = all.slice(0, 5).every((word) => word === 0) && all[5] === 0xffff;
  return mapped ? undefined : Uint8Array.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}

function toIp(text: string): Ip {
  const bytes = parseIp(text);
  if (!bytes)
    throw new CelRuntimeError(
      `IP Address "${text}" parse error during conversion from string: ParseAddr("${text}"): unable to parse IP`,
    );
  return new Ip(bytes);
}

function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const bytes = match && parseIp(match[1] as string);
  if (!match || !bytes) return undefined;
  const prefix = Number(match[2]);
  return prefix <= bytes.length * 8 ? new Cidr(bytes, prefix) : undefined;
}

function toCidr(text: string): Cidr {
  const cidr = parseCidr(text);
  if (!cidr)
    throw new CelRuntimeError(
      `network address parse error during conversion from string: netip.ParsePrefix("${text}"): unable to parse`,
    );
  return cidr;
}

/** As Go writes it: the longest run of zero words left out, the first of equal ones. */
function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const words = Array.from(
    { length: 8 },
    (_, index) => ((bytes[index * 2] as number) << 8) | (bytes[index * 2 + 1] as number),
  );
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && words[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  const hex = (part: readonly number[]): string => part.map((word) => word.toString(16)).join(":");
  return best.at < 0 ? hex(words) : `${hex(words.slice(0, best.at))}::${hex(words.slice(best.at + best.length))}`;
}

const first = (ip: Ip, ...starts: readonly number[]): boolean =>
  starts.every((byte, index) => ip.bytes[index] === byte);
const all = (ip: Ip, last: number): boolean =>
  ip.bytes.every((byte, index) => byte === (index === ip.bytes.length - 1 ? last : 0));

const isUnspecified = (ip: Ip): boolean => all(ip, 0);
const isLoopback = (ip: Ip): boolean => (ip.bytes.length === 4 ? first(ip, 127) : all(ip, 1));
const isMulticast = (ip: Ip): boolean =>
  ip.bytes.length === 4 ? ((ip.bytes[0] as number) & 0xf0) === 0xe0 : first(ip, 0xff);
const isLinkLocalUnicast = (ip: Ip): boolean =>
  ip.bytes.length === 4 ? first(ip, 169, 254) : first(ip, 0xfe) && ((ip.bytes[1] as number) & 0xc0) === 0x80;
const isLinkLocalMulticast = (ip: Ip): boolean =>
  ip.bytes.length === 4 ? first(ip, 224, 0, 0) : first(ip, 0xff) && ((ip.bytes[1] as number) & 0x0f) === 0x02;
const isGlobalUnicast = (ip: Ip): boolean =>
  !isUnspecified(ip) &&
  !isLoopback(ip) &&
  !isMulticast(ip) &&
  !isLinkLocalUnicast(ip) &&
  !(ip.bytes.length === 4 && ip.bytes.every((byte) => byte === 255));

const containsCidr = (block: Cidr, inner: Cidr): boolean => block.prefix <= inner.prefix && block.holds(inner.bytes);

const addressSize = { min: 4, max: 16 };
/** Comparing the bytes of two; of text it has to be read first. */
const comparing = (rounds: number, extra: number, parses: boolean): Costing => ({
  cost: ([block, other]) =>
    Math.ceil(sizeOf(block) * 2 * TEXT) +
    (rounds > 2 ? Math.ceil(sizeOf(block) * TEXT) + extra : 0) +
    (parses ? Math.ceil(sizeOf(other) * TEXT) : 0),
  estimate: (args) => {
    let cost = scale(add(addressSize, addressSize), TEXT);
    if (rounds > 2) cost = add(cost, scale(addressSize, TEXT), { min: extra, max: extra });
    if (parses) cost = add(cost, scale(args[1]?.size ?? UNKNOWN, TEXT));
    return { cost };
  },
});

const one = fixed(1);
const reads = walks(0);
const property = (name: string, run: (ip: Ip) => boolean): Overload =>
  member(name, `ip_${name}`, [ipType], bool, run, one);

export const ips: readonly Overload[] = [
  global("ip", "string_to_ip", [string], ipType, toIp, reads),
  global("isIP", "is_ip", [string], bool, (text: string) => parseIp(text) !== undefined, reads),
  global(
    "ip.isCanonical",
    "ip_is_canonical",
    [string],
    bool,
    (text: string) => ipText(toIp(text).bytes) === text,
    walks(0, 2 * TEXT),
  ),
  global("string", "ip_to_string", [ipType], string, (ip: Ip) => ipText(ip.bytes)),
  member("family", "ip_family", [ipType], int, (ip: Ip) => (ip.bytes.length === 4 ? 4n : 6n), one),
  property("isUnspecified", isUnspecified),
  property("isLoopback", isLoopback),
  property("isLinkLocalMulticast", isLinkLocalMulticast),
  property("isLinkLocalUnicast", isLinkLocalUnicast),
  property("isGlobalUnicast", isGlobalUnicast),
  global("cidr", "string_to_cidr", [string], cidrType, toCidr, reads),
  global("isCIDR", "is_cidr", [string], bool, (text: string) => parseCidr(text) !== undefined, reads),
  global("string", "cidr_to_string", [cidrType], string, (cidr: Cidr) => `${ipText(cidr.bytes)}/${cidr.prefix}`),
  member("ip", "cidr_ip", [cidrType], ipType, (cidr: Cidr) => new Ip(cidr.bytes), one),
  member("masked", "cidr_masked", [cidrType], cidrType, (cidr: Cidr) => cidr.masked(), one),
  member("prefixLength", "cidr_prefix_length", [cidrType], int, (cidr: Cidr) => BigInt(cidr.prefix), one),
  member(
    "containsIP",
    "cidr_contains_ip_ip",
    [cidrType, ipType],
    bool,
    (cidr: Cidr, ip: Ip) => cidr.holds(ip.bytes),
    comparing(2, 0, false),
  ),
  member(
    "containsIP",
    "cidr_contains_ip_string",
    [cidrType, string],
    bool,
    (cidr: Cidr, ip: string) => cidr.holds(toIp(ip).bytes),
    comparing(2, 0, true),
  ),
  member("containsCIDR", "cidr_contains_cidr", [cidrType, cidrType], bool, containsCidr, comparing(3, 1, false)),
  member(
    "containsCIDR",
    "cidr_contains_cidr_string",
    [cidrType, string],
    bool,
    (block: Cidr, inner: string) => containsCidr(block, toCidr(inner)),
    comparing(3, 1, true),
  ),
];

export const ipTypes = { "net.IP": ipType, "net.CIDR": cidrType } as const;
