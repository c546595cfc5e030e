/**
 * JSON: reads a request body as Kubernetes does.
 *
 * Beyond JSON.parse it names keys given twice, keeps integers past 2^53 (as BigInteger, see
 * machinery/objects/json.ts) and refuses nesting past the limit. A body that JSON.stringify gives back letter
 * by letter has neither, and most programs send such; others pay for a scan of their text and a count of their
 * keys, and only one that is out of the ordinary goes through json-reader.ts.
 */
import { limits } from "../../machinery/process/limits.ts";
import { JsonReader, JsonSyntaxError } from "./json-reader.ts";

export interface ReadJson {
  readonly value: unknown;
  /** Paths of keys given more than once; the last one counts. */
  readonly duplicates: readonly string[];
}

/** Throws a JsonSyntaxError in the words of Go's decoder. */
export function readJson(text: string, maxDepth: number = limits.jsonDepth): ReadJson {
  const plain = asWritten(text, maxDepth);
  if (plain) return plain;
  const found = scan(text);
  if (found.depth > maxDepth) throw new JsonSyntaxError("exceeded max depth");
  if (!found.wideNumbers) {
    const value = parsed(text);
    if (value !== undefined && countMembers(value) === found.members) return { value, duplicates: [] };
  }
  return new JsonReader(text).read();
}

/** The value, where writing it gives the text again: so it has lost no key and no digit. */
function asWritten(text: string, maxDepth: number): ReadJson | undefined {
  // Text with spaces between its parts is of the other kind: do not parse it twice.
  if (!/^\{"[^"\\]*":\S/.test(text)) return undefined;
  const value = parsed(text);
  if (value === undefined || !(isTooShort(text, maxDepth) || isWithin(value, maxDepth))) return undefined;
  const written = JSON.stringify(value);
  const same = written.length === text.length ? written === text : text.endsWith("\n") && `${written}\n` === text;
  return same ? { value, duplicates: [] } : undefined;
}

/** Each level takes two characters. */
const isTooShort = (text: string, maxDepth: number): boolean => text.length <= 2 * maxDepth;

function isWithin(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (depth === 0) return false;
  if (Array.isArray(value)) {
    for (const item of value) if (!isWithin(item, depth - 1)) return false;
  } else {
    for (const key in value) if (!isWithin((value as Record<string, unknown>)[key], depth - 1)) return false;
  }
  return true;
}

/** Undefined where the text is not JSON: the reader then says what is wrong with it. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** 2^53 has 16 digits. */
const WIDE_DIGITS = 16;

interface Scan {
  readonly depth: number;
  /** `key: value` pairs in the text. */
  readonly members: number;
  /** A run of digits that a double may not hold. */
  readonly wideNumbers: boolean;
}

function scan(text: string): Scan {
  let depth = 0;
  let deepest = 0;
  let members = 0;
  let wideNumbers = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === 0x3a) members++;
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (code === 0x7d || code === 0x5d) depth--;
    else if (isDigit(code)) {
      const start = at;
      while (isDigit(text.charCodeAt(at + 1))) at++;
      wideNumbers ||= at - start + 1 >= WIDE_DIGITS;
    }
  }
  return { depth: deepest, members, wideNumbers };
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

/** Where the string that opens at `start` closes; the text's end if it does not. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return at;
  }
  return text.length;
}

/** Not a number where one in it was out of range. */
function countMembers(value: unknown): number {
  if (typeof value === "number") return Number.isFinite(value) ? 0 : Number.NaN;
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) count += countMembers(item);
  } else {
    for (const key in value) count += 1 + countMembers((value as Record<string, unknown>)[key]);
  }
  return count;
}
