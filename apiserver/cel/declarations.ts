/**
 * Declarations: how a library says what its functions take, give, do and cost.
 *
 * An overload is one signature of one function. Of a member function the target is the first argument.
 */
import type { CelType, CostEstimate } from "./contract.ts";
import type { Expr } from "./syntax.ts";
import type { Value } from "./values.ts";

/** How many characters, items or entries something can have. */
export type Size = CostEstimate;

/** An argument as estimates see it. */
export interface SizedNode {
  readonly type: CelType;
  readonly expr: Expr | undefined;
  readonly size: Size;
}

export interface CallEstimate {
  readonly cost: CostEstimate;
  /** Of what the call gives, where that is a string, bytes, a list or a map. */
  readonly size?: Size;
}

export interface Overload {
  readonly id: string;
  readonly name: string;
  readonly member: boolean;
  readonly args: readonly CelType[];
  readonly result: CelType;
  run(...args: Value[]): Value;
  /** What one call costs; absent: 1. Taken before the call, so that what is too dear never runs. */
  readonly cost?: (args: readonly Value[]) => number;
  /** For what can only be told afterwards, instead of `cost`. */
  readonly costAfter?: (result: Value) => number;
  /** What one call may cost, without its arguments; absent: 1. */
  readonly estimate?: (args: readonly SizedNode[]) => CallEstimate;
  /** True of `&&` and the like, which do not evaluate their arguments first. */
  readonly special?: boolean;
}

/** What a call costs, for both occasions. */
export type Costing = Pick<Overload, "cost" | "costAfter" | "estimate">;

/** The implementation's view of its arguments: the checker and the dispatch have seen to their types. */
// biome-ignore lint/suspicious/noExplicitAny: each library writes its functions with the types that it declares
type Run = (...args: any[]) => Value;

export const global = (
  name: string,
  id: string,
  args: readonly CelType[],
  result: CelType,
  run: Run,
  costing: Costing = {},
): Overload => ({ id, name, member: false, args, result, run, ...costing });

export const member = (
  name: string,
  id: string,
  args: readonly CelType[],
  result: CelType,
  run: Run,
  costing: Costing = {},
): Overload => ({ id, name, member: true, args, result, run, ...costing });

export const types = {
  dyn: { kind: "dyn" },
  bool: { kind: "bool" },
  int: { kind: "int" },
  uint: { kind: "uint" },
  double: { kind: "double" },
  string: { kind: "string" },
  bytes: { kind: "bytes" },
  null: { kind: "null" },
  timestamp: { kind: "timestamp" },
  duration: { kind: "duration" },
} as const satisfies Record<string, CelType>;

export const list = (of: CelType): CelType => ({ kind: "list", of });
export const map = (key: CelType, value: CelType): CelType => ({ kind: "map", key, value });
export const optional = (of: CelType): CelType => ({ kind: "optional", of });
export const param = (name: string): CelType => ({ kind: "param", name });
export const opaque = (name: string): { readonly kind: "opaque"; readonly name: string } => ({ kind: "opaque", name });
export const typeType = (of: CelType): CelType => ({ kind: "type", of });
