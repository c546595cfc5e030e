/**
 * Records: what a DNS answer of the cluster is made of, and how names and addresses turn into each other. Pure.
 *
 * Addresses come from objects of the API, which holds them in their usual form; names are lower case.
 */
import { isIPv4, isIPv6 } from "node:net";
import { addressToNumber } from "../../machinery/objects/ip-numbers.ts";

interface RecordOf<Type extends string, Data> {
  readonly type: Type;
  readonly name: string;
  readonly ttl: number;
  readonly data: Data;
}

export interface SrvData {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

export interface SoaData {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minimum: number;
}

export type DnsRecord =
  | RecordOf<"A" | "AAAA" | "PTR" | "CNAME" | "NS" | "TXT", string>
  | RecordOf<"SRV", SrvData>
  | RecordOf<"SOA", SoaData>;

/** Short, for Pods come and go. */
export const TTL = 5;

export const text = (type: "A" | "AAAA" | "PTR" | "CNAME" | "NS" | "TXT", name: string, data: string): DnsRecord => ({
  type,
  name,
  ttl: TTL,
  data,
});

/** A or AAAA, as the address is. */
export const addressRecord = (name: string, address: string): DnsRecord =>
  text(address.includes(":") ? "AAAA" : "A", name, address);

/** Says for how long clients may believe that there is nothing. */
export const startOfAuthority = (domain: string): DnsRecord => ({
  type: "SOA",
  name: domain,
  ttl: TTL,
  data: {
    mname: `ns.dns.${domain}`,
    rname: `hostmaster.${domain}`,
    serial: 1,
    refresh: 7200,
    retry: 1800,
    expire: 86400,
    minimum: TTL,
  },
});

/** "5.0.43.10.in-addr.arpa", or 32 nibbles under ip6.arpa. */
export function reverseName(address: string): string {
  if (isIPv4(address)) return `${address.split(".").reverse().join(".")}.in-addr.arpa`;
  const nibbles = ipv6Groups(address).map((group) => group.toString(16).padStart(4, "0"));
  return `${[...nibbles.join("")].reverse().join(".")}.ip6.arpa`;
}

/** The eight numbers of an IPv6 address; it must be one. */
export function ipv6Groups(address: string): readonly number[] {
  const value = addressToNumber(address);
  return [112n, 96n, 80n, 64n, 48n, 32n, 16n, 0n].map((shift) => Number((value >> shift) & 0xffffn));
}

/** An address as a label: 10-42-0-5, fd00--5. */
export const dashed = (address: string): string => address.replaceAll(/[.:]/g, "-");

/** The address that such a label means, undefined where it means none. */
export function undashed(label: string): string | undefined {
  const dotted = label.replaceAll("-", ".");
  if (isIPv4(dotted)) return dotted;
  const colons = label.replaceAll("-", ":");
  return isIPv6(colons) ? colons : undefined;
}
