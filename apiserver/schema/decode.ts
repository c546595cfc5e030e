/**
 * Decoding: brings a JSON value into the shape of its type, or says what Go's decoder would say.
 *
 * Null means absent, fields that the type does not have are taken out and named, quantities and times
 * come back as Kubernetes writes them. The value is changed in place: it must be the caller's own.
 * Decoders are compiled once per message, on first use: see compile-decoder.ts. Required and wrong values are
 * not judged here: that is validation, in apiserver/resources.
 */
import { type ApiError, badRequest } from "../../machinery/objects/status.ts";
import { compileMessage, isObject, type ObjectDecoder, type Walk } from "./compile-decoder.ts";
import type { Decoded, Schema } from "./contract.ts";
import { goKindOf, goTypeOfMessage } from "./go-types.ts";
import { DecodeError } from "./scalars.ts";

/** Throws a DecodeError. */
export type Decoder = <T = unknown>(value: unknown) => Decoded<T>;

/** The decoder of a message: one set for a schema. */
export type Decoders = (message: string) => Decoder;

export function createDecoders(schema: Schema): Decoders {
  const compiled = new Map<string, ObjectDecoder>();
  const objectDecoder = (name: string): ObjectDecoder => {
    const known = compiled.get(name);
    if (known) return known;
    const message = schema.message(name);
    if (!message) throw new Error(`schema: no message ${name}`);
    const decoder = compileMessage(message, objectDecoder);
    compiled.set(name, decoder);
    return decoder;
  };

  const made = new Map<string, Decoder>();
  const make = (name: string): Decoder => {
    const decode = objectDecoder(name);
    return <T>(value: unknown): Decoded<T> => {
      if (!isObject(value)) {
        throw new DecodeError(
          `json: cannot unmarshal ${goKindOf(value)} into Go value of type ${goTypeOfMessage(name)}`,
        );
      }
      const walk: Walk = { path: [], unknown: [] };
      return { value: decode(value, walk) as T, unknown: walk.unknown };
    };
  };
  return (name) => {
    const known = made.get(name);
    if (known) return known;
    const decoder = make(name);
    made.set(name, decoder);
    return decoder;
  };
}

/** Paths of fields that the type does not have, and of keys given twice (json.ts finds these). */
export interface Strictness {
  readonly unknown: readonly string[];
  readonly duplicates: readonly string[];
}

/** What `fieldValidation` warns of, or refuses: `unknown field "spec.foo"`. */
export function strictErrors({ unknown, duplicates }: Strictness): string[] {
  return [
    ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`),
    ...duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
  ];
}

/** The 400 for a body that does not fit its kind. `why` is a DecodeError or the strict errors found. */
export function cannotBeHandled(kind: string, version: string, why: Error | readonly string[]): ApiError {
  const text = why instanceof Error ? why.message : `strict decoding error: ${why.join(", ")}`;
  return badRequest(`${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${text}`);
}
