/**
 * JSON reader: the slow, exact one. It is used when a body has keys given twice, integers that a
 * double cannot hold, or an error to be named; everything else goes through JSON.parse, see json.ts.
 *
 * Errors are worded as Go's encoding/json words them, since kubectl shows them to people.
 * The caller has bounded the depth: this file recurses.
 */

import { type BigInteger, integerOf } from "../../machinery/objects/json.ts";

export class JsonSyntaxError extends Error {
  override readonly name = "JsonSyntaxError";
}

const LITERALS = [
  ["true", true],
  ["false", false],
  ["null", null],
] as const;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;

export class JsonReader {
  private at = 0;
  private readonly text: string;
  private readonly path: (string | number)[] = [];
  private readonly duplicates = new Set<string>();

  constructor(text: string) {
    this.text = text;
  }

  read(): { value: unknown; duplicates: readonly string[] } {
    const value = this.value();
    this.space();
    if (this.at < this.text.length) this.fail("after top-level value");
    return { value, duplicates: [...this.duplicates] };
  }

  private value(): unknown {
    this.space();
    const char = this.text[this.at];
    if (char === "{") return this.object();
    if (char === "[") return this.array();
    if (char === '"') return this.string();
    if (char === "-" || (char !== undefined && char >= "0" && char <= "9")) return this.number();
    for (const [word, value] of LITERALS) if (char === word[0]) return this.literal(word, value);
    return this.fail("looking for beginning of value");
  }

  private object(): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    this.at++;
    if (this.accept("}")) return object;
    do {
      this.space();
      if (this.text[this.at] !== '"') this.fail("looking for beginning of object key string");
      const key = this.string();
      if (!this.accept(":")) this.fail("after object key");
      this.path.push(key);
      if (Object.hasOwn(object, key)) this.duplicates.add(pathText(this.path));
      // Plain assignment of "__proto__" would set the prototype.
      const value = this.value();
      if (key === "__proto__") Object.defineProperty(object, key, { value, ...PLAIN });
      else object[key] = value;
      this.path.pop();
    } while (this.accept(","));
    if (!this.accept("}")) this.fail("after object key:value pair");
    return object;
  }

  private array(): unknown[] {
    const array: unknown[] = [];
    this.at++;
    if (this.accept("]")) return array;
    do {
      this.path.push(array.length);
      array.push(this.value());
      this.path.pop();
    } while (this.accept(","));
    if (!this.accept("]")) this.fail("after array element");
    return array;
  }

  private string(): string {
    const start = this.at++;
    while (this.text[this.at] !== '"') {
      const char = this.text[this.at];
      if (char === undefined || char < " ") this.fail("in string literal");
      this.at++;
      if (char === "\\") this.escape();
    }
    this.at++;
    return JSON.parse(this.text.slice(start, this.at)) as string;
  }

  private escape(): void {
    const char = this.text[this.at];
    if (char === undefined || !'"\\/bfnrtu'.includes(char)) this.fail("in string escape code");
    this.at++;
    if (char !== "u") return;
    for (const end = this.at + 4; this.at < end; this.at++) {
      if (!/[0-9a-fA-F]/.test(this.text[this.at] ?? "")) this.fail("in \\u hexadecimal character escape");
    }
  }

  private number(): number | BigInteger {
    NUMBER.lastIndex = this.at;
    const token = NUMBER.exec(this.text)?.[0];
    if (token === undefined) {
      this.at++;
      return this.fail("in numeric literal");
    }
    this.at += token.length;
    const value = Number(token);
    if (!Number.isFinite(value) && /[.eE]/.test(token)) {
      throw new JsonSyntaxError(`json: cannot unmarshal number ${token} into Go value of type float64`);
    }
    return Number.isSafeInteger(value) || /[.eE]/.test(token) ? value : integerOf(BigInt(token));
  }

  private literal<T>(word: string, value: T): T {
    for (const char of word) {
      if (this.text[this.at] !== char) this.fail(`in literal ${word} (expecting '${char}')`);
      this.at++;
    }
    return value;
  }

  private space(): void {
    SPACE.lastIndex = this.at;
    this.at += SPACE.exec(this.text)![0].length;
  }

  private accept(char: string): boolean {
    this.space();
    if (this.text[this.at] !== char) return false;
    this.at++;
    return true;
  }

  private fail(where: string): never {
    const char = this.text[this.at];
    if (char === undefined) throw new JsonSyntaxError("unexpected end of JSON input");
    throw new JsonSyntaxError(`invalid character ${quoted(char)} ${where}`);
  }
}

const PLAIN = { writable: true, enumerable: true, configurable: true } as const;

function quoted(char: string): string {
  if (char === "'") return `'\\''`;
  if (char === '"') return `'"'`;
  const code = char.charCodeAt(0);
  const named = NAMED[code];
  if (named) return `'${named}'`;
  if (code < 0x20 || code === 0x7f) return `'\\x${code.toString(16).padStart(2, "0")}'`;
  if ((code > 0x7f && code <= 0xa0) || code === 0xad) return `'\\u00${code.toString(16)}'`;
  return char === "\\" ? "'\\\\'" : `'${char}'`;
}

const NAMED: Readonly<Record<number, string>> = {
  7: "\\a",
  8: "\\b",
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
};

/** "spec.containers[0].image" */
export function pathText(path: readonly (string | number)[]): string {
  let text = "";
  for (const part of path) text += typeof part === "number" ? `[${part}]` : text === "" ? part : `.${part}`;
  return text;
}
