/**
 * Protobuf reader: request bodies that clients send in Kubernetes' protobuf form, as JSON values.
 *
 * kubectl and other Go clients send typed objects so; answers are JSON, which they take as well. The result still
 * has to be decoded (decode.ts). Go writes every field that is no pointer, zero or not, so zeros are
 * dropped as `omitempty` would, except in fields where a zero is a statement.
 */
import { parseJson } from "../../machinery/objects/json.ts";
import { badRequest } from "../../machinery/objects/status.ts";
import type { FieldType, Schema } from "./contract.ts";
import { type Numbers, readNumbers } from "./protobuf-numbers.ts";

export const PROTOBUF_BODY = "application/vnd.kubernetes.protobuf";

/** Reads a body with its envelope. Throws 400 for what is none, or of a kind that is not known. */
export type ProtobufReader = (bytes: Uint8Array) => Record<string, unknown>;

const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);
const MAX_DEPTH = 100;

export function createProtobufReader(schema: Schema): ProtobufReader {
  let numbers: Numbers | undefined;
  return (bytes) => {
    const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!body.subarray(0, 4).equals(MAGIC)) throw malformed("the body does not begin with the protobuf prefix");
    const { apiVersion, kind, raw } = envelopeOf(body.subarray(4));
    const [version = "", group = ""] = apiVersion.split("/").reverse();
    const message = schema.kind(group, version, kind);
    if (!message)
      throw badRequest(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
    numbers ??= readNumbers();
    const walk: Walk = { schema, numbers };
    return { apiVersion, kind, ...readMessage(walk, message.name, raw, 0) };
  };
}

const malformed = (why: string) => badRequest(`couldn't get version/kind; protobuf parse error: ${why}`);

interface Walk {
  readonly schema: Schema;
  readonly numbers: Numbers;
}

type Wire = number | bigint | Buffer;

/** Fields of one message: number and value, in the order in which they stand. */
function* fieldsOf(bytes: Buffer): Generator<readonly [number, Wire]> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 63n) throw malformed("unexpected EOF");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Buffer => {
    if (length < 0 || at + length > bytes.length) throw malformed("unexpected EOF");
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    const wire = Number(tag & 7n);
    if (wire === 0) yield [number, BigInt.asIntN(64, varint())];
    else if (wire === 1) yield [number, take(8).readDoubleLE()];
    else if (wire === 2) yield [number, take(Number(varint()))];
    else if (wire === 5) yield [number, take(4).readFloatLE()];
    else throw malformed(`illegal wire type ${wire}`);
  }
}

function envelopeOf(bytes: Buffer): { apiVersion: string; kind: string; raw: Buffer } {
  const parts = new Map(fieldsOf(bytes));
  const type = new Map(fieldsOf(bufferOf(parts.get(1))));
  return {
    apiVersion: bufferOf(type.get(1)).toString(),
    kind: bufferOf(type.get(2)).toString(),
    raw: bufferOf(parts.get(2)),
  };
}

function bufferOf(value: Wire | undefined): Buffer {
  if (value === undefined) return Buffer.alloc(0);
  if (!Buffer.isBuffer(value)) throw malformed("wrong wire type");
  return value;
}

function readMessage(walk: Walk, name: string, bytes: Buffer, depth: number): Record<string, unknown> {
  if (depth > MAX_DEPTH) throw malformed("exceeded max depth");
  const message = walk.schema.message(name);
  const known = walk.numbers(name);
  const result: Record<string, unknown> = {};
  for (const [number, wire] of fieldsOf(bytes)) {
    const field = known.get(number);
    if (!field) continue;
    if (field.embedded) Object.assign(result, readMessage(walk, field.embedded, bufferOf(wire), depth + 1));
    else {
      const type = message?.fields.get(field.name)?.type;
      if (type) addField(walk, result, field.name, type, wire, depth);
    }
  }
  return result;
}

function addField(
  walk: Walk,
  result: Record<string, unknown>,
  name: string,
  type: FieldType,
  wire: Wire,
  depth: number,
): void {
  if (type.kind === "list") {
    const list = (result[name] ?? []) as unknown[];
    list.push(...items(walk, type.of, wire, depth));
    result[name] = list;
  } else if (type.kind === "map") {
    const entry = new Map(fieldsOf(bufferOf(wire)));
    const map = (result[name] ?? {}) as Record<string, unknown>;
    const value = mapValue(walk, type.of, entry.get(2), depth);
    // Plain assignment of "__proto__" would set the prototype; maps compare as equal to those read from JSON.
    Object.defineProperty(map, bufferOf(entry.get(1)).toString(), {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
    result[name] = map;
  } else {
    const value = readValue(walk, type, wire, depth);
    if (value !== undefined && !(isZero(value) && !STATED.has(name))) result[name] = value;
  }
}

const isZero = (value: unknown): boolean => value === "" || value === 0 || value === false;

/** Optional fields whose zero says something: pointers in Go. */
const STATED: ReadonlySet<string> = new Set(
  `activeDeadlineSeconds allocateLoadBalancerNodePorts allowPrivilegeEscalation automountServiceAccountToken
  averageUtilization backoffLimit backoffLimitPerIndex blockOwnerDeletion completions controller defaultMode
  deletionGracePeriodSeconds enableServiceLinks expirationSeconds failedJobsHistoryLimit fsGroup globalDefault
  gracePeriodSeconds hostUsers immutable intVal manualSelector maxFailedIndexes maxReplicas minReplicas mode optional
  orphanDependents parallelism partition priority privileged progressDeadlineSeconds readOnlyRootFilesystem
  ready replicas revisionHistoryLimit runAsGroup runAsNonRoot runAsUser serving setHostnameAsFQDN
  shareProcessNamespace stabilizationWindowSeconds startingDeadlineSeconds storageClassName successfulJobsHistoryLimit
  suspend terminating terminationGracePeriodSeconds tolerationSeconds ttlSecondsAfterFinished value weight`.split(
    /\s+/,
  ),
);

/** Numbers may be packed into one value. */
function items(walk: Walk, type: FieldType, wire: Wire, depth: number): unknown[] {
  const packed = (type.kind === "int32" || type.kind === "int64") && Buffer.isBuffer(wire);
  if (!packed) return [readValue(walk, type, wire, depth)];
  const numbers: unknown[] = [];
  for (let at = 0; at < wire.length; ) {
    let value = 0n;
    let shift = 0n;
    for (let byte = 0x80; byte >= 0x80; shift += 7n) {
      byte = wire[at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
    }
    numbers.push(integer(BigInt.asIntN(64, value)));
  }
  return numbers;
}

/** A list as a map's value is a message with the list as its first field. */
function mapValue(walk: Walk, type: FieldType, wire: Wire | undefined, depth: number): unknown {
  if (type.kind !== "list") return readValue(walk, type, wire ?? Buffer.alloc(0), depth);
  return [...fieldsOf(bufferOf(wire))].flatMap(([, item]) => items(walk, type.of, item, depth));
}

const integer = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};

function readValue(walk: Walk, type: FieldType, wire: Wire, depth: number): unknown {
  switch (type.kind) {
    case "string":
      return bufferOf(wire).toString();
    case "boolean":
      return wire !== 0n;
    case "int32":
    case "int64":
      return typeof wire === "bigint" ? integer(wire) : wire;
    case "double":
      return Number(wire as number);
    case "bytes":
      return bufferOf(wire).toString("base64");
    case "message":
      return readMessage(walk, type.name, bufferOf(wire), depth + 1);
    case "raw":
    case "deduced":
      return rawJson(bufferOf(wire));
    case "list":
    case "map":
      throw malformed(`a ${type.kind} inside a list`);
    default:
      return special[type.kind](new Map(fieldsOf(bufferOf(wire))));
  }
}

function rawJson(bytes: Buffer): unknown {
  const [field] = fieldsOf(bytes);
  if (!field) return undefined;
  try {
    return parseJson(bufferOf(field[1]).toString());
  } catch (error) {
    throw malformed(error instanceof Error ? error.message : String(error));
  }
}

type Parts = ReadonlyMap<number, Wire>;

/** Types that are a message on the wire and one value in JSON. */
const special = {
  quantity: (parts: Parts) => bufferOf(parts.get(1)).toString(),
  intOrString: (parts: Parts) => (parts.get(1) ? bufferOf(parts.get(3)).toString() : Number(parts.get(2) ?? 0)),
  time: (parts: Parts) => timeOf(parts)?.replace(/\.\d+Z$/, "Z"),
  microTime: (parts: Parts) => timeOf(parts),
  duration: (parts: Parts) => `${Number(parts.get(1) ?? 0) / 1e9}s`,
} as const;

/** Undefined for Go's zero time, which is written without seconds. */
function timeOf(parts: Parts): string | undefined {
  const seconds = parts.get(1);
  if (seconds === undefined) return undefined;
  const micros = Math.floor(Number(parts.get(2) ?? 0) / 1000);
  const text = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return `${text}.${String(micros).padStart(6, "0")}Z`;
}
