/**
 * Codec: between the runtime interface's JSON (kubelet/cri/messages.ts) and protobuf.
 *
 * The descriptor is data (kubelet/cri/cri-v1.json). Times stay decimal strings, all other 64-bit
 * integers become numbers, bytes base64; every scalar, list and map of an answer is there.
 */
import { readFileSync } from "node:fs";
import protobuf from "protobufjs/light.js";
import { CriError } from "../../cri/errors.ts";

export type MessageType = protobuf.Type;

/** The descriptor's root; reading it takes some milliseconds, so once a runtime. */
export function loadCri(): protobuf.Root {
  const text = readFileSync(new URL("../../cri/cri-v1.json", import.meta.url), "utf8");
  const root = protobuf.Root.fromJSON(JSON.parse(text) as protobuf.INamespace);
  root.resolveAll();
  return root;
}

export function encode(type: MessageType, value: object): Buffer {
  try {
    return Buffer.from(type.encode(type.fromObject(value)).finish());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CriError("InvalidArgument", `${type.name}: ${reason}`, { cause: error });
  }
}

export function decode(type: MessageType, bytes: Uint8Array): Record<string, unknown> {
  return plainMessage(type, type.decode(bytes));
}

type Fields = Readonly<Record<string, unknown>>;

function plainMessage(type: MessageType, message: protobuf.Message): Record<string, unknown> {
  const fields = message as unknown as Fields;
  const plain: Record<string, unknown> = {};
  for (const field of type.fieldsArray) {
    const value = fields[field.name];
    if (field.map) plain[field.name] = plainMap(field, (value ?? {}) as Fields);
    else if (field.repeated) plain[field.name] = ((value ?? []) as unknown[]).map((item) => plainValue(field, item));
    else if (!(field.resolvedType instanceof protobuf.Type)) plain[field.name] = plainValue(field, value);
    else if (value) plain[field.name] = plainMessage(field.resolvedType, value as protobuf.Message);
  }
  return plain;
}

function plainMap(field: protobuf.Field, map: Fields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, plainValue(field, value)]));
}

function plainValue(field: protobuf.Field, value: unknown): unknown {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Type) return plainMessage(resolvedType, value as protobuf.Message);
  if (resolvedType instanceof protobuf.Enum) return resolvedType.valuesById[value as number] ?? String(value);
  if (field.type === "bytes") return Buffer.from(value as Uint8Array).toString("base64");
  if (!field.type.endsWith("int64")) return value;
  return TIMES.has(field.name) ? String(value) : Number(value);
}

/** Fields in nanoseconds since 1970: they do not fit a number. */
const TIMES: ReadonlySet<string> = new Set(["createdAt", "startedAt", "finishedAt", "timestamp"]);
