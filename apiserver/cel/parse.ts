/**
 * Parse: text to tree, by the parser of @marcbachmann/cel-js.
 *
 * The library parses only: it has no cost model and no types of Kubernetes' kind, so checking, costs and
 * evaluation are ours. What it has no grammar for is written anew before (surface.ts) and recognised here.
 */
import { type ASTNode, Environment } from "@marcbachmann/cel-js";
import type { CelCompileError } from "./contract.ts";
import { expandMacro } from "./macros.ts";
import { compileError, type Issue } from "./source.ts";
import { OPTIONAL, STRUCT, type Surface, surface } from "./surface.ts";
import { call, type Expr, type ListLiteral, type MapEntry, type StructLiteral } from "./syntax.ts";
import { Uint } from "./values.ts";

const MAX_CHARACTERS = 100_000;
const reserved = new Set(["__proto__", "prototype"]);

const environment = new Environment({
  enableOptionalTypes: true,
  limits: { maxListElements: 10_000, maxMapEntries: 10_000 },
});

/** Throws CelCompileError. `qualified`: variables whose names have dots. */
export function parse(source: string, qualified: ReadonlySet<string> = new Set()): Expr {
  if (source.length > MAX_CHARACTERS) {
    throw compileError("", [
      { at: 0, message: `expression code point size exceeds limit: size: ${source.length}, limit ${MAX_CHARACTERS}` },
    ]);
  }
  const issues: Issue[] = [];
  const written = surface(source, issues);
  if (issues.length > 0) throw compileError(source, issues);
  let root: Node;
  try {
    root = environment.parse(written.text).ast as unknown as Node;
  } catch (error) {
    throw syntaxError(source, written, error);
  }
  const tree = new Converter(source, written, issues, qualified).expr(root);
  if (issues.length > 0) throw compileError(source, issues);
  return tree;
}

function syntaxError(source: string, written: Surface, error: unknown): CelCompileError {
  const { range, summary } = error as { readonly range?: { readonly start: number }; readonly summary?: string };
  if (summary === undefined) throw error;
  return compileError(source, [{ at: written.at(range?.start ?? 0), message: `Syntax error: ${summary}` }]);
}

/** What of the library's node is used; its own type says the same by a union of thirty. */
type Node = Pick<ASTNode, "start" | "end" | "pos"> & { readonly op: string; readonly args: unknown };

class Converter {
  private readonly text: string;
  private readonly written: Surface;
  private readonly issues: Issue[];
  private readonly source: string;
  private readonly qualified: ReadonlySet<string>;

  constructor(source: string, written: Surface, issues: Issue[], qualified: ReadonlySet<string>) {
    this.qualified = qualified;
    this.source = source;
    this.text = written.text;
    this.written = written;
    this.issues = issues;
  }

  expr(node: Node): Expr {
    const at = this.written.at(node.start);
    switch (node.op) {
      case "value":
        return { kind: "const", at, value: this.constant(node) };
      case "id":
        return this.identifier(node, at);
      case ".": {
        const [operand, field] = node.args as [Node, string];
        if (operand.op === "id" && this.qualified.has(`${operand.args}.${field}`)) {
          return { kind: "ident", at, name: `${operand.args}.${field}` };
        }
        return { kind: "select", at: this.find(".", operand.end), operand: this.expr(operand), field, test: false };
      }
      case ".?": {
        const [operand, field] = node.args as [Node, string];
        const dot = this.find(".", operand.end);
        return call(dot, "_?._", this.expr(operand), { kind: "const", at: dot, value: field });
      }
      case "[]":
      case "[?]": {
        const [operand, index] = node.args as [Node, Node];
        const bracket = this.find("[", operand.end);
        return call(bracket, node.op === "[]" ? "_[_]" : "_[?_]", this.expr(operand), this.expr(index));
      }
      case "call":
        return this.globalCall(node, at);
      case "rcall":
        return this.memberCall(node);
      case "list":
        return this.list(node.args as Node[], at);
      case "map":
        return { kind: "map", at, entries: (node.args as [Node, Node][]).map((entry) => this.entry(entry)) };
      case "!_":
      case "-_":
        return this.unary(node, at);
      case "?:": {
        const [condition, yes, no] = node.args as [Node, Node, Node];
        return call(this.find("?", condition.end), "_?_:_", this.expr(condition), this.expr(yes), this.expr(no));
      }
      default:
        return this.binary(node);
    }
  }

  private binary(node: Node): Expr {
    const [left, right] = node.args as [Node, Node];
    const name = node.op === "in" ? "@in" : `_${node.op}_`;
    return call(this.find(node.op, left.end), name, this.expr(left), this.expr(right));
  }

  private unary(node: Node, at: number): Expr {
    const operand = node.args as Node;
    if (node.op === "-_" && operand.op === "value") {
      if (typeof operand.args === "bigint") return { kind: "const", at, value: this.int(-operand.args, at) };
      if (typeof operand.args === "number") return { kind: "const", at, value: -operand.args };
    }
    return call(at, node.op === "!_" ? "!_" : "-_", this.expr(operand));
  }

  private identifier(node: Node, at: number): Expr {
    const name = node.args as string;
    if (reserved.has(name)) this.issues.push({ at, message: `reserved identifier: ${name}` });
    return { kind: "ident", at, name };
  }

  private globalCall(node: Node, at: number): Expr {
    const [name, args] = node.args as [string, Node[]];
    if (name === STRUCT) return this.struct(args, at);
    const paren = this.find("(", node.start);
    const parts = args.map((arg) => this.expr(arg));
    return this.expanded(name, undefined, parts, paren, at) ?? { kind: "call", at: paren, name, args: parts };
  }

  private memberCall(node: Node): Expr {
    const [name, receiver, args] = node.args as [string, Node, Node[]];
    const target = this.expr(receiver);
    const paren = this.find("(", receiver.end);
    const parts = args.map((arg) => this.expr(arg));
    return this.expanded(name, target, parts, paren, paren) ?? { kind: "call", at: paren, name, target, args: parts };
  }

  private expanded(name: string, target: Expr | undefined, args: Expr[], paren: number, at: number): Expr | undefined {
    return expandMacro(name, target, args, paren, (message, where) => this.issues.push({ at: where ?? at, message }));
  }

  private list(nodes: readonly Node[], at: number): ListLiteral {
    const items = nodes.map((node) => this.optional(node));
    return { kind: "list", at, items: items.map(([item]) => item), optional: items.map(([, optional]) => optional) };
  }

  private entry([key, value]: readonly [Node, Node]): MapEntry {
    const [expr, optional] = this.optional(value);
    return { key: this.expr(key), value: expr, optional };
  }

  /** A list's item or an entry's value, and whether it stood behind a "?". */
  private optional(node: Node): readonly [Expr, boolean] {
    if (node.op === "call") {
      const [name, args] = node.args as [string, Node[]];
      if (name === OPTIONAL && args[0]) return [this.expr(args[0]), true];
    }
    return [this.expr(node), false];
  }

  private struct([name, fields]: readonly Node[], at: number): StructLiteral {
    const entries = ((fields?.args ?? []) as [Node, Node][]).map(([key, value]) => {
      const [expr, optional] = this.optional(value);
      return { name: String(key.args), value: expr, optional };
    });
    return { kind: "struct", at, name: String(name?.args), fields: entries };
  }

  private constant(node: Node): unknown {
    const value = node.args;
    if (typeof value === "bigint") return this.int(value, this.written.at(node.start));
    if (value instanceof Uint8Array) return bytes(this.text.slice(node.start, node.end));
    const unsigned = value as { readonly valueOf: () => unknown } | null;
    if (typeof unsigned === "object" && unsigned !== null) {
      const number = BigInt(unsigned.valueOf() as bigint);
      if (number >= 2n ** 64n) this.issues.push({ at: this.written.at(node.start), message: "invalid uint literal" });
      return new Uint(number);
    }
    return value;
  }

  private int(value: bigint, at: number): bigint {
    // -9223372036854775808 is written as a negated 9223372036854775808.
    const negated = this.source[at - 1] === "-" || this.source[at] === "-";
    if (value > 2n ** 63n || (value === 2n ** 63n && !negated) || value < -(2n ** 63n)) {
      this.issues.push({ at, message: "invalid int literal" });
    }
    return value;
  }

  /** Where a sign stands in the text after an operand. */
  private find(sign: string, from: number): number {
    const found = this.text.indexOf(sign, from);
    return this.written.at(found < 0 ? from : found);
  }
}

/** The bytes of a literal: what is written as characters stands for its UTF-8, escapes for single bytes. */
function bytes(text: string): Uint8Array {
  const quote = /["']{3}$/.test(text) && text.length >= 7 ? 3 : 1;
  const inner = text.slice(1 + quote, -quote);
  const out: number[] = [];
  const plainEscapes: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 };
  for (const match of inner.matchAll(/\\(?:[xX]([0-9a-fA-F]{2})|([0-3][0-7]{2})|([\s\S]))|[^\\]/gu)) {
    const [whole, hex, octal, escaped] = match;
    if (hex !== undefined) out.push(Number.parseInt(hex, 16));
    else if (octal !== undefined) out.push(Number.parseInt(octal, 8));
    else if (escaped !== undefined) out.push(plainEscapes[escaped] ?? escaped.charCodeAt(0));
    else out.push(...Buffer.from(whole));
  }
  return Uint8Array.from(out);
}
