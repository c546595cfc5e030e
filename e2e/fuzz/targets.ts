/**
 * Targets: every resource that requests can name: the rows of the table, and custom kinds with rich schemas.
 */
import type { Loose } from "../../apiserver/resources/sample-objects.ts";
import { builtinResources } from "../../apiserver/resources/table.ts";
import { sampleOf } from "./samples.ts";

export interface Target {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly custom: boolean;
  readonly verbs: readonly string[];
  readonly subresources: readonly string[];
  readonly sample: Loose;
}

export const apiVersionOf = ({ group, version }: Pick<Target, "group" | "version">): string =>
  group === "" ? version : `${group}/${version}`;

export function collectionPath(target: Target, namespace = "default"): string {
  const root = target.group === "" ? `/api/${target.version}` : `/apis/${target.group}/${target.version}`;
  return `${root}${target.namespaced ? `/namespaces/${namespace}` : ""}/${target.plural}`;
}

/** A good object of the target with this name, unless the sample has one of its own. */
export function objectOf(target: Target, name: string): Loose {
  const { metadata = {}, ...rest } = structuredClone(target.sample);
  return {
    apiVersion: apiVersionOf(target),
    kind: target.kind,
    ...rest,
    metadata: { name, labels: { a: "b" }, annotations: { c: "d" }, ...(metadata as Loose) },
  };
}

const ALL = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

const builtin: readonly Target[] = builtinResources.map((row) => ({
  group: row.group,
  version: row.version,
  plural: row.plural,
  kind: row.kind,
  namespaced: row.namespaced,
  custom: false,
  verbs: row.verbs,
  subresources: [
    ...(row.hasStatus ? ["status"] : []),
    ...(row.scale ? ["scale"] : []),
    ...row.subresources.map(({ name }) => name),
  ],
  sample: sampleOf(row.group, row.plural),
}));

const text = { type: "string" };
const spec: Loose = {
  type: "object",
  required: ["size"],
  properties: {
    size: { type: "integer", format: "int32", minimum: 1, maximum: 100, default: 3 },
    share: { type: "number", multipleOf: 0.5, exclusiveMinimum: true, minimum: 0 },
    when: { type: "string", format: "date-time" },
    address: { type: "string", format: "ipv4", nullable: true },
    blob: { type: "string", format: "byte", maxLength: 40 },
    name: { type: "string", pattern: "^([a-z]+)+$", minLength: 1 },
    mode: { type: "string", enum: ["A", "B"], default: "A" },
    port: { "x-kubernetes-int-or-string": true },
    free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    embedded: {
      type: "object",
      "x-kubernetes-embedded-resource": true,
      "x-kubernetes-preserve-unknown-fields": true,
    },
    set: { type: "array", maxItems: 20, items: { ...text, maxLength: 30 }, "x-kubernetes-list-type": "set" },
    map: { type: "object", additionalProperties: { type: "integer" }, maxProperties: 10 },
    parts: {
      type: "array",
      maxItems: 10,
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["key"],
      items: {
        type: "object",
        required: ["key"],
        properties: { key: { ...text, maxLength: 30 }, value: { type: "integer", default: 1 } },
        "x-kubernetes-validations": [{ rule: "self.value >= 0", reason: "FieldValueForbidden", fieldPath: ".value" }],
      },
    },
    tuple: { type: "object", "x-kubernetes-map-type": "atomic", properties: { a: text, b: text } },
    either: { type: "object", properties: { a: text, b: text }, oneOf: [{ required: ["a"] }, { required: ["b"] }] },
  },
  "x-kubernetes-validations": [
    { rule: "!has(self.set) || self.set.all(x, size(x) < 20)", messageExpression: "'one of them ' + 'is too long'" },
    { rule: "self.size >= oldSelf.size - 50", message: "shrinks too fast" },
    { rule: "!has(self.port) || type(self.port) == int || self.port.matches('^[a-z]+$')" },
  ],
};
const status: Loose = {
  type: "object",
  properties: { replicas: { type: "integer" }, selector: text, free: { "x-kubernetes-preserve-unknown-fields": true } },
};
const schema: Loose = { openAPIV3Schema: { type: "object", required: ["spec"], properties: { spec, status } } };
const subresources: Loose = {
  status: {},
  scale: {
    specReplicasPath: ".spec.size",
    statusReplicasPath: ".status.replicas",
    labelSelectorPath: ".status.selector",
  },
};
const things = {
  schema,
  subresources,
  additionalPrinterColumns: [
    { name: "Size", type: "integer", jsonPath: ".spec.size" },
    { name: "Parts", type: "string", jsonPath: ".spec.parts[*].key" },
    { name: "When", type: "date", jsonPath: ".spec.when" },
    { name: "Free", type: "number", jsonPath: ".spec.free.x" },
  ],
  selectableFields: [{ jsonPath: ".spec.mode" }, { jsonPath: ".spec.size" }],
};
const open = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };

/** Made before the requests that speak of them. */
export const definitions: readonly Loose[] = [
  {
    metadata: { name: "things.fuzz.example" },
    spec: {
      group: "fuzz.example",
      scope: "Namespaced",
      names: { kind: "Thing", plural: "things", shortNames: ["th"], categories: ["all"] },
      versions: [
        { name: "v1", served: true, storage: true, ...things },
        { name: "v2", served: true, storage: false, deprecated: true, ...things },
      ],
    },
  },
  {
    metadata: { name: "gadgets.fuzz.example" },
    spec: {
      group: "fuzz.example",
      scope: "Cluster",
      names: { kind: "Gadget", plural: "gadgets" },
      versions: [{ name: "v1alpha1", served: true, storage: true, schema: open }],
    },
  },
];

const thing: Loose = {
  spec: {
    size: 5,
    share: 1.5,
    when: "2026-01-02T03:04:05Z",
    address: "10.0.0.1",
    blob: "AAEC",
    name: "abc",
    port: "http",
    free: { x: [1, { y: null }] },
    embedded: { apiVersion: "v1", kind: "Pod", metadata: { name: "e" }, spec: {} },
    set: ["a", "b"],
    map: { a: 1 },
    parts: [{ key: "k", value: 2 }, { key: "l" }],
    tuple: { a: "1", b: "2" },
    either: { a: "x" },
  },
};
const custom = { group: "fuzz.example", custom: true, verbs: ALL };
const ofThings = { ...custom, plural: "things", kind: "Thing", namespaced: true, sample: thing };

export const targets: readonly Target[] = [
  ...builtin,
  { ...ofThings, version: "v1", subresources: ["status", "scale"] },
  { ...ofThings, version: "v2", subresources: ["status", "scale"] },
  {
    ...custom,
    version: "v1alpha1",
    plural: "gadgets",
    kind: "Gadget",
    namespaced: false,
    subresources: [],
    sample: { spec: { a: { b: [1, "x", null] } }, other: true },
  },
];
