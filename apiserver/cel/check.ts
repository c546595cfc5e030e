/**
 * Check: gives every part of an expression its type and every call its overloads, or says what is wrong.
 *
 * All mistakes are told at once, each where it is, in the words of cel-go. It changes the tree (types,
 * overloads, and names that turn out to have a namespace: `ip.isCanonical(x)`), nothing else does.
 */
import type { CelType } from "./contract.ts";
import type { Overload } from "./declarations.ts";
import type { Functions } from "./functions.ts";
import type { Issue } from "./source.ts";
import {
  type Call,
  type Expr,
  type Fold,
  type ListLiteral,
  type MapLiteral,
  parts,
  type Select,
  type StructLiteral,
} from "./syntax.ts";
import { assignable, isDyn, type Substitution, sameType, substitute, typeName } from "./type-relations.ts";
import { Uint } from "./values.ts";

const DYN: CelType = { kind: "dyn" };
const ERROR: CelType = { kind: "error" };
const BOOL: CelType = { kind: "bool" };

/** What an expression may name. Inner scopes come first. */
interface Scope {
  readonly names: ReadonlyMap<string, CelType>;
  readonly outer: Scope | undefined;
}

export interface Declared {
  readonly variables: Readonly<Record<string, CelType>>;
  readonly functions: Functions;
  /** Message literals that may be written, by name. */
  readonly messages?: (name: string) => CelType | undefined;
}

export function check(root: Expr, declared: Declared, issues: Issue[]): CelType {
  const checker = new Checker(declared, issues);
  const names = new Map(Object.entries(declared.variables));
  const type = checker.expr(root, { names, outer: undefined });
  checker.settle(root);
  return substitute(type, checker.known);
}

/** What one overload would make known, on top of what is known. */
class Trial extends Map<string, CelType> {
  private readonly under: Substitution;
  constructor(under: Substitution) {
    super();
    this.under = under;
  }
  override get(name: string): CelType | undefined {
    return super.get(name) ?? this.under.get(name);
  }
}

class Checker {
  readonly known: Substitution = new Map();
  private readonly declared: Declared;
  private readonly issues: Issue[];
  private fresh = 0;

  constructor(declared: Declared, issues: Issue[]) {
    this.declared = declared;
    this.issues = issues;
  }

  expr(expr: Expr, scope: Scope): CelType {
    const type = this.typed(expr, scope);
    expr.type = type;
    return type;
  }

  /** Puts what was found of type parameters into every part's type. */
  settle(expr: Expr): void {
    if (expr.type) expr.type = substitute(expr.type, this.known);
    for (const part of parts(expr)) this.settle(part);
  }

  private typed(expr: Expr, scope: Scope): CelType {
    switch (expr.kind) {
      case "const":
        return constantType(expr.value);
      case "ident":
        return this.identifier(expr.name, expr.at, scope);
      case "select":
        return this.select(expr, scope);
      case "call":
        return this.call(expr, scope);
      case "list":
        return this.list(expr, scope);
      case "map":
        return this.map(expr, scope);
      case "struct":
        return this.struct(expr, scope);
      case "fold":
        return this.fold(expr, scope);
    }
  }

  private lookup(name: string, scope: Scope | undefined): CelType | undefined {
    for (let at = scope; at; at = at.outer) {
      const found = at.names.get(name);
      if (found) return found;
    }
    return this.declared.functions.typeNames.get(name);
  }

  private identifier(name: string, at: number, scope: Scope): CelType {
    return this.lookup(name, scope) ?? this.fail(at, `undeclared reference to '${name}' (in container '')`);
  }

  private select(expr: Select, scope: Scope): CelType {
    const qualified = !expr.test && qualifiedName(expr);
    if (qualified && !this.lookup(qualified.split(".")[0] ?? "", scope)) {
      const type = this.declared.functions.typeNames.get(qualified);
      if (type) return type;
    }
    const operand = this.resolved(this.expr(expr.operand, scope));
    const field = this.field(operand, expr.field, expr.at);
    return expr.test ? BOOL : field;
  }

  private field(operand: CelType, name: string, at: number): CelType {
    if (isDyn(operand)) return operand.kind === "error" ? ERROR : DYN;
    switch (operand.kind) {
      case "map":
        if (!assignable(operand.key, { kind: "string" }, this.known)) break;
        return operand.value;
      case "optional":
        return { kind: "optional", of: this.field(this.resolved(operand.of), name, at) };
      case "object":
        return operand.field(name)?.type ?? this.fail(at, `undefined field '${name}'`);
      case "param":
        this.known.set(operand.name, DYN);
        return DYN;
    }
    return this.fail(at, `type '${typeName(operand)}' does not support field selection`);
  }

  private call(expr: Call, scope: Scope): CelType {
    if (expr.name === "_?._") return this.optionalSelect(expr, scope);
    const namespaced = expr.target && qualifiedName(expr.target);
    if (namespaced && !this.lookup(namespaced.split(".")[0] ?? "", scope)) {
      const name = `${namespaced}.${expr.name}`;
      if (this.declared.functions.named(name)) {
        expr.name = name;
        expr.target = undefined;
      }
    }
    const target = expr.target && this.expr(expr.target, scope);
    const args = expr.args.map((arg) => this.expr(arg, scope));
    const overloads = this.declared.functions.named(expr.name);
    if (!overloads) return this.fail(expr.at, `undeclared reference to '${expr.name}' (in container '')`);
    return this.resolve(expr, overloads, target, args);
  }

  private resolve(expr: Call, overloads: readonly Overload[], target: CelType | undefined, args: CelType[]): CelType {
    const given = target ? [target, ...args] : args;
    if (given.some(({ kind }) => kind === "error")) {
      expr.overloads = [];
      return ERROR;
    }
    const fitting: Overload[] = [];
    let result: CelType | undefined;
    let after: Substitution | undefined;
    for (const overload of overloads) {
      if (overload.member !== (target !== undefined) || overload.args.length !== given.length) continue;
      const trial = new Trial(this.known);
      const rename = this.instance();
      if (!overload.args.every((wanted, index) => assignable(rename(wanted), given[index] as CelType, trial))) continue;
      fitting.push(overload);
      const type = substitute(rename(overload.result), trial, "keep");
      after ??= trial;
      result = result === undefined || sameType(result, type) ? (result ?? type) : DYN;
    }
    if (!result || !after) {
      const names = given.map((type) => typeName(substitute(type, this.known)));
      const applied = target ? `${names[0]}.(${names.slice(1).join(", ")})` : `(${names.join(", ")})`;
      expr.overloads = [];
      return this.fail(expr.at, `found no matching overload for '${expr.name}' applied to '${applied}'`);
    }
    expr.overloads = fitting;
    for (const [name, type] of after) this.known.set(name, type);
    return result;
  }

  /** Type parameters of one use of a function: never those of another use. */
  private instance(): (type: CelType) => CelType {
    const names = new Map<string, CelType>();
    const number = this.fresh++;
    const rename = (type: CelType): CelType => {
      switch (type.kind) {
        case "param": {
          const fresh = names.get(type.name) ?? { kind: "param", name: `${type.name}#${number}` };
          names.set(type.name, fresh);
          return fresh;
        }
        case "list":
        case "optional":
        case "type":
          return { ...type, of: rename(type.of) };
        case "map":
          return { ...type, key: rename(type.key), value: rename(type.value) };
        default:
          return type;
      }
    };
    return rename;
  }

  private optionalSelect(expr: Call, scope: Scope): CelType {
    const [operand, field] = expr.args;
    const type = this.resolved(this.expr(operand as Expr, scope));
    this.expr(field as Expr, scope);
    expr.overloads = this.declared.functions.named("_?._") ?? [];
    const name = field?.kind === "const" ? String(field.value) : "";
    const found = this.field(type.kind === "optional" ? this.resolved(type.of) : type, name, expr.at);
    return found.kind === "error" ? found : { kind: "optional", of: found };
  }

  private list(expr: ListLiteral, scope: Scope): CelType {
    let of: CelType | undefined;
    expr.items.forEach((item, index) => {
      const type = this.element(item, expr.optional[index] === true, scope);
      of = this.join(of, type, item.at);
    });
    return { kind: "list", of: of ?? this.unknown() };
  }

  private map(expr: MapLiteral, scope: Scope): CelType {
    let key: CelType | undefined;
    let value: CelType | undefined;
    for (const entry of expr.entries) {
      key = this.join(key, this.expr(entry.key, scope), entry.key.at);
      value = this.join(value, this.element(entry.value, entry.optional, scope), entry.value.at);
    }
    return { kind: "map", key: key ?? this.unknown(), value: value ?? this.unknown() };
  }

  /** The type of an item or entry; of an optional one what is in it. */
  private element(expr: Expr, optional: boolean, scope: Scope): CelType {
    const type = this.resolved(this.expr(expr, scope));
    if (!optional) return type;
    if (isDyn(type)) return DYN;
    return type.kind === "optional"
      ? type.of
      : this.fail(expr.at, `expected type 'optional_type(${typeName(type)})' but found '${typeName(type)}'`);
  }

  /** Items of a literal are of one type. */
  private join(found: CelType | undefined, type: CelType, at: number): CelType {
    if (!found) return type;
    if (isDyn(found) || isDyn(type)) return isDyn(found) ? found : type;
    if (assignable(found, type, this.known)) return found;
    if (assignable(type, found, this.known)) return type;
    return this.fail(
      at,
      `expected type '${typeName(substitute(found, this.known))}' but found '${typeName(substitute(type, this.known))}'`,
    );
  }

  private struct(expr: StructLiteral, scope: Scope): CelType {
    const type = this.declared.messages?.(expr.name);
    for (const { value } of expr.fields) this.expr(value, scope);
    if (type?.kind !== "object") {
      return this.fail(expr.at, `undeclared reference to '${expr.name}' (in container '')`);
    }
    for (const { name, value, optional } of expr.fields) {
      const field = type.field(name);
      if (!field) {
        this.fail(value.at, `undefined field '${name}'`);
        continue;
      }
      const given = this.resolved(value.type ?? DYN);
      const of = optional && given.kind === "optional" ? given.of : given;
      if (!assignable(field.type, of, this.known)) {
        this.fail(
          value.at,
          `expected type of field '${name}' is '${typeName(field.type)}' but provided type is '${typeName(of)}'`,
        );
      }
    }
    return type;
  }

  private fold(expr: Fold, scope: Scope): CelType {
    const range = this.resolved(this.expr(expr.range, scope));
    const init = this.expr(expr.init, scope);
    const [first, second] = this.iterated(range, expr);
    const accu: Scope = { names: new Map([[expr.accu, init]]), outer: scope };
    const names = new Map([[expr.iter, first]]);
    if (expr.iter2 !== undefined) names.set(expr.iter2, second);
    const inner: Scope = { names, outer: accu };
    this.expr(expr.condition, inner);
    const step = this.expr(expr.step, inner);
    if (step.kind !== "error" && !assignable(init, step, this.known)) {
      this.fail(
        expr.step.at,
        `expected type '${typeName(substitute(init, this.known))}' but found '${typeName(substitute(step, this.known))}'`,
      );
    }
    return this.expr(expr.result, accu);
  }

  private iterated(range: CelType, { iter2, range: { at } }: Fold): readonly [CelType, CelType] {
    if (range.kind === "list") return iter2 === undefined ? [range.of, DYN] : [{ kind: "int" }, range.of];
    if (range.kind === "map") return [range.key, range.value];
    if (!isDyn(range) && range.kind !== "param") {
      const message = `expression of type '${typeName(range)}' cannot be range of a comprehension (must be list, map, or dynamic)`;
      return [this.fail(at, message), ERROR];
    }
    return range.kind === "error" ? [ERROR, ERROR] : [DYN, DYN];
  }

  private unknown(): CelType {
    return { kind: "param", name: `_var${this.fresh++}` };
  }

  /** A type parameter that is known by now, as what it is. */
  private resolved(type: CelType): CelType {
    return type.kind === "param" ? substitute(type, this.known, "keep") : type;
  }

  private fail(at: number, message: string): CelType {
    this.issues.push({ at, message });
    return ERROR;
  }
}

/** "a.b.c" where it is names only. */
function qualifiedName(expr: Expr): string | undefined {
  if (expr.kind === "ident") return expr.name;
  if (expr.kind !== "select" || expr.test) return undefined;
  const before = qualifiedName(expr.operand);
  return before && `${before}.${expr.field}`;
}

function constantType(value: unknown): CelType {
  switch (typeof value) {
    case "boolean":
      return BOOL;
    case "bigint":
      return { kind: "int" };
    case "number":
      return { kind: "double" };
    case "string":
      return { kind: "string" };
  }
  if (value instanceof Uint) return { kind: "uint" };
  return value instanceof Uint8Array ? { kind: "bytes" } : { kind: "null" };
}
