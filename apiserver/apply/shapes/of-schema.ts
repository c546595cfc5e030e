/**
 * Of schema: the shape of a kind, made from its messages when it is first needed.
 *
 * Kept as long as the kind's message is: a custom kind that is published anew gets a new one. Lists without a type
 * are atomic, maps and structs granular unless the schema says otherwise.
 */
import { isBigInteger } from "../../../machinery/objects/json.ts";
import type { Field, FieldType, Message, Schema } from "../../schema/contract.ts";
import { fieldElement } from "../elements.ts";
import type { FieldSets } from "../field-sets.ts";
import { isBuiltIn, isEmbedded } from "./embedded.ts";
import { type Judge, Leaf, scalar } from "./leaf.ts";
import { ListOf } from "./list.ts";
import { Deduced, MapOf } from "./map.ts";
import { goText, isObject, type JsonObject, type Shape } from "./shape.ts";
import { Struct, type StructField } from "./struct.ts";

const isScalar = (value: unknown): boolean => typeof value !== "object" || isBigInteger(value);
const isNumber = (value: unknown): boolean => typeof value === "number" || isBigInteger(value);

const ANY = new Leaf(() => {});
const STRING = new Leaf(scalar("string", (value) => typeof value === "string"));
const NUMBER = new Leaf(scalar("numeric (int or float)", isNumber));
const SCALAR = new Leaf(scalar("scalar", isScalar));

const SCALARS: Readonly<Record<string, Shape>> = {
  string: STRING,
  bytes: STRING,
  boolean: new Leaf(scalar("boolean", (value) => typeof value === "boolean")),
  double: NUMBER,
  int32: NUMBER,
  int64: NUMBER,
  raw: ANY,
};

const OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const EMPTY: Readonly<JsonObject> = Object.freeze({});

export class Shapes {
  readonly #schema: Schema;
  readonly #sets: FieldSets;
  readonly #structs = new WeakMap<Message, Struct>();

  constructor(schema: Schema, sets: FieldSets) {
    this.#schema = schema;
    this.#sets = sets;
  }

  /** Undefined for kinds that the schema does not have (any more). */
  kind(group: string, version: string, kind: string): Struct | undefined {
    const message = this.#schema.kind(group, version, kind);
    return message && this.#struct(message);
  }

  /** That of every kind. */
  metadata(): Struct {
    const message = this.#schema.message(OBJECT_META);
    if (!message) throw new Error(`schema: no message ${OBJECT_META}`);
    return this.#struct(message);
  }

  #struct(message: Message): Struct {
    const known = this.#structs.get(message);
    if (known) return known;
    const embedded = [...message.fields.values()].filter(
      ({ name, type }) => type.kind === "message" && isEmbedded(message.name, name),
    );
    const struct = new Struct(
      this.#sets,
      (name) => {
        const field = message.fields.get(name);
        return field && this.#field(message, field);
      },
      embedded.map(({ name }) => name),
      message.preserveUnknown ? new Deduced(this.#sets) : undefined,
    );
    this.#structs.set(message, struct);
    return struct;
  }

  #field(message: Message, field: Field): StructField {
    const { name, type } = field;
    const always = type.kind === "list" || type.kind === "map" ? field.required && isBuiltIn(message.name) : false;
    const zero = type.kind === "message" && isEmbedded(message.name, name) ? EMPTY : always ? null : undefined;
    return { name, element: fieldElement(name), shape: this.#shape(type, field), zero };
  }

  /** `field` says what the type alone does not: how its list, map or struct is owned. */
  #shape(type: FieldType, field?: Field): Shape {
    switch (type.kind) {
      case "message":
        return this.#message(type.name, field);
      case "list":
        return this.#list(type.of, field);
      case "map":
        return field?.mapType === "atomic" ? atomic(() => this.#map(type.of)) : this.#map(type.of);
      case "deduced":
        return new Deduced(this.#sets);
      default:
        return SCALARS[type.kind] ?? SCALAR;
    }
  }

  #map(of: FieldType): Shape {
    return new MapOf(this.#sets, () => this.#shape(of));
  }

  #message(name: string, field: Field | undefined): Shape {
    const message = this.#schema.message(name);
    if (!message) throw new Error(`schema: no message ${name}`);
    const how = field?.structType ?? field?.mapType;
    const whole = how === undefined ? message.atomic : how === "atomic";
    return whole ? atomic(() => this.#struct(message)) : this.#struct(message);
  }

  #list(of: FieldType, field: Field | undefined): Shape {
    if (field?.listType === "set") return new ListOf(this.#sets, { names: [], defaults: {} }, () => this.#shape(of));
    if (field?.listType === "map" && field.listMapKeys) {
      const names = field.listMapKeys.toSorted();
      let item: Shape | undefined;
      return new ListOf(this.#sets, { names, defaults: this.#defaults(of, names) }, () => (item ??= this.#shape(of)));
    }
    return new Leaf(atomicList(() => this.#shape(of)));
  }

  #defaults(of: FieldType, names: readonly string[]): Record<string, unknown> {
    const message = of.kind === "message" ? this.#schema.message(of.name) : undefined;
    return Object.fromEntries(names.map((name) => [name, message?.fields.get(name)?.default]));
  }
}

/** Owned as one value, and yet of a structure that a configuration must have. */
function atomic(make: () => Shape): Shape {
  let inner: Shape | undefined;
  return new Leaf((value, path, problems) => {
    inner ??= make();
    inner.check(value, path, problems);
  });
}

function atomicList(make: () => Shape): Judge {
  let of: Shape | undefined;
  return (value, path, problems) => {
    if (!Array.isArray(value)) {
      problems.push(`${path}: expected list, got ${goText(value)}`);
      return;
    }
    of ??= make();
    for (const [at, item] of (value as unknown[]).entries()) {
      if (isObject(item)) of.check(item, `${path}[${at}]`, problems);
    }
  };
}
