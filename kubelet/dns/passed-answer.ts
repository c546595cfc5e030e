/**
 * Passed answer: what another server said, so that it can be kept and given to others than the one who asked.
 *
 * The records stay as they came, types that nobody here knows included; only id, flags, the
 * question's case, ages and the EDNS record are per client. Pure.
 */
import { HEADER_BYTES, OPT_BYTES, type Query, questionEnd, writeOpt } from "./message.ts";

export interface PassedAnswer {
  /** Without its EDNS record and what came behind that. */
  readonly bytes: Buffer;
  readonly code: number;
  readonly truncated: boolean;
  readonly records: readonly PassedRecord[];
  /** How long it holds; 0 is for this client only. */
  readonly lifetimeSeconds: number;
}

interface PassedRecord {
  readonly section: "answer" | "authority" | "additional";
  readonly type: number;
  /** Where its time to live stands, and where it ends. */
  readonly ttlAt: number;
  readonly end: number;
}

const OPT = 41;
const SOA = 6;
const LONGEST = { found: 3600, denied: 30 } as const;
const TRUNCATED = 0x0200;
/** What an answer keeps of its flags: that it is one, and that it is known to be authentic. */
const KEPT_FLAGS = 0x8020;
const RECURSION_AVAILABLE = 0x0080;

/** Throws RangeError where the bytes make no sense. */
export function readPassed(bytes: Buffer): PassedAnswer {
  const flags = bytes.readUInt16BE(2);
  const truncated = (flags & TRUNCATED) !== 0;
  if (bytes.readUInt16BE(4) !== 1) {
    return { bytes, code: flags & 15, truncated, records: [], lifetimeSeconds: 0 };
  }
  const records: PassedRecord[] = [];
  let at = questionEnd(bytes);
  for (const section of ["answer", "authority", "additional"] as const) {
    const count = bytes.readUInt16BE({ answer: 6, authority: 8, additional: 10 }[section]);
    for (let index = 0; index < count; index++) {
      const fields = nameEnd(bytes, at);
      const type = bytes.readUInt16BE(fields);
      const end = fields + 10 + bytes.readUInt16BE(fields + 8);
      if (end > bytes.length) throw new RangeError("a record is cut off");
      if (type === OPT) {
        const code = (flags & 15) | (bytes.readUInt8(fields + 4) << 4);
        return passed(bytes.subarray(0, at), code, truncated, records);
      }
      records.push({ section, type, ttlAt: fields + 4, end });
      at = end;
    }
  }
  return passed(bytes.subarray(0, at), flags & 15, truncated, records);
}

function passed(bytes: Buffer, code: number, truncated: boolean, records: readonly PassedRecord[]): PassedAnswer {
  return { bytes, code, truncated, records, lifetimeSeconds: truncated ? 0 : lifetime(bytes, code, records) };
}

/** Where nothing was found, the authority says for how long that holds (RFC 2308). */
function lifetime(bytes: Buffer, code: number, records: readonly PassedRecord[]): number {
  const ttls = (of: readonly PassedRecord[]) => of.map(({ ttlAt }) => bytes.readUInt32BE(ttlAt));
  const answers = records.filter(({ section }) => section === "answer");
  if (code === 0 && answers.length) return Math.min(LONGEST.found, ...ttls(records));
  const authority = records.find(({ section, type }) => section === "authority" && type === SOA);
  if ((code !== 0 && code !== 3) || !authority) return 0;
  return Math.min(LONGEST.denied, ...ttls([...answers, authority]), bytes.readUInt32BE(authority.end - 4));
}

function nameEnd(bytes: Buffer, start: number): number {
  let at = start;
  for (;;) {
    const length = bytes.readUInt8(at);
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    at += 1 + length;
  }
}

/** The answer for one client, `ageSeconds` after it came, cut to `most` bytes. The question must be the same. */
export function fitted(answer: PassedAnswer, query: Query, ageSeconds: number, most: number): Buffer {
  const room = most - (query.edns ? OPT_BYTES : 0);
  const start = HEADER_BYTES + query.question.length;
  const kept = answer.bytes.length <= room ? answer.records : answer.records.filter(({ end }) => end <= room);
  const length = kept.at(-1)?.end ?? start;
  const bytes = Buffer.alloc(length + (query.edns ? OPT_BYTES : 0));
  answer.bytes.copy(bytes, 0, 0, length);
  query.question.copy(bytes, HEADER_BYTES);
  for (const { ttlAt } of kept) {
    bytes.writeUInt32BE(Math.max(0, bytes.readUInt32BE(ttlAt) - ageSeconds), ttlAt);
  }
  const lost = answer.records[kept.length];
  const cut = answer.truncated || (lost !== undefined && lost.section !== "additional");
  const count = (section: PassedRecord["section"]) => kept.filter((record) => record.section === section).length;
  bytes.writeUInt16BE(query.id, 0);
  bytes.writeUInt16BE(
    (answer.bytes.readUInt16BE(2) & KEPT_FLAGS) |
      (cut ? TRUNCATED : 0) |
      (query.recursionDesired ? 0x0100 : 0) |
      RECURSION_AVAILABLE |
      (query.checkingDisabled ? 0x0010 : 0) |
      (answer.code & 15),
    2,
  );
  bytes.writeUInt16BE(1, 4);
  bytes.writeUInt16BE(count("answer"), 6);
  bytes.writeUInt16BE(count("authority"), 8);
  bytes.writeUInt16BE(count("additional") + (query.edns ? 1 : 0), 10);
  if (query.edns) writeOpt(bytes, length, query.edns.dnssec, answer.code);
  return bytes;
}
