/** Bodies of requests: whole ones, wrong ones, and what decoding may never change. */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { integerOf } from "../../machinery/objects/json.ts";
import type { FieldType, Message, Schema } from "./contract.ts";
import { cannotBeHandled, createDecoders, type Decoder, type Decoders, strictErrors } from "./decode.ts";
import { readJson } from "./json.ts";
import { loadSchema } from "./load.ts";
import { deployment, samples } from "./samples.cases.ts";
import { DecodeError, zeroOf } from "./scalars.ts";

let schema: Schema;
let decoders: Decoders;
const copy = <T>(value: T): T => structuredClone(value);

beforeAll(async () => {
  schema = await loadSchema();
  decoders = createDecoders(schema);
});

function decodeText(decode: Decoder, text: string) {
  const { value, duplicates } = readJson(text);
  return { ...decode(value), duplicates };
}

function decoderOf(apiVersion: string, kind: string): Decoder {
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  return decoders(schema.kind(group!, version!, kind)!.name);
}

const decodePod = (spec: object) => decoderOf("v1", "Pod")({ apiVersion: "v1", kind: "Pod", spec });
const decodeDeployment = (spec: object) => decoderOf("apps/v1", "Deployment")({ spec });

test.each(samples.map((sample) => [sample.kind, sample] as const))("a %s comes back as it was", (_kind, sample) => {
  const { value, unknown } = decoderOf(sample.apiVersion, sample.kind)(copy(sample));
  expect(unknown).toEqual([]);
  expect(value).toEqual(sample);
});

describe("values that have several spellings", () => {
  test("are kept as Kubernetes writes them", () => {
    const { value } = decodePod({
      containers: [
        { resources: { limits: { cpu: 1, memory: "1024Mi", "example.com/x": 0.5 }, requests: { cpu: "0.5" } } },
      ],
    });
    expect(value).toMatchObject({
      spec: {
        containers: [
          { resources: { limits: { cpu: "1", memory: "1Gi", "example.com/x": "500m" }, requests: { cpu: "500m" } } },
        ],
      },
    });
  });

  test("as times come back in UTC with the digits of their type", () => {
    const decode = decoderOf("v1", "Event");
    const times = { firstTimestamp: "2026-01-02T03:04:05.987+02:00", eventTime: "2026-01-02T03:04:05.9Z" };
    expect(decode(times).value).toEqual({
      firstTimestamp: "2026-01-02T01:04:05Z",
      eventTime: "2026-01-02T03:04:05.900000Z",
    });
  });

  test("int64 beyond 2^53 survive the way from text to text", () => {
    const text = '{"spec":{"activeDeadlineSeconds":9223372036854775807}}';
    expect(JSON.stringify(decodeText(decoderOf("v1", "Pod"), text).value)).toBe(text);
  });
});

describe("null", () => {
  test("in a field means absent", () => {
    const { value } = decoderOf(
      "apps/v1",
      "Deployment",
    )({ metadata: { creationTimestamp: null }, spec: { replicas: null }, status: null });
    expect(value).toEqual({ metadata: {}, spec: {} });
  });

  test("as an item or a map's value is the zero value", () => {
    const { value } = decoderOf(
      "v1",
      "Pod",
    )({ metadata: { labels: { a: null } }, spec: { containers: [null, { args: [null] }] } });
    expect(value).toEqual({ metadata: { labels: { a: "" } }, spec: { containers: [{}, { args: [""] }] } });
  });
});

describe("fields that the type does not have", () => {
  test("are taken out and named with their place", () => {
    const body = copy(deployment) as unknown as {
      spec: { template: { spec: Record<string, unknown> } };
      extra: number;
    };
    body.spec.template.spec["contaners"] = [];
    body.spec.template.spec["containers"] = [{ name: "a", Image: "x" }];
    body.extra = 1;
    const decoded = decoderOf("apps/v1", "Deployment")(body);
    expect(strictErrors({ ...decoded, duplicates: [] })).toEqual([
      'unknown field "spec.template.spec.containers[0].Image"',
      'unknown field "spec.template.spec.contaners"',
      'unknown field "extra"',
    ]);
    expect(decoded.value).toMatchObject({ spec: { template: { spec: { containers: [{ name: "a" }] } } } });
    expect(JSON.stringify(decoded.value)).not.toMatch(/contaners|Image|extra/);
  });

  test("together with keys given twice make one 400", () => {
    const text = '{"spec":{"replicas":1,"replicas":2,"foo":1}}';
    const errors = strictErrors(decodeText(decoderOf("apps/v1", "Deployment"), text));
    expect(cannotBeHandled("Deployment", "v1", errors)).toMatchObject({
      code: 400,
      reason: "BadRequest",
      message:
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: ' +
        'unknown field "spec.foo", duplicate field "spec.replicas"',
    });
  });

  test("inside maps and of embedded structs are told apart", () => {
    const { unknown } = decoderOf("v1", "Pod")({ spec: { volumes: [{ name: "a", volumeSource: {}, emptyDir: {} }] } });
    expect(unknown).toEqual(["spec.volumes[0].volumeSource"]);
  });

  test("are named a hundred times at most", () => {
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`x${at}`, 1]));
    expect(decodePod(many).unknown).toHaveLength(100);
  });

  test("stay in values that hold any JSON", () => {
    const decode = decoderOf("apps/v1", "ControllerRevision");
    const value = { data: { spec: { anything: [null, { at: "all" }] } }, revision: 1 };
    expect(decode(copy(value))).toMatchObject({ value, unknown: [] });
  });
});

describe("a wrong type is refused in Go's words:", () => {
  const field = (path: string, found: string, wanted: string) =>
    `json: cannot unmarshal ${found} into Go struct field ${path} of type ${wanted}`;

  test.each([
    [{ replicas: "3" }, field("DeploymentSpec.spec.replicas", "string", "int32")],
    [{ replicas: 1.5 }, field("DeploymentSpec.spec.replicas", "number 1.5", "int32")],
    [
      { replicas: integerOf(9007199254740993n) },
      field("DeploymentSpec.spec.replicas", "number 9007199254740993", "int32"),
    ],
    [{ replicas: 3_000_000_000 }, field("DeploymentSpec.spec.replicas", "number 3000000000", "int32")],
    [{ template: integerOf(2n ** 60n) }, field("DeploymentSpec.spec.template", "number", "v1.PodTemplateSpec")],
    [{ progressDeadlineSeconds: "1" }, field("DeploymentSpec.spec.progressDeadlineSeconds", "string", "int32")],
    [{ paused: 1 }, field("DeploymentSpec.spec.paused", "number", "bool")],
    [{ template: [] }, field("DeploymentSpec.spec.template", "array", "v1.PodTemplateSpec")],
    [
      { template: { spec: { containers: {} } } },
      field("PodSpec.spec.template.spec.containers", "object", "[]v1.Container"),
    ],
    [
      { template: { spec: { containers: ["a"] } } },
      field("PodSpec.spec.template.spec.containers", "string", "v1.Container"),
    ],
    [
      { template: { spec: { containers: [{ ports: [{ containerPort: "80" }] }] } } },
      field("ContainerPort.spec.template.spec.containers.ports.containerPort", "string", "int32"),
    ],
    [
      { template: { spec: { restartPolicy: 1 } } },
      field("PodSpec.spec.template.spec.restartPolicy", "number", "v1.RestartPolicy"),
    ],
    [
      { template: { metadata: { labels: { a: 1 } } } },
      field("ObjectMeta.spec.template.metadata.labels", "number", "string"),
    ],
    [
      { template: { metadata: { labels: "a" } } },
      field("ObjectMeta.spec.template.metadata.labels", "string", "map[string]string"),
    ],
    [
      { strategy: { rollingUpdate: { maxSurge: true } } },
      field("RollingUpdateDeployment.spec.strategy.rollingUpdate.maxSurge", "bool", "int32"),
    ],
    [
      { template: { metadata: { creationTimestamp: 1 } } },
      field("ObjectMeta.spec.template.metadata.creationTimestamp", "number", "string"),
    ],
    [
      { template: { metadata: { creationTimestamp: "yesterday" } } },
      'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
    ],
    [
      { template: { metadata: { creationTimestamp: "2026-02-30T00:00:00Z" } } },
      'parsing time "2026-02-30T00:00:00Z": day out of range',
    ],
    [
      { template: { spec: { containers: [{ resources: { limits: { cpu: "lots" } } }] } } },
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
  ])("%j", (spec, message) => {
    expect(() => decodeDeployment(spec)).toThrow(new DecodeError(message));
  });

  test("base64 that is none", () => {
    const decode = decoderOf("v1", "Secret");
    expect(() => decode({ data: { a: "no*base" } })).toThrow("illegal base64 data at input byte 2");
    expect(() => decode({ data: { a: "YWI" } })).toThrow("illegal base64 data at input byte 0");
    expect(() => decode({ data: { a: 1 } })).toThrow(field("Secret.data", "number", "[]uint8"));
  });

  test("a body that is no object", () => {
    expect(() => decoderOf("v1", "Pod")([])).toThrow("json: cannot unmarshal array into Go value of type v1.Pod");
  });
});

test("an object with all fields of a kind is decoded, for every kind", () => {
  for (const message of schema.messages()) {
    const value = full(message, 4);
    const { value: decoded, unknown } = decoders(message.name)<object>(copy(value));
    expect(unknown, message.name).toEqual([]);
    expect(decoded, message.name).toEqual(value);
  }
});

/** A value with every field set to its zero value, down to a depth. */
function full(message: Message, depth: number): object {
  return Object.fromEntries([...message.fields.values()].map((field) => [field.name, fullValue(field.type, depth)]));
}

function fullValue(type: FieldType, depth: number): unknown {
  if (type.kind === "raw") return type.name.includes("JSONSchemaProps") ? {} : { any: ["thing"] };
  if (type.kind === "list") return [fullValue(type.of, depth)];
  if (type.kind === "map") return { key: fullValue(type.of, depth) };
  if (type.kind === "message") return depth === 0 ? {} : full(schema.message(type.name)!, depth - 1);
  return zeroOf(type)();
}

test("decoding what was decoded changes nothing, whatever the body", () => {
  const keys = fc.constantFrom(
    "metadata",
    "spec",
    "containers",
    "labels",
    "name",
    "image",
    "resources",
    "limits",
    "cpu",
    "env",
    "x",
  );
  const body = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.constant(null),
      fc.string(),
      fc.integer(),
      fc.boolean(),
      tie("object"),
      fc.array(tie("value"), { maxLength: 3 }),
    ),
    object: fc.dictionary(keys, tie("value"), { maxKeys: 5 }),
  })).object;
  const decode = decoderOf("v1", "Pod");
  fc.assert(
    fc.property(body, (candidate) => {
      let once: unknown;
      try {
        once = decode(copy(candidate)).value;
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
        return;
      }
      const twice = decode(copy(once));
      expect(twice).toMatchObject({ unknown: [] });
      expect(twice.value).toEqual(once);
    }),
    { numRuns: 500 },
  );
});
