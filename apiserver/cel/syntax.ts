/**
 * Syntax: an expression as a tree, macros already expanded.
 *
 * It is made by parse.ts, given types by check.ts (which alone writes `type` and `overloads`), and read by
 * plan.ts and estimate.ts. `at` is the offset that a message points to.
 */
import type { CelType } from "./contract.ts";
import type { Overload } from "./declarations.ts";

interface Node {
  readonly at: number;
  type?: CelType;
}

export interface Const extends Node {
  readonly kind: "const";
  readonly value: unknown;
}
export interface Ident extends Node {
  readonly kind: "ident";
  readonly name: string;
}
export interface Select extends Node {
  readonly kind: "select";
  readonly operand: Expr;
  readonly field: string;
  /** has(a.b): whether it is there. */
  readonly test: boolean;
}
export interface Call extends Node {
  readonly kind: "call";
  /** "_+_", "size"; for a function of a namespace "ip.isCanonical", once checked. */
  name: string;
  target?: Expr | undefined;
  readonly args: readonly Expr[];
  /** Those that the types leave open; one where they decide. */
  overloads?: readonly Overload[];
}
export interface ListLiteral extends Node {
  readonly kind: "list";
  readonly items: readonly Expr[];
  readonly optional: readonly boolean[];
}
export interface MapEntry {
  readonly key: Expr;
  readonly value: Expr;
  readonly optional: boolean;
}
export interface MapLiteral extends Node {
  readonly kind: "map";
  readonly entries: readonly MapEntry[];
}
export interface StructLiteral extends Node {
  readonly kind: "struct";
  readonly name: string;
  readonly fields: readonly { readonly name: string; readonly value: Expr; readonly optional: boolean }[];
}
/** What macros over lists and maps become: a loop with an accumulator. */
export interface Fold extends Node {
  readonly kind: "fold";
  readonly range: Expr;
  readonly iter: string;
  readonly iter2?: string | undefined;
  readonly accu: string;
  readonly init: Expr;
  readonly condition: Expr;
  readonly step: Expr;
  readonly result: Expr;
}

export type Expr = Const | Ident | Select | Call | ListLiteral | MapLiteral | StructLiteral | Fold;

/** The accumulator's name, which no source can spell. */
export const RESULT = "@result";

export const call = (at: number, name: string, ...args: Expr[]): Call => ({ kind: "call", at, name, args });
export const ident = (at: number, name: string): Ident => ({ kind: "ident", at, name });
export const literal = (at: number, value: unknown): Const => ({ kind: "const", at, value });

/** Every direct part of an expression. */
export function parts(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case "select":
      return [expr.operand];
    case "call":
      return expr.target ? [expr.target, ...expr.args] : expr.args;
    case "list":
      return expr.items;
    case "map":
      return expr.entries.flatMap(({ key, value }) => [key, value]);
    case "struct":
      return expr.fields.map(({ value }) => value);
    case "fold":
      return [expr.range, expr.init, expr.condition, expr.step, expr.result];
    default:
      return [];
  }
}
