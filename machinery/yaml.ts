/**
 * YAML: the one reader, with the rules by which Kubernetes reads manifests.
 *
 * YAML 1.1 as kubectl has it: 0644 is 420, yes and on are true, dates and 12:30:45 stay strings,
 * merge keys merge, keys become strings. Integers that a number cannot hold come out as
 * BigIntegers (objects/json.ts), which JSON.stringify writes unharmed. Aliases are limited (see limits.ts).
 * The writer for `-o yaml` is yaml-writer.ts; how scalars resolve is yaml-scalars.ts.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type Scalar,
} from "yaml";
import { isBigInteger, parseJson } from "./objects/json.ts";
import { limits } from "./process/limits.ts";
import { resolveScalar } from "./yaml-scalars.ts";

export class YamlError extends Error {
  override readonly name = "YamlError";
  /** In the whole text, from 1. */
  readonly line: number;
  constructor(line: number, message: string) {
    super(`error converting YAML to JSON: yaml: line ${line}: ${message}`);
    this.line = line;
  }
}

export interface YamlDocument {
  /** undefined for a document without content. */
  readonly value: unknown;
  /** Where the document begins in the text, from 1. */
  readonly line: number;
  /** Keys given twice: `line 3: key "a" already set in map`. The last one counts. */
  readonly duplicates: readonly string[];
}

/** All documents of a text, empty ones included. Throws a YamlError with the line of the fault. */
export function readYaml(text: string): readonly YamlDocument[] {
  const json = readJson(text);
  if (json) return [json];
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    schema: "failsafe",
    version: "1.1",
    merge: false,
    uniqueKeys: false,
    prettyErrors: false,
    lineCounter: lines,
    keepSourceTokens: false,
    strict: true,
    logLevel: "silent",
  });
  return [...documents].map((document) => convert(document, lines));
}

/** The one document of a text; undefined when it is empty. */
export function readOneYaml(text: string): unknown {
  const full = readYaml(text).filter(({ value }) => value !== undefined);
  if (full.length > 1) {
    throw new YamlError(full[1]!.line, "expected a single document in the stream, but found another document");
  }
  return full[0]?.value;
}

/** What JSON.stringify writes of half a pair alone. */
const HALF_SURROGATE = /\\ud[89a-f]/i;

/** A number that may be too large for any: YAML's reader says so. */
const HUGE_EXPONENT = /\d[eE]\+?\d{3}/;

/** JSON goes the quick way, and may have tabs, which YAML refuses. */
function readJson(text: string): YamlDocument | undefined {
  if (!/^\s*[{[]/.test(text) || HUGE_EXPONENT.test(text)) return undefined;
  try {
    const value = parseJson(text);
    return HALF_SURROGATE.test(text) && HALF_SURROGATE.test(JSON.stringify(value))
      ? undefined
      : { value, line: 1, duplicates: [] };
  } catch {
    return undefined; // not JSON: it may still be YAML in flow style, whose reader then says what is wrong
  }
}

/** What the parser finds out only when it has no stack left. */
const TOO_DEEP = /call stack/;

function convert(document: Document.Parsed, lines: LineCounter): YamlDocument {
  const at = (offset: number | undefined): number => lines.linePos(offset ?? 0).line;
  const fault = document.errors[0];
  if (fault) throw new YamlError(at(fault.pos[0]), TOO_DEEP.test(fault.message) ? "exceeded max depth" : fault.message);
  const reader = new Reader(document, at);
  const { contents } = document;
  const blank =
    !contents || (isScalar(contents) && contents.source === "" && contents.type === "PLAIN" && !contents.tag);
  return {
    value: blank ? undefined : reader.value(contents),
    line: at(contents?.range?.[0] ?? document.range[0]),
    duplicates: reader.duplicates,
  };
}

/** Turns the nodes of one document into plain values. */
class Reader {
  readonly duplicates: string[] = [];
  private readonly document: Document.Parsed;
  private readonly at: (offset: number | undefined) => number;
  private aliases = 0;
  private readonly open = new Set<Node>();

  constructor(document: Document.Parsed, at: (offset: number | undefined) => number) {
    this.document = document;
    this.at = at;
  }

  value(node: Node | null | undefined): unknown {
    if (!node) return null;
    if (isAlias(node)) return this.value(this.target(node));
    if (isScalar(node)) return this.scalar(node);
    if (this.open.has(node)) this.fail(node, "anchor contains itself");
    if (this.open.size >= limits.jsonDepth) this.fail(node, "exceeded max depth");
    this.open.add(node);
    const value = isSeq(node) ? node.items.map((item) => this.value(item as Node)) : this.map(node);
    this.open.delete(node);
    return value;
  }

  private scalar(node: Scalar): unknown {
    const value = resolveScalar(node, (message) => this.fail(node, message));
    if (typeof value === "string" && !value.isWellFormed())
      this.fail(node, "found invalid Unicode character escape code");
    return value;
  }

  private map(node: Node): Record<string, unknown> {
    if (!isMap(node)) this.fail(node, "unexpected node");
    const merged: Record<string, unknown> = {};
    const own: Record<string, unknown> = {};
    for (const { key, value } of node.items) {
      const keyNode = key as Node | null;
      if (isMergeKey(keyNode)) {
        Object.assign(merged, this.merge(value as Node | null, node));
        continue;
      }
      const name = this.key(keyNode, node);
      if (Object.hasOwn(own, name)) {
        this.duplicates.push(`line ${this.at(keyNode?.range?.[0])}: key ${JSON.stringify(name)} already set in map`);
      }
      const entry = { value: this.value(value as Node | null), writable: true, enumerable: true, configurable: true };
      Object.defineProperty(own, name, entry);
    }
    return Object.keys(merged).length === 0 ? own : { ...merged, ...own };
  }

  /** What "<<" brings: of several maps the first one that has a key wins. */
  private merge(node: Node | null, at: Node): Record<string, unknown> {
    const source = isAlias(node) ? this.target(node) : node;
    const sources = isSeq(source) ? (source.items as Node[]) : [source];
    const values = sources.map((one) => this.value(one)).reverse();
    if (values.some((one) => typeof one !== "object" || one === null || Array.isArray(one))) {
      this.fail(node ?? at, "map merge requires map or sequence of maps as the value");
    }
    return Object.assign({}, ...values);
  }

  private key(node: Node | null, map: Node): string {
    const value = this.value(node);
    if (typeof value === "object" && value !== null && !isBigInteger(value)) {
      this.fail(node ?? map, "unsupported map key: keys must be scalars");
    }
    return isBigInteger(value) ? JSON.stringify(value) : String(value);
  }

  private target(alias: Node): Node {
    this.aliases += 1;
    if (this.aliases > limits.yamlAliases) this.fail(alias, "document contains excessive aliasing");
    const found = isAlias(alias) ? alias.resolve(this.document) : undefined;
    return found ?? this.fail(alias, `unknown anchor '${isAlias(alias) ? alias.source : ""}' referenced`);
  }

  private fail(node: Node, message: string): never {
    throw new YamlError(this.at(node.range?.[0]), message);
  }
}

const isMergeKey = (node: Node | null): boolean => isScalar(node) && node.source === "<<" && node.type === "PLAIN";
