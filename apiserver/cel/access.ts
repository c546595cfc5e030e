/**
 * Access: fields of objects, entries of maps, and the messages that an expression writes itself.
 */
import { CelRuntimeError } from "./contract.ts";
import { Dict, Fields, none, noOverload, Optional, type Value } from "./values.ts";

/** A message that the expression wrote itself. */
export class Message extends Fields {
  readonly typeName: string;
  private readonly values: ReadonlyMap<string, Value>;
  constructor(typeName: string, values: ReadonlyMap<string, Value>) {
    super();
    this.typeName = typeName;
    this.values = values;
  }
  field(name: string): Value | undefined {
    return this.values.get(name);
  }
  names(): Iterable<string> {
    return this.values.keys();
  }
}

export function selected(value: Value, field: string): Value {
  if (value instanceof Fields) return found(value.field(field), field);
  if (value instanceof Dict) return found(value.get(field), field);
  if (value instanceof Optional) return optionalField(value, field);
  throw noOverload();
}

/** `a.?b`: an optional of the field. */
export function optionalField(value: Value, field: string): Value {
  const from = value instanceof Optional ? value.value : value;
  if (from === undefined) return none;
  if (!(from instanceof Fields || from instanceof Dict)) throw noOverload();
  const inner = from instanceof Fields ? from.field(field) : from.get(field);
  return inner === undefined ? none : new Optional(inner);
}

function found(value: Value | undefined, key: string): Value {
  if (value === undefined) throw new CelRuntimeError(`no such key: ${key}`);
  return value;
}

export function present(value: Value, field: string): boolean {
  if (value instanceof Fields) return value.field(field) !== undefined;
  if (value instanceof Dict) return value.get(field) !== undefined;
  if (value instanceof Optional) return value.value !== undefined && present(value.value, field);
  throw noOverload();
}
