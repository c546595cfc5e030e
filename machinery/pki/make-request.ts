/**
 * Make request: a certificate request (PKCS #10, PEM) for a key and names, signed by that key.
 *
 * Written in DER by hand, for a node must not load a library of many megabytes to renew its certificate.
 * Read again by signing-request.ts; answered by sign.ts.
 */
import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { isIPv4 } from "node:net";
import type { Subject } from "./certificates.ts";

export interface RequestedNames extends Subject {
  readonly dnsNames?: readonly string[];
  readonly addresses?: readonly string[];
}

const SEQUENCE = 0x30;
const SET = 0x31;
const UTF8 = 0x0c;
const BITS = 0x03;
const BYTES = 0x04;
/** Context tags: the request's attributes; names of a certificate. */
const ATTRIBUTES = 0xa0;
const DNS_NAME = 0x82;
const ADDRESS = 0x87;

const VERSION = Buffer.from("020100", "hex");
const COMMON_NAME = Buffer.from("0603550403", "hex");
const ORGANIZATION = Buffer.from("060355040a", "hex");
const EXTENSION_REQUEST = Buffer.from("06092a864886f70d01090e", "hex");
const ALTERNATIVE_NAME = Buffer.from("0603551d11", "hex");
const ECDSA_SHA256 = Buffer.from("300a06082a8648ce3d040302", "hex");

/** `key` is an EC private key, PEM. */
export function makeSigningRequest(key: string, names: RequestedNames): string {
  const privateKey = createPrivateKey(key);
  const publicKey = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  const info = der(SEQUENCE, VERSION, subject(names), publicKey, der(ATTRIBUTES, ...extensions(names)));
  const signature = sign("sha256", info, privateKey);
  const request = der(SEQUENCE, info, ECDSA_SHA256, der(BITS, Buffer.from([0]), signature));
  const lines = request.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines.join("\n")}\n-----END CERTIFICATE REQUEST-----\n`;
}

function subject({ commonName, organizations = [] }: Subject): Buffer {
  const part = (type: Buffer, text: string) => der(SET, der(SEQUENCE, type, der(UTF8, Buffer.from(text, "utf8"))));
  return der(SEQUENCE, ...organizations.map((one) => part(ORGANIZATION, one)), part(COMMON_NAME, commonName));
}

function extensions({ dnsNames = [], addresses = [] }: RequestedNames): Buffer[] {
  const names = [
    ...dnsNames.map((name) => der(DNS_NAME, Buffer.from(name, "latin1"))),
    ...addresses.map((address) => der(ADDRESS, addressBytes(address))),
  ];
  if (names.length === 0) return [];
  const extension = der(SEQUENCE, ALTERNATIVE_NAME, der(BYTES, der(SEQUENCE, ...names)));
  return [der(SEQUENCE, EXTENSION_REQUEST, der(SET, der(SEQUENCE, extension)))];
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

/** Short below 128, else the number of bytes and then those. */
function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes = Buffer.from(length.toString(16).padStart(length > 0xff ? 4 : 2, "0"), "hex");
  return Buffer.concat([Buffer.from([0x80 + bytes.length]), bytes]);
}

/** 4 bytes or 16. */
function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  // "::" stands for as many zeros as are missing
  const [head = "", tail] = address.split("::").map(groupsOf);
  const missing = tail === undefined ? 0 : 32 - head.length - tail.length;
  return Buffer.from(`${head}${"0".repeat(missing)}${tail ?? ""}`, "hex");
}

/** Groups of an IPv6 address as hex digits; the last may be written as an IPv4 address. */
const groupsOf = (text: string): string =>
  text
    .split(":")
    .filter(Boolean)
    .map((group) => (isIPv4(group) ? addressBytes(group).toString("hex") : group.padStart(4, "0")))
    .join("");
