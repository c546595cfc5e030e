/** Protobuf there and back: for every kind, against protobufjs, and for what clients send that is none. */
import fc from "fast-check";
import protobufjs from "protobufjs";
import { beforeAll, describe, expect, test } from "vitest";
import type { Schema } from "./contract.ts";
import { loadSchema } from "./load.ts";
import { messageOf, protobufjsTypes } from "./protobuf.cases.ts";
import { createProtobuf, type Protobuf } from "./protobuf.ts";
import { ProtobufError } from "./protobuf-input.ts";
import { samples } from "./samples.cases.ts";

let schema: Schema;
let protobuf: Protobuf;
beforeAll(async () => {
  schema = await loadSchema();
  protobuf = createProtobuf(schema);
});

/** The message inside an envelope, as protobufjs reads it. */
const unknown = protobufjs.Root.fromJSON({
  nested: {
    TypeMeta: { fields: { apiVersion: { type: "string", id: 1 }, kind: { type: "string", id: 2 } } },
    Unknown: {
      fields: {
        typeMeta: { type: "TypeMeta", id: 1 },
        raw: { type: "bytes", id: 2 },
        contentEncoding: { type: "string", id: 3 },
        contentType: { type: "string", id: 4 },
      },
    },
    WatchEvent: { fields: { type: { type: "string", id: 1 }, object: { type: "RawExtension", id: 2 } } },
    RawExtension: { fields: { raw: { type: "bytes", id: 1 } } },
  },
});

interface Envelope {
  readonly typeMeta: { readonly apiVersion: string; readonly kind: string };
  readonly raw: Uint8Array;
}
const opened = (bytes: Uint8Array): Envelope => {
  expect(Buffer.from(bytes.subarray(0, 4)).toString("latin1")).toBe("k8s\0");
  return unknown.lookupType("Unknown").decode(bytes.subarray(4)) as unknown as Envelope;
};

test("samples come back as they were", () => {
  for (const sample of samples) expect(protobuf.read(protobuf.write(sample))).toEqual(sample);
});

test("objects of every kind come back as they were, also through protobufjs", () => {
  const types = protobufjsTypes();
  let kinds = 0;
  for (const { name } of schema.messages()) {
    const type = schema.kindOf(name);
    const values = type && messageOf(schema, name);
    if (!type || !values) continue;
    kinds++;
    const apiVersion = type.group === "" ? type.version : `${type.group}/${type.version}`;
    const reference = types(name);
    fc.assert(
      fc.property(values, (fields) => {
        const object = { apiVersion, kind: type.kind, ...fields };
        const bytes = protobuf.write(object);
        expect(protobuf.read(bytes)).toEqual(object);
        const { raw, typeMeta } = opened(bytes);
        expect(typeMeta).toMatchObject({ apiVersion, kind: type.kind });
        const again = reference.encode(reference.decode(raw)).finish();
        expect(protobuf.read(protobuf.wrap(object, again))).toEqual(object);
      }),
      { numRuns: 12 },
    );
  }
  expect(kinds).toBeGreaterThan(120);
});

describe("zeros", () => {
  const read = (spec: object, kind = "Pod") =>
    protobuf.read(protobuf.write({ apiVersion: kind === "Pod" ? "v1" : "apps/v1", kind, spec } as never))["spec"];
  test.each([
    ["of pointers are statements", { automountServiceAccountToken: false, priority: 0 }],
    ["of values that JSON always shows stay", { containers: [{ name: "" }] }],
    ["inside lists and maps stay", { nodeSelector: { a: "" }, containers: [{ name: "a", args: [""] }] }],
  ])("%s", (_name, spec) => {
    expect(read(spec)).toEqual(spec);
  });
  test("of other values are left out", () => {
    expect(read({ hostNetwork: false, nodeName: "", subdomain: "x" })).toEqual({ subdomain: "x" });
  });
  test("of a rolling update are statements", () => {
    const strategy = { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } };
    expect(read({ replicas: 0, strategy }, "Deployment")).toEqual({ replicas: 0, strategy });
  });
});

test("equal objects are equal bytes, whatever the order of their keys", () => {
  const one = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { a: "1", b: "2", c: "3" } };
  const other = { kind: "ConfigMap", data: { c: "3", a: "1", b: "2" }, metadata: { name: "a" }, apiVersion: "v1" };
  expect(Buffer.from(protobuf.write(one)).equals(protobuf.write(other))).toBe(true);
});

test("integers keep their digits", () => {
  const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", spec: { leaseDurationSeconds: -1 } };
  expect(protobuf.read(protobuf.write(lease))).toEqual(lease);
  const text = '{"apiVersion":"v1","kind":"Pod","metadata":{"generation":9223372036854775807}}';
  const big = JSON.parse(text, (key, value, context?: { source: string }) =>
    key === "generation" ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(context!.source) : value,
  );
  expect(JSON.stringify(protobuf.read(protobuf.write(big)))).toBe(text);
});

test("a list in slices is the list at once", () => {
  const list = { apiVersion: "v1", kind: "PodList", metadata: { resourceVersion: "7", continue: "x" } };
  const items = Array.from({ length: 500 }, (_, index) => ({
    metadata: { name: `pod-${index}`, annotations: { text: "x".repeat(index) } },
  }));
  const written = items.map((item) => protobuf.item.encode({ apiVersion: "v1", kind: "Pod", ...item }));
  const sliced: Buffer[] = [];
  const slices = protobuf
    .writeList(
      list,
      written.map(({ length }) => length),
      (at) => written[at]!,
    )
    [Symbol.iterator]() as Iterator<Uint8Array, void, boolean>;
  for (let next = slices.next(); !next.done; next = slices.next(true)) sliced.push(Buffer.from(next.value));
  expect(sliced.length).toBeGreaterThan(2);
  expect(Buffer.concat(sliced).equals(protobuf.write({ ...list, items } as never))).toBe(true);
  expect(protobuf.read(Buffer.concat(sliced))).toEqual({ ...list, items });
});

test("a watch frame is a length and an event about an object in its envelope", () => {
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "a" } };
  const frame = Buffer.from(protobuf.watchFrame("ADDED", protobuf.write(pod)));
  expect(frame.readUInt32BE(0)).toBe(frame.length - 4);
  const event = unknown.lookupType("WatchEvent").decode(frame.subarray(4)) as unknown as {
    type: string;
    object: { raw: Uint8Array };
  };
  expect(event.type).toBe("ADDED");
  expect(protobuf.read(event.object.raw)).toEqual(pod);
});

test.each([
  ["Table", "meta.k8s.io/v1", false],
  ["PartialObjectMetadata", "meta.k8s.io/v1", true],
  ["PartialObjectMetadataList", "meta.k8s.io/v1", true],
  ["Status", "v1", true],
  ["Scale", "autoscaling/v1", true],
  ["TokenRequest", "authentication.k8s.io/v1", true],
  ["APIResourceList", "v1", true],
  ["Book", "example.com/v1", false],
])("%s has a protobuf form: %s, %s", (kind, apiVersion, has) => {
  expect(protobuf.canWrite({ kind, apiVersion })).toBe(has);
});

describe("what is no message", () => {
  test.each([
    ["without the prefix", Buffer.from("{}"), /expected prefix \[107 56 115 0\]/],
    ["that ends too early", Buffer.from("k8s\0\x0a\x20v1"), /unexpected EOF/],
    ["with a field of another type", envelope("v1", "Pod", "\x08\x01"), /wrong wireType = 0 for field Metadata/],
  ])("%s is refused", (_name, bytes, message) => {
    expect(() => protobuf.read(bytes)).toThrow(message);
  });

  test("of a kind that is not there is told by its name alone", () => {
    expect(protobuf.read(envelope("v1", "Nothing"))).toEqual({ apiVersion: "v1", kind: "Nothing" });
  });

  test("never does more than be refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
        const bytes = envelope("v1", "Pod", Buffer.from(noise).toString("latin1"));
        try {
          protobuf.read(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtobufError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

function envelope(apiVersion: string, kind: string, raw = ""): Buffer {
  const text = (tag: number, value: string) => Buffer.from([tag, value.length, ...Buffer.from(value, "latin1")]);
  const type = Buffer.concat([text(0x0a, apiVersion), text(0x12, kind)]);
  return Buffer.concat([Buffer.from("k8s\0"), text(0x0a, type.toString("latin1")), text(0x12, raw)]);
}
