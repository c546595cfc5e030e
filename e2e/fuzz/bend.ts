/**
 * Bend: good objects made wrong, a few places at a time, and made larger by what their types have room for.
 *
 * Types come from the schema where there is one; an object of a custom kind is bent without.
 */
import type { Field, FieldType, Message, Schema } from "../../apiserver/schema/contract.ts";
import type { Choices } from "./choices.ts";
import { hostile, hostileKey, hostileText } from "./hostile.ts";
import { rawJson } from "./json-text.ts";

type Json = Record<string, unknown>;
type Parent = Json | unknown[];

/** A value inside an object: where it stands and what is meant to stand there. */
interface Place {
  readonly parent: Parent;
  readonly key: string | number;
  readonly type: FieldType | undefined;
}

const DEEPEST = 6;

/** Changes up to three places of the object, which becomes something else. */
export function bend(choices: Choices, schema: Schema, message: Message | undefined, object: Json): Json {
  const type: FieldType | undefined = message && { kind: "message", name: message.name };
  for (let times = choices.mostly(1, 40, [2, 3]); times > 0; times--) {
    const places = placesOf(schema, object, type);
    if (places.length === 0) return object;
    change(choices, schema, choices.pick(places));
  }
  return object;
}

function change(choices: Choices, schema: Schema, { parent, key, type }: Place): void {
  const at = parent as Json;
  const value = at[key];
  switch (choices.below(9)) {
    case 0:
    case 1:
      define(at, key, type ? plausible(choices, schema, type, 2) : hostile(choices));
      return;
    case 2:
    case 3:
      define(at, key, hostile(choices));
      return;
    case 4:
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else delete at[key];
      return;
    case 5:
      // twice the same
      if (Array.isArray(parent)) parent.splice(Number(key), 0, structuredClone(value));
      else define(at, hostileKey(choices), structuredClone(value));
      return;
    case 6:
      // a list where a map is, and the other way round
      define(at, key, Array.isArray(value) ? { ...value } : isObject(value) ? Object.values(value) : [value]);
      return;
    default:
      grow(choices, schema, value, type);
  }
}

/** Adds a field that the type has, or one that it does not have. */
function grow(choices: Choices, schema: Schema, value: unknown, type: FieldType | undefined): void {
  const message = type?.kind === "message" ? schema.message(type.name) : undefined;
  if (Array.isArray(value)) {
    const of = type?.kind === "list" ? type.of : undefined;
    value.push(of ? plausible(choices, schema, of, 2) : hostile(choices));
  } else if (isObject(value) && message && message.fields.size > 0 && !choices.chance(15)) {
    const field = choices.pick([...message.fields.values()]);
    define(value, field.name, plausibleField(choices, schema, field, 2));
  } else if (isObject(value)) define(value, hostileKey(choices), hostile(choices, 2));
}

export function placesOf(schema: Schema, value: unknown, type: FieldType | undefined, depth = 0): Place[] {
  if (typeof value !== "object" || value === null || depth > 14) return [];
  const parent = value as Parent;
  return Object.keys(value).flatMap((key) => {
    const inner = typeAt(schema, type, key);
    const place = { parent, key: Array.isArray(parent) ? Number(key) : key, type: inner };
    return [place, ...placesOf(schema, (parent as Json)[key], inner, depth + 1)];
  });
}

function typeAt(schema: Schema, type: FieldType | undefined, key: string): FieldType | undefined {
  if (type?.kind === "list" || type?.kind === "map") return type.of;
  return type?.kind === "message" ? schema.message(type.name)?.fields.get(key)?.type : undefined;
}

/** A value of the type: what is required and some of what is not. */
export function plausible(choices: Choices, schema: Schema, type: FieldType, depth: number): unknown {
  switch (type.kind) {
    case "message":
      return plausibleObject(choices, schema, schema.message(type.name), depth);
    case "list":
      return Array.from({ length: choices.below(3) }, () => plausible(choices, schema, type.of, depth + 1));
    case "map": {
      const entry = () => [
        choices.pick(["a", "cpu", "memory", "a.b/c", "x"]),
        plausible(choices, schema, type.of, depth),
      ];
      return Object.fromEntries(Array.from({ length: choices.below(3) }, entry));
    }
    case "raw":
    case "deduced":
      return hostile(choices, 2);
    default:
      return choices.pick(SCALARS[type.kind]);
  }
}

function plausibleObject(choices: Choices, schema: Schema, message: Message | undefined, depth: number): Json {
  const object: Json = {};
  if (!message || depth > DEEPEST) return object;
  for (const field of message.fields.values()) {
    if (field.required || choices.chance(message.fields.size > 8 ? 8 : 25))
      define(object, field.name, plausibleField(choices, schema, field, depth + 1));
  }
  return object;
}

function plausibleField(choices: Choices, schema: Schema, field: Field, depth: number): unknown {
  if (field.enum && !choices.chance(5)) {
    const one = choices.pick(field.enum);
    return field.type.kind === "list" ? [one] : one;
  }
  if (field.type.kind !== "string") return plausible(choices, schema, field.type, depth);
  return choices.chance(15) ? hostileText(choices) : choices.pick(SCALARS.string);
}

const SCALARS: Readonly<
  Record<Exclude<FieldType["kind"], "message" | "list" | "map" | "raw" | "deduced">, readonly unknown[]>
> = {
  string: ["a", "web", "default", "v1", "10.0.0.1", "/a", "a.example", "apps/v1", "Pod", "http", "1Gi", "a-b"],
  boolean: [true, false],
  double: [0.5, 1, -1, 1e300],
  int32: [1, 0, 80, -1, 2_147_483_647, 600],
  int64: [1, 0, 3600, -1, rawJson("9223372036854775807"), 2 ** 53],
  bytes: ["", "AAEC", "Yg==", "Yg=", "_-_-"],
  quantity: ["1", "100m", "1Gi", "0", "-1", 5, "1e3", "0.5", "1.5Gi", "12345678901234567890Ei", "1n"],
  intOrString: [80, "http", "25%", 0, "0%", "101%", -1, ""],
  time: ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05+02:00", null, "2026-01-02"],
  microTime: ["2026-01-02T03:04:05.000006Z", "2026-01-02T03:04:05Z", null],
  duration: ["5s", "1h0m0s", "0s", "-5s"],
};

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Any key, "__proto__" too. */
function define(target: object, key: string | number, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}
