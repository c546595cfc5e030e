/**
 * Plan: turns a checked tree into closures, and counts what each step costs while they run.
 *
 * Costs are those of cel-go's cost tracker: 1 for a name, a field or an ordinary call, more for what walks
 * over text or lists. When the limit is passed the evaluation ends there; nothing absorbs that error.
 */
import { Message, present, selected } from "./access.ts";
import { CelRuntimeError, type CelType } from "./contract.ts";
import type { Overload } from "./declarations.ts";
import { fits } from "./fits.ts";
import { fromJson } from "./json-values.ts";
import { type Call, type Expr, type Fold, type ListLiteral, type MapLiteral, RESULT, type Select } from "./syntax.ts";
import { ArrayList, Dict, EntryMap, List, none, noOverload, Optional, TypeValue, type Value } from "./values.ts";

export type Run = (frame: Frame) => Value;

const LIST_COST = 10;
const MAP_COST = 30;

/** One evaluation. */
export class Frame {
  readonly slots: (Value | Failed | undefined)[] = [];
  readonly bindings: Readonly<Record<string, unknown>>;
  private readonly limit: number;
  cost = 0;
  constructor(bindings: Readonly<Record<string, unknown>>, limit: number) {
    this.bindings = bindings;
    this.limit = limit;
  }
  spend(cost: number): void {
    this.cost += cost;
    if (this.cost > this.limit) throw new CelRuntimeError("operation cancelled: actual cost limit exceeded", true);
  }
}

/** An error that a loop's accumulator holds until `&&` or `||` decides whether it matters. */
class Failed {
  readonly error: CelRuntimeError;
  constructor(error: CelRuntimeError) {
    this.error = error;
  }
}

/** Errors of the expression, which `&&`, `||` and loops may absorb; all others end the evaluation. */
function absorbed(error: unknown): CelRuntimeError {
  if (error instanceof CelRuntimeError && !error.budgetExceeded) return error;
  throw error;
}

export function plan(expr: Expr, variables: Readonly<Record<string, CelType>>): Run {
  return new Planner(variables).plan(expr, new Map());
}

type Slots = ReadonlyMap<string, number>;

class Planner {
  private readonly variables: Readonly<Record<string, CelType>>;
  private readonly roots = new Map<string, number>();
  private slots = 0;

  constructor(variables: Readonly<Record<string, CelType>>) {
    this.variables = variables;
  }

  plan(expr: Expr, scope: Slots): Run {
    switch (expr.kind) {
      case "const": {
        const value = expr.value as Value;
        return () => value;
      }
      case "ident":
        return this.identifier(expr.name, scope);
      case "select":
        return this.select(expr, scope);
      case "call":
        return this.call(expr, scope);
      case "list":
        return this.list(expr, scope);
      case "map":
        return this.map(expr, scope);
      case "fold":
        return this.fold(expr, scope);
      case "struct":
        return this.struct(expr, scope);
    }
  }

  private identifier(name: string, scope: Slots): Run {
    const local = scope.get(name);
    if (local !== undefined) {
      return (frame) => {
        frame.spend(1);
        const value = frame.slots[local];
        if (value instanceof Failed) throw value.error;
        return value as Value;
      };
    }
    const type = this.variables[name];
    if (!type) {
      const value = new TypeValue(name);
      return () => value;
    }
    const slot = this.roots.get(name) ?? this.slots++;
    this.roots.set(name, slot);
    return (frame) => {
      frame.spend(1);
      const known = frame.slots[slot];
      if (known !== undefined) return known as Value;
      const value = bound(frame.bindings, name, type);
      frame.slots[slot] = value;
      return value;
    };
  }

  private select(expr: Select, scope: Slots): Run {
    const { field, test } = expr;
    if (expr.type?.kind === "type") {
      const value = new TypeValue(nameOf(expr));
      return () => value;
    }
    const operand = this.plan(expr.operand, scope);
    if (test) return (frame) => present(operand(frame), field);
    return (frame) => {
      const value = operand(frame);
      frame.spend(1);
      return selected(value, field);
    };
  }

  private call(expr: Call, scope: Slots): Run {
    const parts = expr.target ? [expr.target, ...expr.args] : expr.args;
    const args = parts.map((part) => this.plan(part, scope));
    const [first, second, third] = args as [Run, Run, Run];
    switch (expr.name) {
      case "_&&_":
        return logic(first, second, false);
      case "_||_":
        return logic(first, second, true);
      case "_?_:_":
        return (frame) => (truth(first(frame)) ? second(frame) : third(frame));
      case "@not_strictly_false":
        return notStrictlyFalse(first);
      case "or":
      case "orValue":
        return orElse(expr.name, first, second, dispatch(expr.overloads ?? []));
    }
    return invoke(args, dispatch(expr.overloads ?? []));
  }

  private list(expr: ListLiteral, scope: Slots): Run {
    const items = expr.items.map((item) => this.plan(item, scope));
    const { optional } = expr;
    return (frame) => {
      const values: Value[] = [];
      for (let index = 0; index < items.length; index++) {
        const value = (items[index] as Run)(frame);
        if (!optional[index]) values.push(value);
        else if (held(value) !== undefined) values.push(held(value) as Value);
      }
      frame.spend(LIST_COST);
      return new ArrayList(values);
    };
  }

  private map(expr: MapLiteral, scope: Slots): Run {
    const entries = expr.entries.map(({ key, value, optional }) => ({
      key: this.plan(key, scope),
      value: this.plan(value, scope),
      optional,
    }));
    return (frame) => {
      const map = new EntryMap();
      for (const entry of entries) {
        const key = entry.key(frame);
        const given = entry.value(frame);
        const value = entry.optional ? held(given) : given;
        if (value !== undefined && !map.add(key, value)) throw new CelRuntimeError(`Failed with repeated key`);
      }
      frame.spend(MAP_COST);
      return map;
    };
  }

  private struct(expr: Extract<Expr, { kind: "struct" }>, scope: Slots): Run {
    const fields = expr.fields.map(({ name, value, optional }) => ({ name, optional, value: this.plan(value, scope) }));
    const { name: typeName } = expr;
    return (frame) => {
      const values = new Map<string, Value>();
      for (const { name, optional, value } of fields) {
        const given = value(frame);
        const kept = optional ? held(given) : given;
        if (kept !== undefined) values.set(name, kept);
      }
      frame.spend(40);
      return new Message(typeName, values);
    };
  }

  private fold(expr: Fold, scope: Slots): Run {
    const range = this.plan(expr.range, scope);
    const init = this.plan(expr.init, scope);
    const accu = this.slots++;
    const first = this.slots++;
    const second = this.slots++;
    const outer = new Map(scope).set(expr.accu, accu);
    const inner = new Map(outer).set(expr.iter, first);
    if (expr.iter2 !== undefined) inner.set(expr.iter2, second);
    const unconditional = expr.condition.kind === "const" && expr.condition.value === true;
    const condition = this.plan(expr.condition, inner);
    const step = this.plan(expr.step, inner);
    const gather = this.gatherer(expr.step, inner, accu);
    const result = this.plan(expr.result, outer);
    const pairs = expr.iter2 !== undefined;

    return (frame) => {
      const over = range(frame);
      frame.slots[accu] = init(frame);
      const each = (one: Value, two: Value): boolean => {
        frame.slots[first] = one;
        frame.slots[second] = two;
        if (!unconditional && condition(frame) !== true) return false;
        if (gather) gather(frame);
        else if (unconditional) frame.slots[accu] = step(frame);
        else frame.slots[accu] = attempt(step, frame);
        return true;
      };
      walk(over, pairs, each);
      return result(frame);
    };
  }

  /** Appending to the accumulator changes it in place: nobody else can hold it. */
  private gatherer(step: Expr, scope: Slots, accu: number): ((frame: Frame) => void) | undefined {
    if (step.kind !== "call") return undefined;
    if (step.name === "_?_:_" && isAccu(step.args[2])) {
      const condition = this.plan(step.args[0] as Expr, scope);
      const inner = this.gatherer(step.args[1] as Expr, scope, accu);
      return (
        inner &&
        ((frame) => {
          if (truth(condition(frame))) inner(frame);
          else frame.spend(1);
        })
      );
    }
    if (!isAccu(step.args[0])) return undefined;
    if (step.name === "_+_" && step.args[1]?.kind === "list" && step.args[1].items.length === 1) {
      const item = this.plan(step.args[1].items[0] as Expr, scope);
      return (frame) => {
        frame.spend(LIST_COST + 2);
        (frame.slots[accu] as ArrayList).items.push(item(frame));
      };
    }
    if (step.name !== "cel.@mapInsert") return undefined;
    const [key, value] = step.args.slice(1).map((part) => this.plan(part, scope));
    return (frame) => {
      frame.spend(2);
      const map = frame.slots[accu] as EntryMap;
      const given = (key as Run)(frame);
      if (value) insert(map, given, value(frame));
      else if (given instanceof Dict) for (const name of given.keys()) insert(map, name, given.get(name) as Value);
      else throw noOverload();
    };
  }
}

/** What is bound to a variable; an optional one may be left out. */
function bound(bindings: Readonly<Record<string, unknown>>, name: string, type: CelType): Value {
  if (Object.hasOwn(bindings, name)) return fromJson(bindings[name] ?? null, type);
  if (type.kind === "optional") return none;
  throw new CelRuntimeError(`no such attribute(s): ${name}`);
}

const isAccu = (expr: Expr | undefined): boolean => expr?.kind === "ident" && expr.name === RESULT;

function insert(map: EntryMap, key: Value, value: Value): void {
  if (!map.add(key, value)) throw new CelRuntimeError(`insert failed: key ${String(key)} already exists`);
}

function attempt(step: Run, frame: Frame): Value | Failed {
  try {
    return step(frame);
  } catch (error) {
    return new Failed(absorbed(error));
  }
}

function walk(over: Value, pairs: boolean, each: (one: Value, two: Value) => boolean): void {
  if (over instanceof List) {
    for (let index = 0; index < over.size; index++) {
      const item = over.at(index);
      if (!(pairs ? each(BigInt(index), item) : each(item, null))) return;
    }
  } else if (over instanceof Dict) {
    for (const key of over.keys()) if (!each(key, pairs ? (over.get(key) as Value) : null)) return;
  } else {
    throw noOverload();
  }
}

function held(value: Value): Value | undefined {
  if (value instanceof Optional) return value.value;
  throw noOverload();
}

function truth(value: Value): boolean {
  if (typeof value === "boolean") return value;
  throw noOverload();
}

/** `&&` (decided by false) and `||` (by true): an error on one side does not matter when the other decides. */
function logic(left: Run, right: Run, decisive: boolean): Run {
  return (frame) => {
    let failure: CelRuntimeError | undefined;
    try {
      if (truth(left(frame)) === decisive) return decisive;
    } catch (error) {
      failure = absorbed(error);
    }
    if (truth(right(frame)) === decisive) return decisive;
    if (failure) throw failure;
    return !decisive;
  };
}

function notStrictlyFalse(operand: Run): Run {
  return (frame) => {
    frame.spend(1);
    try {
      return operand(frame) !== false;
    } catch (error) {
      absorbed(error);
      return true;
    }
  };
}

/** The other side is worked out only where it is needed. */
function orElse(name: string, left: Run, right: Run, call: Dispatch): Run {
  return (frame) => {
    const value = left(frame);
    if (!(value instanceof Optional)) return call([value, right(frame)], frame);
    frame.spend(1);
    if (value.value === undefined) return right(frame);
    return name === "or" ? value : value.value;
  };
}

function invoke(args: readonly Run[], call: Dispatch): Run {
  const [first, second] = args as [Run, Run];
  if (args.length === 1) return (frame) => call([first(frame)], frame);
  if (args.length === 2) return (frame) => call([first(frame), second(frame)], frame);
  return (frame) =>
    call(
      args.map((arg) => arg(frame)),
      frame,
    );
}

type Dispatch = (args: Value[], frame: Frame) => Value;

/** Runs the overload that the values fit: the types left one, or dyn left several. */
function dispatch(overloads: readonly Overload[]): Dispatch {
  return (args, frame) => {
    for (const overload of overloads) {
      if (!overload.args.every((type, index) => fits(args[index] as Value, type))) continue;
      if (overload.costAfter) {
        const result = overload.run(...args);
        frame.spend(overload.costAfter(result));
        return result;
      }
      frame.spend(overload.cost ? overload.cost(args) : 1);
      return overload.run(...args);
    }
    throw noOverload();
  };
}

const nameOf = (expr: Expr): string =>
  expr.kind === "select" ? `${nameOf(expr.operand)}.${expr.field}` : expr.kind === "ident" ? expr.name : "";
