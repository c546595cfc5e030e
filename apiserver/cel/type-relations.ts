/**
 * Types: how types are named in messages, which value may stand for which, and how type parameters are found.
 */
import type { CelType } from "./contract.ts";

export type Substitution = Map<string, CelType>;

/** As cel-go writes them: "list(int)", "map(string, dyn)", "net.IP". */
export function typeName(type: CelType): string {
  switch (type.kind) {
    case "null":
      return "null";
    case "timestamp":
      return "timestamp";
    case "list":
      return `list(${typeName(type.of)})`;
    case "map":
      return `map(${typeName(type.key)}, ${typeName(type.value)})`;
    case "optional":
      return `optional_type(${typeName(type.of)})`;
    case "type":
      return `type(${typeName(type.of)})`;
    case "object":
    case "opaque":
    case "param":
      return type.name;
    default:
      return type.kind;
  }
}

export const isDyn = (type: CelType): boolean => type.kind === "dyn" || type.kind === "error" || type.kind === "any";

/** Puts in what is known of type parameters; what is not becomes dyn. */
export function substitute(type: CelType, known: Substitution, open: "dyn" | "keep" = "dyn"): CelType {
  switch (type.kind) {
    case "param": {
      const found = known.get(type.name);
      if (found) return substitute(found, known, open);
      return open === "dyn" ? { kind: "dyn" } : type;
    }
    case "list": {
      const of = substitute(type.of, known, open);
      return of === type.of ? type : { ...type, of };
    }
    case "map": {
      const key = substitute(type.key, known, open);
      const value = substitute(type.value, known, open);
      return key === type.key && value === type.value ? type : { ...type, key, value };
    }
    case "optional":
    case "type": {
      const of = substitute(type.of, known, open);
      return of === type.of ? type : { ...type, of };
    }
    default:
      return type;
  }
}

/** Whether a `given` value may stand where `wanted` is asked; finds type parameters on the way. */
export function assignable(wanted: CelType, given: CelType, known: Substitution): boolean {
  if (wanted.kind === "param") return assignParameter(wanted.name, given, known);
  if (given.kind === "param") return assignParameter(given.name, wanted, known);
  if (isDyn(wanted) || isDyn(given)) return true;
  if (wanted.kind !== given.kind) return nullable(wanted) && given.kind === "null";
  switch (wanted.kind) {
    case "list":
      return given.kind === "list" && assignable(wanted.of, given.of, known);
    case "map":
      return (
        given.kind === "map" && assignable(wanted.key, given.key, known) && assignable(wanted.value, given.value, known)
      );
    case "optional":
      return given.kind === "optional" && assignable(wanted.of, given.of, known);
    case "object":
      return given.kind === "object" && wanted.name === given.name;
    case "opaque":
      return given.kind === "opaque" && wanted.name === given.name;
    default:
      return true;
  }
}

/** Objects, timestamps and values of own types may be null. */
const nullable = ({ kind }: CelType): boolean =>
  kind === "object" || kind === "timestamp" || kind === "duration" || kind === "opaque" || kind === "optional";

function assignParameter(name: string, type: CelType, known: Substitution): boolean {
  const found = known.get(name);
  if (!found) {
    if (type.kind === "param" && type.name === name) return true;
    if (mentions(type, name)) return false;
    known.set(name, type);
    return true;
  }
  if (isDyn(found)) return true;
  if (!assignable(found, type, known)) return false;
  if (isDyn(type)) known.set(name, type);
  return true;
}

function mentions(type: CelType, name: string): boolean {
  switch (type.kind) {
    case "param":
      return type.name === name;
    case "list":
    case "optional":
    case "type":
      return mentions(type.of, name);
    case "map":
      return mentions(type.key, name) || mentions(type.value, name);
    default:
      return false;
  }
}

/** The same type, sizes aside. */
export function sameType(a: CelType, b: CelType): boolean {
  if (a.kind !== b.kind) return isDyn(a) && isDyn(b);
  switch (a.kind) {
    case "list":
      return b.kind === "list" && sameType(a.of, b.of);
    case "map":
      return b.kind === "map" && sameType(a.key, b.key) && sameType(a.value, b.value);
    case "optional":
    case "type":
      return (b.kind === "optional" || b.kind === "type") && sameType(a.of, b.of);
    case "object":
    case "opaque":
    case "param":
      return "name" in b && a.name === b.name;
    default:
      return true;
  }
}
