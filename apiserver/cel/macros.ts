/**
 * Macros: what looks like a function and is a form of its own, expanded as cel-go does (costs depend on it).
 *
 * has(a.b); all, exists, exists_one, map, filter of lists and maps; the same with two variables and
 * transformList, transformMap, transformMapEntry; optMap and optFlatMap of optionals.
 */
import { call, type Expr, ident, type ListLiteral, literal, type MapLiteral, RESULT } from "./syntax.ts";

type Report = (message: string, at?: number) => void;
interface Macro {
  readonly target: Expr;
  readonly args: readonly Expr[];
  readonly at: number;
  readonly report: Report;
}

/** Undefined for what is no macro. Mistakes go to `report`. */
export function expandMacro(
  name: string,
  target: Expr | undefined,
  args: readonly Expr[],
  at: number,
  report: Report,
): Expr | undefined {
  if (!target) return name === "has" && args.length === 1 ? has(args[0] as Expr, at, report) : undefined;
  return members[`${name}/${args.length}`]?.({ target, args, at, report });
}

function has(arg: Expr, at: number, report: Report): Expr {
  if (arg.kind === "select" && !arg.test) return { ...arg, test: true };
  report("invalid argument to has() macro", at);
  return literal(at, false);
}

const accu = (at: number): Expr => ident(at, RESULT);
const emptyList = (at: number): ListLiteral => ({ kind: "list", at, items: [], optional: [] });
const listOf = (at: number, item: Expr): ListLiteral => ({ kind: "list", at, items: [item], optional: [false] });
const emptyMap = (at: number): MapLiteral => ({ kind: "map", at, entries: [] });
const yes = (at: number): Expr => literal(at, true);

/** What a loop does besides walking: how it starts, whether it goes on, each step, and what it gives. */
interface Loop {
  readonly init: Expr;
  readonly condition: Expr;
  readonly step: Expr;
  readonly result: Expr;
}

function variable(expr: Expr | undefined, report: Report): string {
  if (expr?.kind === "ident" && expr.name !== RESULT) return expr.name;
  report("argument must be a simple name", expr?.at);
  return "_";
}

/** One variable, then what the loop is made of. */
const one =
  (make: (at: number, iter: string, ...args: Expr[]) => Loop) =>
  ({ target, args, at, report }: Macro): Expr => {
    const iter = variable(args[0], report);
    return { kind: "fold", at, range: target, iter, accu: RESULT, ...make(at, iter, ...args.slice(1)) };
  };

const two =
  (make: (at: number, iter: string, ...args: Expr[]) => Loop) =>
  ({ target, args, at, report }: Macro): Expr => {
    const iter = variable(args[0], report);
    const iter2 = variable(args[1], report);
    if (iter === iter2) report(`duplicate variable name: ${iter}`, args[1]?.at);
    return { kind: "fold", at, range: target, iter, iter2, accu: RESULT, ...make(at, iter, ...args.slice(2)) };
  };

type Make = (at: number, iter: string, ...args: Expr[]) => Loop;

const all: Make = (at, _iter, predicate) => ({
  init: literal(at, true),
  condition: call(at, "@not_strictly_false", accu(at)),
  step: call(at, "_&&_", accu(at), predicate as Expr),
  result: accu(at),
});

const exists: Make = (at, _iter, predicate) => ({
  init: literal(at, false),
  condition: call(at, "@not_strictly_false", call(at, "!_", accu(at))),
  step: call(at, "_||_", accu(at), predicate as Expr),
  result: accu(at),
});

const existsOne: Make = (at, _iter, predicate) => ({
  init: literal(at, 0n),
  condition: yes(at),
  step: call(at, "_?_:_", predicate as Expr, call(at, "_+_", accu(at), literal(at, 1n)), accu(at)),
  result: call(at, "_==_", accu(at), literal(at, 1n)),
});

const collect = (at: number, init: Expr, step: Expr, filter: Expr | undefined): Loop => ({
  init,
  condition: yes(at),
  step: filter ? call(at, "_?_:_", filter, step, accu(at)) : step,
  result: accu(at),
});

const append = (at: number, item: Expr, filter?: Expr): Loop =>
  collect(at, emptyList(at), call(at, "_+_", accu(at), listOf(at, item)), filter);

const filter: Make = (at, iter, predicate) => append(at, ident(at, iter), predicate);
/** With three arguments the first is a filter. */
const map: Make = (at, _iter, first, second) => append(at, (second ?? first) as Expr, second && first);

const transformMap: Make = (at, iter, first, second) =>
  collect(
    at,
    emptyMap(at),
    call(at, "cel.@mapInsert", accu(at), ident(at, iter), (second ?? first) as Expr),
    second && first,
  );
const transformMapEntry: Make = (at, _iter, first, second) =>
  collect(at, emptyMap(at), call(at, "cel.@mapInsert", accu(at), (second ?? first) as Expr), second && first);

/** target.hasValue() ? wrap(let v = target.value() in expr) : optional.none() */
function optMap({ target, args, at, report }: Macro, wrap: (expr: Expr) => Expr): Expr {
  const name = variable(args[0], report);
  const bind: Expr = {
    kind: "fold",
    at,
    range: emptyList(at),
    iter: "#unused",
    accu: name,
    init: { kind: "call", at, name: "value", target, args: [] },
    condition: literal(at, false),
    step: ident(at, name),
    result: args[1] as Expr,
  };
  const hasValue: Expr = { kind: "call", at, name: "hasValue", target, args: [] };
  return call(at, "_?_:_", hasValue, wrap(bind), call(at, "optional.none"));
}

const members: Readonly<Record<string, (macro: Macro) => Expr>> = {
  "all/2": one(all),
  "exists/2": one(exists),
  "exists_one/2": one(existsOne),
  "existsOne/2": one(existsOne),
  "map/2": one(map),
  "map/3": one(map),
  "filter/2": one(filter),
  "all/3": two(all),
  "exists/3": two(exists),
  "existsOne/3": two(existsOne),
  "exists_one/3": two(existsOne),
  "transformList/3": two(map),
  "transformList/4": two(map),
  "transformMap/3": two(transformMap),
  "transformMap/4": two(transformMap),
  "transformMapEntry/3": two(transformMapEntry),
  "transformMapEntry/4": two(transformMapEntry),
  "optMap/2": (macro) => optMap(macro, (expr) => call(macro.at, "optional.of", expr)),
  "optFlatMap/2": (macro) => optMap(macro, (expr) => expr),
};
