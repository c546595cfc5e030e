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
import { readJson } from "../schema/json.ts";
import { JsonSyntaxError } from "../schema/json-reader.ts";
import { PROTOBUF, type Protobuf } from "../schema/protobuf.ts";
import { DecodeError } from "../schema/scalars.ts";
import type { FieldValidation } from "./options.ts";

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

/** The body as a value, before its type is looked at; undefined when there is none. */
export function readBody(
  { protobuf }: { readonly protobuf: Protobuf },
  { body, headers }: Pick<RequestRecord, "body" | "headers">,
): ReadValue | undefined {
  if (body.kind === "none") return undefined;
  if (body.kind === "object") return { value: cloneJson(body.value), duplicates: [] };
  const type = mediaType(headers);
  if (JSON_TYPES.has(type)) return body.bytes.length === 0 ? undefined : readJsonText(textOf(body));
  if (YAML_TYPES.has(type)) return body.bytes.length === 0 ? undefined : readYamlText(textOf(body));
  if (type === PROTOBUF)
    return body.bytes.length === 0 ? undefined : { value: protobuf.read(body.bytes), duplicates: [] };
  throw new ApiError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, ${PROTOBUF}`,
  );
}

export function textOf(body: RequestBody & { kind: "bytes" }): string {
  const { bytes } = body;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

/** 400 in the words of Go's decoder when it is not JSON. */
export function readJsonText(text: string): ReadValue {
  try {
    return readJson(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError)
      throw badRequest(`couldn't get version/kind; json parse error: ${error.message}`);
    throw error;
  }
}

function readYamlText(text: string): ReadValue {
  try {
    const [first, ...more] = readYaml(text).filter(({ value }) => value !== undefined);
    if (more.length > 0) throw badRequest("expected a single document in the stream, but found another document");
    if (depthOf(first?.value) > limits.jsonDepth) throw badRequest("couldn't get version/kind; exceeded max depth");
    return { value: first?.value, duplicates: first?.duplicates ?? [] };
  } catch (error) {
    if (error instanceof YamlError) throw badRequest(`error converting YAML to JSON: yaml: ${error.message}`);
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
  checkKind(read.value, expected);
  try {
    const { value, unknown } = decoderOf({ schema, decoders }, expected)(read.value as Record<string, unknown>);
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

/** Kind and version may be left out, but not be others. */
function checkKind(value: unknown, expected: Expected): void {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badRequest(
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${goName(value)} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
    );
  const { apiVersion, kind } = value as { apiVersion?: unknown; kind?: unknown };
  const wanted = expected.group === "" ? expected.version : `${expected.group}/${expected.version}`;
  if (kind !== undefined && kind !== null && kind !== "" && kind !== expected.kind) {
    const given = typeof apiVersion === "string" && apiVersion ? apiVersion : wanted;
    throw badRequest(
      `${String(kind)} in version ${JSON.stringify(given)} cannot be handled as a ${expected.kind}: converting (${given}.${String(kind)}) to (${wanted}.${expected.kind}): unknown conversion`,
    );
  }
  if (apiVersion !== undefined && apiVersion !== null && apiVersion !== "" && apiVersion !== wanted)
    throw badRequest(
      `the API version in the data (${String(apiVersion)}) does not match the expected API version (${wanted})`,
    );
}

function goName(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return value === null ? "null" : typeof value === "boolean" ? "bool" : typeof value;
}
