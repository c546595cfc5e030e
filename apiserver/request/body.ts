/**
 * Body: what the client sent becomes an object of the expected kind, its own copy.
 *
 * JSON, YAML and protobuf are read; other types get 415.
 * Unknown and repeated fields are refused, told or dropped as fieldValidation says.
 */
import type { RequestBody, RequestRecord } from "../../machinery/client/transport/contract.ts";
import { cloneJson } from "../../machinery/objects/json-value.ts";
import { ApiError, badRequest } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { limits } from "../../machinery/process/limits.ts";
import { readYaml, YamlError } from "../../machinery/yaml.ts";
import type { CustomKind } from "../resources/contract.ts";
import type { Decoded, Schema } from "../schema/contract.ts";
import { cannotBeHandled, type Decoders, strictErrors } from "../schema/decode.ts";
import { goText, wellFormed } from "../schema/go-text.ts";
import { goKindOf } from "../schema/go-types.ts";
import { readJson } from "../schema/json.ts";
import { JsonSyntaxError } from "../schema/json-reader.ts";
import { PROTOBUF, type Protobuf } from "../schema/protobuf.ts";
import { ProtobufError } from "../schema/protobuf-input.ts";
import { DecodeError } from "../schema/scalars.ts";
import type { FieldValidation } from "./options.ts";
import { internalPackage, notRegistered, UnreadableBody, unrecognized } from "./unreadable.ts";

export interface Expected {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly custom?: CustomKind;
}

export interface ReadValue {
  readonly value: unknown;
  readonly duplicates: readonly string[];
}

const JSON_TYPES: ReadonlySet<string> = new Set(["", "application/json", "*/*"]);
const YAML_TYPES: ReadonlySet<string> = new Set(["application/yaml", "application/x-yaml", "text/yaml"]);

export const mediaType = (headers: RequestRecord["headers"]): string =>
  (headers["content-type"] ?? "").split(";", 1)[0]!.trim().toLowerCase();

type Sent = Pick<RequestRecord, "body" | "headers">;

/** The body as a value, before its type is looked at; undefined when there is none. */
export function readBody({ protobuf }: { readonly protobuf: Protobuf }, sent: Sent): ReadValue | undefined {
  try {
    return read(protobuf, sent);
  } catch (error) {
    if (error instanceof UnreadableBody) throw badRequest(error.message);
    throw error;
  }
}

/** The body of a request that must bring an object: 400 in Kubernetes' words where it brings none. */
export function readObject(
  { protobuf }: { readonly protobuf: Protobuf },
  sent: Sent,
  { group, version, kind, custom }: Expected,
): ReadValue {
  try {
    if (custom && mediaType(sent.headers) === PROTOBUF) throw unsupportedMediaType([...JSON_AND_YAML]);
    const value = read(protobuf, sent, { apiVersion: group === "" ? version : `${group}/${version}`, kind });
    if (value) return value;
    throw new UnreadableBody(
      mediaType(sent.headers) === PROTOBUF
        ? "empty data"
        : "couldn't get version/kind; json parse error: unexpected end of JSON input",
    );
  } catch (error) {
    if (!(error instanceof UnreadableBody)) throw error;
    throw unrecognized(kind, error, sent.body.kind === "bytes" ? sent.body.bytes : new Uint8Array());
  }
}

function read(
  protobuf: Protobuf,
  { body, headers }: Sent,
  expected?: { readonly apiVersion: string; readonly kind: string },
): ReadValue | undefined {
  if (body.kind === "none") return undefined;
  if (body.kind === "object") return { value: cloneJson(body.value), duplicates: [] };
  const type = mediaType(headers);
  if (JSON_TYPES.has(type)) return body.bytes.length === 0 ? undefined : readJsonBytes(body.bytes);
  if (YAML_TYPES.has(type)) return body.bytes.length === 0 ? undefined : readYamlText(textOf(body));
  if (type === PROTOBUF)
    return body.bytes.length === 0
      ? undefined
      : { value: readProtobuf(protobuf, body.bytes, expected), duplicates: [] };
  throw unsupportedMediaType([...JSON_AND_YAML, PROTOBUF]);
}

const JSON_AND_YAML = ["application/json", "application/yaml"] as const;

function unsupportedMediaType(accepted: readonly string[]): ApiError {
  return new ApiError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`,
  );
}

export const textOf = (body: RequestBody & { kind: "bytes" }): string => goText(body.bytes);

function readJsonBytes(bytes: Uint8Array): ReadValue {
  try {
    return readWellFormed(goText(bytes));
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new UnreadableBody(`couldn't get version/kind; json parse error: ${worded(bytes, error).message}`);
  }
}

/** Go names the byte that it stumbles upon, not the character that it is a part of. */
function worded(bytes: Uint8Array, error: JsonSyntaxError): Error {
  try {
    readJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1"));
    return error;
  } catch (same) {
    return same as Error;
  }
}

function readWellFormed(text: string): ReadValue {
  const { value, duplicates } = readJson(text);
  return { value: wellFormed(value, text), duplicates };
}

/** Of a patch: 400 in the words of Go's decoder when it is not JSON. */
export function readJsonText(text: string): ReadValue {
  try {
    return readWellFormed(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw badRequest(error.message);
    throw error;
  }
}

function readProtobuf(protobuf: Protobuf, bytes: Uint8Array, expected: Parameters<typeof read>[2]): unknown {
  try {
    return protobuf.read(bytes, expected);
  } catch (error) {
    if (error instanceof ProtobufError) throw new UnreadableBody(error.message, error.type);
    throw error;
  }
}

function readYamlText(text: string): ReadValue {
  try {
    const [first, ...more] = readYaml(text).filter(({ value }) => value !== undefined);
    if (more.length > 0)
      throw new UnreadableBody("expected a single document in the stream, but found another document");
    if (depthOf(first?.value) > limits.jsonDepth)
      throw new UnreadableBody("couldn't get version/kind; json parse error: exceeded max depth");
    return { value: first?.value ?? null, duplicates: first?.duplicates ?? [] };
  } catch (error) {
    if (error instanceof YamlError) throw new UnreadableBody(`error converting YAML to JSON: yaml: ${error.message}`);
    throw error;
  }
}

function depthOf(value: unknown, depth = 0): number {
  if (typeof value !== "object" || value === null || depth > limits.jsonDepth) return depth;
  let deepest = depth + 1;
  for (const one of Object.values(value)) deepest = Math.max(deepest, depthOf(one, depth + 1));
  return deepest;
}

/** Gives the value the shape of its type. The value is changed in place and becomes the object. */
export function decodeObject(
  { schema, decoders }: { readonly schema: Schema; readonly decoders: Decoders },
  read: ReadValue,
  expected: Expected,
  validation: FieldValidation,
  warnings: string[],
): KubeObject {
  checkKind(schema, read.value, expected);
  try {
    const { value, unknown } = decoderOf({ schema, decoders }, expected)((read.value ?? {}) as Record<string, unknown>);
    const problems = validation === "Ignore" ? [] : strictErrors({ unknown, duplicates: read.duplicates });
    if (problems.length > 0 && validation === "Strict")
      throw cannotBeHandled(expected.kind, expected.version, problems);
    warnings.push(...problems);
    const apiVersion = expected.group === "" ? expected.version : `${expected.group}/${expected.version}`;
    const { apiVersion: _apiVersion, kind: _kind, metadata = {}, ...rest } = value;
    return { kind: expected.kind, apiVersion, metadata, ...rest };
  } catch (error) {
    if (error instanceof DecodeError) throw cannotBeHandled(expected.kind, expected.version, error);
    throw error;
  }
}

type Decode = (value: Record<string, unknown>) => Decoded<KubeObject>;

function decoderOf({ schema, decoders }: Parameters<typeof decodeObject>[0], expected: Expected): Decode {
  const { group, version, kind, custom } = expected;
  if (custom) return (value) => custom.decode(value);
  const message = schema.kind(group, version, kind);
  if (!message) throw new Error(`the schema does not have ${kind} in ${group}/${version}`);
  return decoders(message.name);
}

/** Kind and version may be left out, but not be others. Nothing at all is an object without fields. */
function checkKind(schema: Schema, given: unknown, expected: Expected): void {
  const value = given ?? {};
  if (typeof value !== "object" || Array.isArray(value)) throw unlike(expected, value, `Go value of type ${TYPE_META}`);
  const wanted = expected.group === "" ? expected.version : `${expected.group}/${expected.version}`;
  const apiVersion = named(expected, value, "apiVersion") || wanted;
  const kind = named(expected, value, "kind") || expected.kind;
  if (kind === expected.kind && apiVersion === wanted) return;
  const [version = "", group = "", ...more] = apiVersion.split("/").reverse();
  if (more.length > 0) throw unrecognizedValue(expected, value, `unexpected GroupVersion string: ${apiVersion}`);
  const handled = (why: string) =>
    badRequest(`${kind} in version ${JSON.stringify(version)} cannot be handled as a ${expected.kind}: ${why}`);
  const known = expected.custom !== undefined || schema.kind(group, version, kind) !== undefined;
  if (!known) throw handled(notRegistered(apiVersion, kind));
  if (kind !== expected.kind) {
    const target = `${internalPackage(expected.group)}.${expected.kind}`;
    throw handled(`converting (${version}.${kind}) to (${target}): unknown conversion`);
  }
  throw badRequest(`the API version in the data (${apiVersion}) does not match the expected API version (${wanted})`);
}

const TYPE_META =
  'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';

function named(expected: Expected, value: object, member: "apiVersion" | "kind"): string {
  const given = (value as { readonly [name in typeof member]?: unknown })[member] ?? "";
  if (typeof given === "string") return given;
  throw unlike(expected, given, `Go struct field .${member} of type string`, value);
}

function unlike(expected: Expected, given: unknown, goType: string, whole = given): ApiError {
  const why = `couldn't get version/kind; json parse error: json: cannot unmarshal ${goKindOf(given)} into ${goType}`;
  return unrecognizedValue(expected, whole, why);
}

/** The value's own JSON stands for the bytes that were sent. */
function unrecognizedValue({ kind }: Expected, value: unknown, why: string): ApiError {
  return unrecognized(kind, new UnreadableBody(why), Buffer.from(JSON.stringify(value)));
}
