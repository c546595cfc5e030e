/**
 * Estimate: what an expression can cost at most, from the sizes that its types allow.
 *
 * The rules are those of cel-go's static cost, so that a custom kind whose rules are too costly there is
 * refused here too. Sizes come with the types (`maxSize`); what has none may be endless.
 */
import type { CelType, CostEstimate } from "./contract.ts";
import { add, multiply, ONE, UNKNOWN, union } from "./costing.ts";
import type { CallEstimate, Overload, Size } from "./declarations.ts";
import { type Call, type Expr, type Fold, RESULT } from "./syntax.ts";
import { characters } from "./values.ts";

const ZERO: CostEstimate = { min: 0, max: 0 };
const LIST: CostEstimate = { min: 10, max: 10 };
const MAP: CostEstimate = { min: 30, max: 30 };
const STRUCT: CostEstimate = { min: 40, max: 40 };
const SCALAR: Size = { min: 1, max: 1 };
/** Objects are not measured: comparing two is taken for free, as in Kubernetes. */
const NOTHING: Size = { min: 0, max: 0 };

export const estimate = (expr: Expr): CostEstimate => new Estimator().cost(expr);

class Estimator {
  /** What was found of the size of calls and loops. */
  private readonly sizes = new Map<Expr, Size>();
  /** Sizes of what names within loops stand for, the innermost last. */
  private readonly locals: { readonly name: string; readonly size: Size | undefined }[] = [];

  cost(expr: Expr): CostEstimate {
    switch (expr.kind) {
      case "const":
        return ZERO;
      case "ident":
        return ONE;
      case "select": {
        const operand = this.cost(expr.operand);
        if (expr.test) return operand;
        const { kind } = expr.operand.type ?? { kind: "dyn" };
        return kind === "map" || kind === "object" ? add(operand, ONE) : operand;
      }
      case "call":
        return this.call(expr);
      case "list":
        return add(LIST, ...expr.items.map((item) => this.cost(item)));
      case "map":
        return add(MAP, ...expr.entries.flatMap(({ key, value }) => [this.cost(key), this.cost(value)]));
      case "struct":
        return add(STRUCT, ...expr.fields.map(({ value }) => this.cost(value)));
      case "fold":
        return this.fold(expr);
    }
  }

  private call(expr: Call): CostEstimate {
    const nodes = expr.target ? [expr.target, ...expr.args] : expr.args;
    const costs = nodes.map((node) => this.cost(node));
    const [first, second, third] = costs as [CostEstimate, CostEstimate, CostEstimate];
    if (expr.name === "_&&_" || expr.name === "_||_") return { min: first.min, max: first.max + second.max };
    if (expr.name === "_?_:_") {
      const [, yes, no] = expr.args as readonly [Expr, Expr, Expr];
      this.sizes.set(expr, union(this.size(yes), this.size(no)));
      return add(first, union(second, third));
    }
    const args = nodes.map((node) => ({
      type: node.type ?? ({ kind: "dyn" } as const),
      expr: node,
      size: this.size(node),
    }));
    let range: CostEstimate | undefined;
    let size: Size | undefined;
    for (const overload of expr.overloads ?? []) {
      const found = one(overload, args);
      range = range ? union(range, found.cost) : found.cost;
      if (found.size) size = size ? union(size, found.size) : found.size;
    }
    if (size) this.sizes.set(expr, size);
    return add(range ?? ZERO, ...costs);
  }

  private fold(expr: Fold): CostEstimate {
    let sum = add(this.cost(expr.range), this.cost(expr.init));
    const bind = expr.accu !== RESULT;
    this.locals.push({ name: expr.accu, size: this.size(expr.init) });
    if (!bind) {
      const names = expr.iter2 === undefined ? [expr.iter] : [expr.iter, expr.iter2];
      for (const name of names) this.locals.push({ name, size: undefined });
      const each = add(this.cost(expr.condition), this.cost(expr.step));
      for (const _name of names) this.locals.pop();
      sum = add(sum, multiply(this.size(expr.range), each));
    }
    sum = add(sum, this.cost(expr.result));
    this.locals.pop();
    if (bind) this.sizes.set(expr, this.size(expr.result));
    else if (expr.init.kind === "list" || expr.init.kind === "map") this.sizes.set(expr, this.size(expr.range));
    return sum;
  }

  private size(expr: Expr): Size {
    const found = this.sizes.get(expr);
    if (found) return found;
    switch (expr.kind) {
      case "const":
        return constantSize(expr.value);
      case "list":
        return exactly(expr.items.length);
      case "map":
        return exactly(expr.entries.length);
      case "ident": {
        const local = this.locals.findLast(({ name }) => name === expr.name);
        if (local?.size) return local.size;
      }
    }
    return sizeOfType(expr.type ?? { kind: "dyn" });
  }
}

function one(overload: Overload, args: Parameters<NonNullable<Overload["estimate"]>>[0]): CallEstimate {
  return overload.estimate?.(args) ?? { cost: ONE };
}

const exactly = (size: number): Size => ({ min: size, max: size });

function constantSize(value: unknown): Size {
  if (typeof value === "string") return exactly(characters(value));
  return value instanceof Uint8Array ? exactly(value.length) : SCALAR;
}

export function sizeOfType(type: CelType): Size {
  switch (type.kind) {
    case "bool":
    case "int":
    case "uint":
    case "double":
    case "timestamp":
    case "duration":
      return SCALAR;
    case "string":
    case "bytes":
    case "list":
    case "map":
    case "dyn":
      return "maxSize" in type && type.maxSize !== undefined ? { min: 0, max: type.maxSize } : UNKNOWN;
    case "optional":
      return sizeOfType(type.of);
    case "object":
    case "type":
      return NOTHING;
    case "opaque":
    case "null":
      return SCALAR;
    default:
      return UNKNOWN;
  }
}
