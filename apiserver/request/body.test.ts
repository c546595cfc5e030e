/** Bodies: what a client is told of a body that is no object, or not the one that is expected, in Kubernetes' words. */
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytesOf, type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { loadSchema } from "../schema/load.ts";
import { createProtobuf } from "../schema/protobuf.ts";

const PROTOBUF = "application/vnd.kubernetes.protobuf";
const MAPS = "/api/v1/namespaces/default/configmaps";
const NONE = "couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

async function send(body: string | Uint8Array, type = "application/json", method = "POST", path = MAPS) {
  const bytes = Buffer.from(body);
  const response = await pipeline.handler({
    method,
    path,
    query: new URLSearchParams({ dryRun: "All" }),
    headers: { "content-type": type },
    body: bytes.length === 0 ? { kind: "none" } : { kind: "bytes", bytes },
    peer: { kind: "certificate", user: "admin", groups: ["system:masters"] },
    upgrade: false,
    signal: new AbortController().signal,
  });
  const { message, ...rest } = JSON.parse(bytesOf(response.body)!.toString());
  return { status: response.status, message: message as string, object: rest };
}

const hex = (bytes: string | Uint8Array) => {
  const text = Buffer.from(bytes).toString("hex");
  return text.length > 60 ? `${text.slice(0, 60)} ...` : text;
};
const unrecognized = (why: string, bytes: string | Uint8Array, kind = "ConfigMap") =>
  `the object provided is unrecognized (must be of type ${kind}): ${why} (${bytes})`;
const syntax = (why: string) => `couldn't get version/kind; json parse error: ${why}`;

describe("JSON", () => {
  const object = '{"metadata":{"name":"x"}}';
  const packed = gzipSync(object);
  test.each([
    ["nothing", "", syntax("unexpected end of JSON input"), "<empty>"],
    ["half an object", '{"a":', syntax("unexpected end of JSON input"), '{"a":'],
    ["a long one", `{"a":"${"b".repeat(40)}`, syntax("unexpected end of JSON input"), `{"a":"${"b".repeat(24)} ...`],
    ["a text", "hello", syntax("invalid character 'h' looking for beginning of value"), hex("hello")],
    ["something after it", `${object}x`, syntax("invalid character 'x' after top-level value"), `${object}x`],
    [
      "two of them",
      `${object}\n${object}`,
      syntax("invalid character '{' after top-level value"),
      `${object}\n{"me ...`,
    ],
    [
      "gzip, which is not unpacked",
      packed,
      syntax("invalid character '\\x1f' looking for beginning of value"),
      hex(packed),
    ],
    [
      "a byte order mark",
      `\ufeff${object}`,
      syntax("invalid character 'ï' looking for beginning of value"),
      hex(`\ufeff${object}`),
    ],
    [
      "UTF-16",
      Buffer.from(`\ufeff{}`, "utf16le"),
      syntax("invalid character 'ÿ' looking for beginning of value"),
      "fffe7b007d00",
    ],
    ["a zero byte", "\0", syntax("invalid character '\\x00' looking for beginning of value"), "00"],
    [
      "a list",
      "[1]",
      syntax(
        'json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }',
      ),
      "5b315d",
    ],
    [
      "a kind that is a number",
      '{"kind":1}',
      syntax("json: cannot unmarshal number into Go struct field .kind of type string"),
      '{"kind":1}',
    ],
    [
      "a version of three parts",
      '{"apiVersion":"a/b/c"}',
      "unexpected GroupVersion string: a/b/c",
      '{"apiVersion":"a/b/c"}',
    ],
  ])("of %s is unrecognized", async (_what, body, why, shown) => {
    expect(await send(body)).toMatchObject({ status: 400, message: unrecognized(why, shown) });
  });

  test("nested too deeply is refused", async () => {
    const { status, message } = await send(`{"a":${"[".repeat(20_000)}${"]".repeat(20_000)}}`);
    expect([status, message]).toEqual([400, expect.stringContaining(syntax("exceeded max depth"))]);
  });

  test.each([
    [
      "another kind",
      "v1",
      "Secret",
      MAPS,
      'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion',
    ],
    [
      "another group's kind",
      "apps/v1",
      "Deployment",
      "/apis/batch/v1/namespaces/default/jobs",
      'Deployment in version "v1" cannot be handled as a Job: converting (v1.Deployment) to (batch.Job): unknown conversion',
    ],
    [
      "a kind that is none",
      "v1",
      "Nothing",
      MAPS,
      'Nothing in version "v1" cannot be handled as a ConfigMap: no kind "Nothing" is registered for version "v1" in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"',
    ],
    [
      "a version that is none",
      "apps/v1beta1",
      "Deployment",
      "/apis/apps/v1/namespaces/default/deployments",
      'Deployment in version "v1beta1" cannot be handled as a Deployment: no kind "Deployment" is registered for version "apps/v1beta1" in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"',
    ],
    [
      "another version that there is",
      "autoscaling/v2",
      "HorizontalPodAutoscaler",
      "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers",
      "the API version in the data (autoscaling/v2) does not match the expected API version (autoscaling/v1)",
    ],
  ])("of %s is told so", async (_what, apiVersion, kind, path, message) => {
    const body = JSON.stringify({ apiVersion, kind, metadata: { name: "x" } });
    expect(await send(body, "application/json", "POST", path)).toMatchObject({ status: 400, message });
  });

  test("null is an object without fields", async () => {
    const { status, message } = await send("null");
    expect([status, message]).toEqual([422, expect.stringContaining("name or generateName is required")]);
  });

  test("that is no UTF-8 has a replacement for each byte that is none, and for halves of surrogates", async () => {
    const text = (value: Uint8Array | string) =>
      Buffer.concat([Buffer.from('{"metadata":{"name":"x"},"data":{"a":"'), Buffer.from(value), Buffer.from('"}}')]);
    const read = async (value: Uint8Array | string) => (await send(text(value))).object.data.a;
    expect(await read(Uint8Array.of(0x61, 0xff, 0xe2, 0x82, 0x62))).toBe("a\ufffd\ufffd\ufffdb");
    expect(await read(Uint8Array.of(0xed, 0xa0, 0x80, 0xc3, 0xa4))).toBe("\ufffd\ufffd\ufffdä");
    expect(await read("\\ud800x\\ud83d\\ude00")).toBe("\ufffdx😀");
    expect(await read("\ufffdä")).toBe("\ufffdä");
  });
});

test.each(["POST", "PUT"])("%s with no body at all", async (method) => {
  const path = method === "POST" ? MAPS : `${MAPS}/x`;
  expect((await send("", "application/json", method, path)).message).toBe(
    `the object provided is unrecognized (must be of type ConfigMap): ${NONE}`,
  );
});

test.each([
  ["/api/v1/namespaces/default/serviceaccounts/default/token", "TokenRequest"],
  ["/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "SelfSubjectAccessReview"],
  ["/api/v1/namespaces/default/pods/x/eviction", "Eviction"],
  ["/api/v1/namespaces/default/pods/x/binding", "Binding"],
])("%s with no body at all", async (path, kind) => {
  expect((await send("", "application/json", "POST", path)).message).toBe(
    `the object provided is unrecognized (must be of type ${kind}): ${NONE}`,
  );
});

test("YAML that is none is told in its own words", async () => {
  const { status, message } = await send("a: [b: {", "application/yaml");
  expect([status, message]).toEqual([
    400,
    expect.stringMatching(/must be of type ConfigMap\): .*yaml: .* \(613a205b623a207b\)$/),
  ]);
});

describe("protobuf", async () => {
  const protobuf = createProtobuf(await loadSchema());
  const whole = protobuf.write({
    apiVersion: "v1",
    kind: "ConfigMap",
    ...{ metadata: { name: "x" }, data: { a: "b" } },
  });
  const broken = protobuf.wrap({ apiVersion: "v1", kind: "ConfigMap" }, Uint8Array.of(0x0a, 0x7f, 0x01));
  const secret = protobuf.write({ apiVersion: "v1", kind: "Secret", ...{ metadata: { name: "x" } } });
  const prefix = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";

  test.each([
    ["nothing", new Uint8Array(), unrecognized("empty data", "<empty>")],
    ["its prefix alone", whole.subarray(0, 4), unrecognized("empty body", "6b387300")],
    ["JSON", Buffer.from("{}"), unrecognized(prefix, "{}")],
    ["half an envelope", whole.subarray(0, 20), unrecognized("unexpected EOF", hex(whole.subarray(0, 20)))],
    ["a broken object", broken, 'ConfigMap in version "v1" cannot be handled as a ConfigMap: unexpected EOF'],
    [
      "another kind",
      secret,
      'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion',
    ],
  ])("of %s is refused", async (_what, body, message) => {
    expect(await send(body, PROTOBUF)).toMatchObject({ status: 400, message });
  });

  test("whose envelope names no type is what is expected", async () => {
    const untyped = protobuf.wrap(
      { apiVersion: "", kind: "" },
      protobuf.item.encode({ apiVersion: "v1", kind: "ConfigMap", ...{ metadata: { name: "x" } } }),
    );
    expect(await send(untyped, PROTOBUF)).toMatchObject({
      status: 201,
      object: { kind: "ConfigMap", metadata: { name: "x" } },
    });
  });

  test.each([...Array(whole.length).keys()])(
    "cut off after %i bytes is never a failure of the server",
    async (length) => {
      expect((await send(whole.subarray(0, length), PROTOBUF)).status).toBeLessThan(500);
    },
  );
});
