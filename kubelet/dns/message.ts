/**
 * Message: DNS questions as they come in, and answers as they go out.
 *
 * dns-packet reads; answers are written here, because they must be compressed (dns-packet writes
 * every name in full, so that half as many endpoints fit) and cut where they do not fit.
 * The question goes back byte for byte: some clients mix its case to make answers hard to forge.
 */
import packet from "dns-packet";
import { type DnsRecord, ipv6Groups } from "./records.ts";

export interface Query {
  readonly id: number;
  readonly opcode: string;
  readonly recursionDesired: boolean;
  readonly checkingDisabled: boolean;
  readonly name: string;
  readonly type: string;
  readonly class: string;
  /** Name, type and class as they came. */
  readonly question: Buffer;
  readonly edns: Edns | undefined;
}

export interface Edns {
  readonly udpBytes: number;
  readonly version: number;
  readonly dnssec: boolean;
}

export interface Reply {
  readonly code: number;
  readonly authoritative: boolean;
  readonly answers?: readonly DnsRecord[];
  readonly authorities?: readonly DnsRecord[];
  readonly additionals?: readonly DnsRecord[];
}

export const CODE = {
  ok: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const;

export const HEADER_BYTES = 12;
export const OPT_BYTES = 11;
/** What a client without EDNS takes, and what we take: larger answers would be cut into fragments on the way. */
export const CLASSIC_BYTES = 512;
export const OWN_UDP_BYTES = 1232;
export const LARGEST_BYTES = 65_535;
/** Beside its name a question has an EDNS record, and perhaps a signature or a cookie. */
const MOST_OTHER_RECORDS = 16;

const FLAG = { answer: 0x8000, authoritative: 0x0400, truncated: 0x0200, desired: 0x0100, available: 0x0080 } as const;
const CHECKING_DISABLED = 0x0010;

/** Undefined for what is no question at all; throws where the bytes make no sense. */
export function readQuery(bytes: Buffer): Query | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt8(2) & 0x80) return undefined;
  // The numbers are believed before the bytes are: a few bytes must not ask for much memory.
  const others = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  if (bytes.readUInt16BE(4) !== 1 || others > MOST_OTHER_RECORDS) return undefined;
  const { id = 0, questions = [], additionals = [] } = packet.decode(bytes);
  const [question] = questions;
  if (!question) return undefined;
  const flags = bytes.readUInt16BE(2);
  const opt = additionals.find((one) => one.type === "OPT") as
    | { udpPayloadSize: number; ednsVersion: number; flag_do: boolean }
    | undefined;
  return {
    id,
    opcode: (flags >> 11) & 15 ? "OTHER" : "QUERY",
    recursionDesired: (flags & FLAG.desired) !== 0,
    checkingDisabled: (flags & CHECKING_DISABLED) !== 0,
    name: question.name,
    type: question.type,
    class: question.class ?? "IN",
    question: bytes.subarray(HEADER_BYTES, questionEnd(bytes)),
    edns: opt && { udpBytes: opt.udpPayloadSize, version: opt.ednsVersion, dnssec: opt.flag_do },
  };
}

/** Where the first question ends. Throws RangeError for a name that is not written in full. */
export function questionEnd(bytes: Buffer): number {
  let at = HEADER_BYTES;
  for (let length = bytes.readUInt8(at); length !== 0; length = bytes.readUInt8(at)) {
    if (length > 63) throw new RangeError("a question's name must be written in full");
    at += 1 + length;
  }
  if (at + 5 > bytes.length) throw new RangeError("the question is cut off");
  return at + 5;
}

/** How long an answer may be that goes by UDP. */
export const udpLimit = ({ edns }: Query): number => Math.max(edns?.udpBytes ?? CLASSIC_BYTES, CLASSIC_BYTES);

export type WriteReply = (query: Query, reply: Reply, most: number) => Buffer;

/** The writer keeps one buffer for all answers; what it returns is the caller's. */
export function createReplyWriter(): WriteReply {
  const bytes = Buffer.allocUnsafe(LARGEST_BYTES + 1024);
  return (query, reply, most) => {
    const writer = createRecordWriter(bytes, query);
    const end = most - (query.edns ? OPT_BYTES : 0);
    const answers = writer.put(reply.answers ?? [], end);
    const cut = answers < (reply.answers?.length ?? 0);
    const authorities = cut ? 0 : writer.put(reply.authorities ?? [], end);
    const additionals = cut ? 0 : writer.put(reply.additionals ?? [], end);
    if (query.edns) writer.putOpt(query.edns, reply.code);
    bytes.writeUInt16BE(query.id, 0);
    bytes.writeUInt16BE(
      FLAG.answer |
        (reply.authoritative ? FLAG.authoritative : 0) |
        (cut ? FLAG.truncated : 0) |
        (query.recursionDesired ? FLAG.desired : 0) |
        FLAG.available |
        (query.checkingDisabled ? CHECKING_DISABLED : 0) |
        (reply.code & 15),
      2,
    );
    bytes.writeUInt16BE(1, 4);
    bytes.writeUInt16BE(answers, 6);
    bytes.writeUInt16BE(authorities, 8);
    bytes.writeUInt16BE(additionals + (query.edns ? 1 : 0), 10);
    return Buffer.from(bytes.subarray(0, writer.length()));
  };
}

const TYPE = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, OPT: 41 } as const;
const IN = 1;
/** Pointers have 14 bits. */
const POINTERS_END = 0x4000;

function createRecordWriter(bytes: Buffer, { question }: Query) {
  let at = HEADER_BYTES + question.copy(bytes, HEADER_BYTES);
  const places = new Map<string, number>();
  remember(question, places);

  function putName(text: string): void {
    let rest = text.toLowerCase();
    while (rest !== "" && rest !== ".") {
      const place = places.get(rest);
      if (place !== undefined) {
        at = bytes.writeUInt16BE(0xc000 | place, at);
        return;
      }
      if (at < POINTERS_END) places.set(rest, at);
      const dot = rest.indexOf(".");
      const label = dot < 0 ? rest : rest.slice(0, dot);
      const length = bytes.write(label, at + 1, 63, "latin1");
      bytes.writeUInt8(length, at);
      at += 1 + length;
      rest = dot < 0 ? "" : rest.slice(dot + 1);
    }
    at = bytes.writeUInt8(0, at);
  }

  function putData(record: DnsRecord): void {
    if (record.type === "A") for (const part of record.data.split(".")) at = bytes.writeUInt8(Number(part), at);
    else if (record.type === "AAAA") for (const group of ipv6Groups(record.data)) at = bytes.writeUInt16BE(group, at);
    else if (record.type === "TXT") {
      const length = bytes.write(record.data, at + 1, 255, "utf8");
      at = bytes.writeUInt8(length, at) + length;
    } else if (record.type === "SRV") {
      const { priority, weight, port, target } = record.data;
      for (const value of [priority, weight, port]) at = bytes.writeUInt16BE(value, at);
      putName(target);
    } else if (record.type === "SOA") {
      const { mname, rname, serial, refresh, retry, expire, minimum } = record.data;
      putName(mname);
      putName(rname);
      for (const value of [serial, refresh, retry, expire, minimum]) at = bytes.writeUInt32BE(value, at);
    } else putName(record.data);
  }

  function putRecord(record: DnsRecord): void {
    putName(record.name);
    at = bytes.writeUInt16BE(TYPE[record.type], at);
    at = bytes.writeUInt16BE(IN, at);
    at = bytes.writeUInt32BE(record.ttl, at);
    const length = at;
    at += 2;
    putData(record);
    bytes.writeUInt16BE(at - length - 2, length);
  }

  return {
    length: () => at,
    /** Writes records until one would pass `end`; returns how many were written. */
    put(records: readonly DnsRecord[], end: number): number {
      let count = 0;
      for (const record of records) {
        const before = at;
        putRecord(record);
        if (at > end) {
          at = before;
          for (const [name, place] of places) if (place >= before) places.delete(name);
          break;
        }
        count++;
      }
      return count;
    },
    putOpt: (edns: Edns, code: number) => {
      at += writeOpt(bytes, at, edns.dnssec, code);
    },
  };
}

/** The question's name and what it ends in are there already. */
function remember(question: Buffer, places: Map<string, number>): void {
  const labels: { readonly at: number; readonly label: string }[] = [];
  for (let at = 0; question[at]; at += 1 + question.readUInt8(at)) {
    const label = question.toString("latin1", at + 1, at + 1 + question.readUInt8(at)).toLowerCase();
    labels.push({ at: HEADER_BYTES + at, label });
  }
  let rest = "";
  for (const { at, label } of labels.reverse()) {
    rest = rest ? `${label}.${rest}` : label;
    places.set(rest, at);
  }
}

/** The record by which both sides of an exchange say what they can do. Returns its length. */
export function writeOpt(bytes: Buffer, at: number, dnssec: boolean, code = 0): number {
  bytes.writeUInt8(0, at);
  bytes.writeUInt16BE(TYPE.OPT, at + 1);
  bytes.writeUInt16BE(OWN_UDP_BYTES, at + 3);
  bytes.writeUInt8(code >> 4, at + 5);
  bytes.writeUInt8(0, at + 6);
  bytes.writeUInt16BE(dnssec ? 0x8000 : 0, at + 7);
  bytes.writeUInt16BE(0, at + 9);
  return OPT_BYTES;
}
