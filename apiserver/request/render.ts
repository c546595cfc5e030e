/**
 * Render: an answer whose body is an object or a list becomes bytes in the form that was negotiated.
 *
 * The one place where YAML, protobuf and JSON for people are written; compact JSON stays what the step made.
 * Long lists are written item by item, in slices, so that nobody else has to wait.
 */
import type { ResponseBody, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import { writeYaml } from "../../machinery/yaml-writer.ts";
import type { Protobuf } from "../schema/protobuf.ts";
import { MEDIA_TYPES, type Media, type Negotiated } from "./negotiate.ts";

type ObjectBody = ResponseBody & { readonly kind: "object" };
type Encode = (body: ObjectBody, protobuf: Protobuf) => Iterable<Uint8Array>;

export function render(
  response: ResponseRecord,
  { media, pretty }: Pick<Negotiated, "media" | "pretty">,
  protobuf: Protobuf,
): ResponseRecord {
  const { body, headers } = response;
  // What has another type already was made for it.
  if (body.kind !== "object" || (media === "json" && !pretty) || headers["content-type"] !== MEDIA_TYPES.json)
    return response;
  if (media === "protobuf") writable(body, protobuf);
  return {
    ...response,
    headers: { ...headers, "content-type": MEDIA_TYPES[media] },
    body: { ...body, encoded: () => encoders[media](body, protobuf) },
  };
}

const encoders: Readonly<Record<Media, Encode>> = {
  json: ({ value }) => prettyJson(value()),
  yaml: ({ value }) => yaml(value()),
  protobuf: ({ value }, protobuf) => [protobuf.write(typed(value() as Partial<Typed>))],
};

interface Typed {
  readonly apiVersion: string;
  readonly kind: string;
}

/** The documents of discovery's core group name no version. */
const typed = (value: Partial<Typed>): Typed => ({
  ...value,
  apiVersion: value.apiVersion ?? "v1",
  kind: value.kind ?? "",
});

/** As Kubernetes says it of kinds that know JSON alone. */
function writable(body: ObjectBody, protobuf: Protobuf): void {
  const value = typed(body.value() as Partial<Typed>);
  if (protobuf.canWrite(value)) return;
  throw new ApiError(
    "NotAcceptable",
    `object ${value.kind} does not implement the protobuf marshalling interface and cannot be encoded to a protobuf message`,
  );
}

interface List {
  readonly items: readonly unknown[];
}

const isLong = (value: unknown): value is List =>
  typeof value === "object" &&
  value !== null &&
  Array.isArray((value as List).items) &&
  (value as List).items.length > 1;

function* prettyJson(value: unknown): Iterable<Uint8Array> {
  if (!isLong(value)) return yield Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
  const { items, ...rest } = value;
  const head = JSON.stringify(rest, undefined, 2).slice(0, -2);
  yield Buffer.from(`${head}${head === "" ? "{" : ","}\n  "items": [\n`);
  for (const [index, item] of items.entries()) {
    const text = JSON.stringify(item, undefined, 2).replaceAll("\n", "\n    ");
    yield Buffer.from(`    ${text}${index < items.length - 1 ? "," : ""}\n`);
  }
  yield Buffer.from("  ]\n}\n");
}

function* yaml(value: unknown): Iterable<Uint8Array> {
  if (!isLong(value)) return yield Buffer.from(writeYaml(value));
  const { items, ...rest } = value;
  yield Buffer.from(`${writeYaml(rest)}items:\n`);
  for (const item of items) yield Buffer.from(writeYaml([item]));
}
