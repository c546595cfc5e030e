import { describe, expect, test } from "vitest";
import { FieldErrors } from "../resources/field-errors.ts";
import type { Definition } from "./contract.ts";
import { definitionStrategy } from "./definition.ts";
import { validateDefinition, validateDefinitionUpdate } from "./definition-rules.ts";
import { type DefineOptions, definition, versionOf, withSpec } from "./fixture.ts";

const SCHEMA = "spec.validation.openAPIV3Schema";

function problems(options: DefineOptions): string[] {
  const object = definition(options);
  definitionStrategy.defaults?.(object as never);
  const errors = new FieldErrors();
  validateDefinition(object as unknown as Definition, undefined, errors);
  return errors.causes.map(({ field, message }) => `${field}: ${message}`);
}

const inSpec = (properties: Record<string, unknown>, more?: Record<string, unknown>) =>
  problems({ schema: withSpec(properties, more) });
const at = (path: string) => `${SCHEMA}.properties[spec].${path}`;

test("a definition without faults has none", () => {
  expect(problems({})).toEqual([]);
});

describe("names and versions", () => {
  test.each<[string, DefineOptions, string[]]>([
    [
      "another name than plural and group",
      { spec: { names: { plural: "others", kind: "Thing" } } },
      ['metadata.name: Invalid value: "things.example.com": must be spec.names.plural+"."+spec.group'],
    ],
    [
      "a group without a dot",
      { group: "example" },
      ['spec.group: Invalid value: "example": should be a domain with at least one dot'],
    ],
    [
      "an unknown scope",
      { scope: "Global" },
      ['spec.scope: Unsupported value: "Global": supported values: "Cluster", "Namespaced"'],
    ],
    [
      "kind and listKind alike",
      { spec: { names: { plural: "things", kind: "Thing", listKind: "Thing" } } },
      ['spec.names.listKind: Invalid value: "Thing": kind and listKind may not be the same'],
    ],
    [
      "a version without a schema",
      { versions: [{ name: "v1", served: true, storage: true }] },
      ["spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"],
    ],
    [
      "preserveUnknownFields",
      { spec: { preserveUnknownFields: true } },
      [
        "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
      ],
    ],
    [
      "a warning on a version that is not deprecated",
      { version: { deprecationWarning: "old" } },
      ['spec.versions[0].deprecationWarning: Invalid value: "old": can only be set for deprecated versions'],
    ],
    [
      "a group of Kubernetes' own without approval",
      { group: "things.k8s.io" },
      [
        'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
      ],
    ],
    [
      "a group of Kubernetes' own with approval",
      { group: "things.k8s.io", annotations: { "api-approved.kubernetes.io": "https://example.com/review" } },
      [],
    ],
  ])("%s", (_name, options, expected) => {
    expect(problems(options)).toEqual(expected);
  });

  test("no storage version, and two", () => {
    const version = (storage: boolean, name: string) => versionOf(name, { type: "object" }, { storage });
    for (const versions of [
      [version(false, "v1"), version(false, "v2")],
      [version(true, "v1"), version(true, "v2")],
    ]) {
      const [only] = problems({ versions });
      expect(only).toMatch(
        /^spec.versions: Invalid value: .*: must have exactly one version marked as storage version$/,
      );
    }
  });
});

describe("structural schemas", () => {
  test.each<[string, Record<string, unknown>, string[]]>([
    [
      "no type",
      { a: {} },
      [`${at("properties[a].type")}: Required value: must not be empty for specified object fields`],
    ],
    [
      "items without a type",
      { a: { type: "array", items: {} } },
      [`${at("properties[a].items.type")}: Required value: must not be empty for specified array items`],
    ],
    [
      "a list without items",
      { a: { type: "array" } },
      [`${at("properties[a].items")}: Required value: must be specified`],
    ],
    [
      "a type in a condition",
      { a: { type: "string", anyOf: [{ type: "string" }] } },
      [`${at("properties[a].anyOf[0].type")}: Forbidden: must be empty to be structural`],
    ],
    [
      "int-or-string with its condition",
      { a: { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] } },
      [],
    ],
    [
      "a field that stands in a condition alone",
      { a: { type: "object", allOf: [{ properties: { b: { minimum: 1 } } }] } },
      [
        `${at("properties[a].properties[b]")}: Required value: because it is defined in ${at("properties[a].allOf[0].properties[b]")}`,
      ],
    ],
    [
      "an embedded resource without fields",
      { a: { type: "object", "x-kubernetes-embedded-resource": true } },
      [
        `${at("properties[a].properties")}: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields`,
      ],
    ],
    [
      "an unknown type",
      { a: { type: "text" } },
      [
        `${at("properties[a].type")}: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"`,
      ],
    ],
    [
      "a reference",
      { a: { type: "object", $ref: "#/x" } },
      [`${at("properties[a].$ref")}: Forbidden: $ref is not supported`],
    ],
    [
      "uniqueItems",
      { a: { type: "array", uniqueItems: true, items: { type: "string" } } },
      [
        `${at("properties[a].uniqueItems")}: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic`,
      ],
    ],
    [
      "properties and additionalProperties",
      { a: { type: "object", properties: { b: { type: "string" } }, additionalProperties: { type: "string" } } },
      [
        `${at("properties[a].additionalProperties")}: Forbidden: additionalProperties and properties are mutual exclusive`,
      ],
    ],
    [
      "a pattern that is none",
      { a: { type: "string", pattern: "(" } },
      [
        `${at("properties[a].pattern")}: Invalid value: "(": must be a valid regular expression, but isn't: error parsing regexp: missing closing ): \`(\``,
      ],
    ],
  ])("%s", (_name, properties, expected) => {
    expect(inSpec(properties)).toEqual(expected);
  });

  test("an odd root", () => {
    expect(problems({ schema: {} })).toEqual([`${SCHEMA}.type: Required value: must not be empty at the root`]);
    expect(problems({ schema: { type: "object", additionalProperties: { type: "string" } } })).toEqual([
      `${SCHEMA}.additionalProperties: Forbidden: must not be used at the root`,
    ]);
    expect(
      problems({
        schema: {
          type: "object",
          properties: { metadata: { type: "object", properties: { labels: { type: "object" } } } },
        },
      }),
    ).toEqual([
      `${SCHEMA}.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified`,
    ]);
  });

  test("several versions name the version at fault", () => {
    const versions = [versionOf("v1", { type: "object" }, { storage: true }), versionOf("v2", withSpec({ a: {} }))];
    expect(problems({ versions })).toEqual([
      "spec.versions[1].schema.openAPIV3Schema.properties[spec].properties[a].type: Required value: must not be empty for specified object fields",
    ]);
  });
});

describe("defaults and list types", () => {
  test.each<[string, Record<string, unknown>, string[]]>([
    [
      "a default of another type",
      { a: { type: "integer", default: "x" } },
      [`${at("properties[a].default")}: Invalid value: "string":  in body must be of type integer: "string"`],
    ],
    [
      "a default with fields that the schema does not have",
      { a: { type: "object", default: { b: 1 } } },
      [`${at("properties[a].default")}: Invalid value: {"b":1}: must not have unknown fields`],
    ],
    [
      "a map without keys",
      { a: { type: "array", "x-kubernetes-list-type": "map", items: { type: "object" } } },
      [
        `${at("properties[a].x-kubernetes-list-map-keys")}: Required value: must not be empty if x-kubernetes-list-type is map`,
      ],
    ],
    [
      "a key that may be absent",
      {
        a: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["name"],
          items: { type: "object", properties: { name: { type: "string" } } },
        },
      },
      [
        `${at("properties[a].items.properties[name].default")}: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`,
      ],
    ],
    [
      "a set of granular objects",
      { a: { type: "array", "x-kubernetes-list-type": "set", items: { type: "object" } } },
      [
        `${at("properties[a].items.x-kubernetes-map-type")}: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set`,
      ],
    ],
  ])("%s", (_name, properties, expected) => {
    expect(inSpec(properties)).toEqual(expected);
  });
});

describe("rules in CEL", () => {
  const rule = (one: Record<string, unknown>, more: Record<string, unknown> = {}) =>
    inSpec(
      { a: { type: "integer" }, list: { type: "array", items: { type: "string" } } },
      { "x-kubernetes-validations": [one], ...more },
    );
  const path = at("x-kubernetes-validations[0]");

  test("that are fine", () => {
    expect(rule({ rule: "self.a > 1", message: "too small", fieldPath: ".a", reason: "FieldValueForbidden" })).toEqual(
      [],
    );
    expect(rule({ rule: "self.a >= oldSelf.a" })).toEqual([]);
  });

  test("a message that is made costs what one of it costs, however often the value may stand in an object", () => {
    const within = (messageExpression: string, maxLength = 1_000_000) =>
      inSpec({
        list: {
          type: "array",
          items: {
            type: "object",
            properties: { a: { type: "integer" }, text: { type: "string", maxLength } },
            "x-kubernetes-validations": [{ rule: "self.a > 1", messageExpression }],
          },
        },
      });
    expect(within("'a is %d'.format([self.a])")).toEqual([]);
    expect(within("string(self.a)")).toEqual([]);
    expect(within("'it is ' + self.text")).toEqual([]);
    expect(within("'a is ' + string(self.a)")[0]).toMatch(
      /messageExpression: Forbidden: estimated messageExpression cost exceeds budget by factor of more than 100x/,
    );
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    [
      "an unknown field",
      { rule: "self.b > 1" },
      /\.rule: Invalid value: .*compilation failed: ERROR: .*undefined field 'b'/s,
    ],
    ["no bool", { rule: "self.a" }, /\.rule: Invalid value: .*must evaluate to bool/s],
    ["nothing", { rule: " " }, /\.rule: Required value: rule is not specified$/],
    [
      "an odd reason",
      { rule: "true", reason: "Why" },
      /\.reason: Unsupported value: "Why": supported values: "FieldValueDuplicate"/,
    ],
    [
      "a field that is not there",
      { rule: "true", fieldPath: ".b" },
      /\.fieldPath: Invalid value: ".b": fieldPath must be a valid path$/,
    ],
    [
      "oldSelf nowhere",
      { rule: "true", optionalOldSelf: true },
      /\.optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule$/,
    ],
    [
      "too much",
      { rule: "self.list.all(x, self.list.all(y, self.list.all(z, x == y && y == z)))" },
      /\.rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x \(try simplifying the rule/,
    ],
  ])("%s", (_name, one, expected) => {
    const [first] = rule(one);
    expect(first).toMatch(expected);
    expect(first?.startsWith(path)).toBe(true);
  });

  test("transition rules need a value that can be found again", () => {
    const [only] = inSpec({
      list: {
        type: "array",
        maxItems: 5,
        items: { type: "integer", "x-kubernetes-validations": [{ rule: "self >= oldSelf" }] },
      },
    });
    expect(only).toMatch(
      /oldSelf cannot be used on the uncorrelatable portion of the schema within .*properties\[list\]$/,
    );
  });
});

describe("subresources, columns, selectable fields, conversion", () => {
  test.each<[string, DefineOptions, string[]]>([
    [
      "a scale outside of spec",
      { version: { subresources: { scale: { specReplicasPath: ".status.x", statusReplicasPath: ".status.y" } } } },
      ['spec.subresources.scale.specReplicasPath: Invalid value: ".status.x": should be a json path under .spec'],
    ],
    [
      "a column of an unknown type",
      { version: { additionalPrinterColumns: [{ name: "A", type: "text", jsonPath: ".a" }] } },
      [
        'spec.additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string',
      ],
    ],
    [
      "a column without a dot",
      { version: { additionalPrinterColumns: [{ name: "A", type: "string", jsonPath: "a" }] } },
      ['spec.additionalPrinterColumns[0].JSONPath: Invalid value: "a": must be a simple json path starting with .'],
    ],
    [
      "a selectable list",
      {
        schema: withSpec({ a: { type: "array", items: { type: "string" } } }),
        version: { selectableFields: [{ jsonPath: ".spec.a" }] },
      },
      [
        'spec.selectableFields[0].jsonPath: Invalid value: ".spec.a": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
      ],
    ],
    [
      "a webhook without a client",
      { spec: { conversion: { strategy: "Webhook", webhook: { conversionReviewVersions: ["v1"] } } } },
      ["spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook"],
    ],
    [
      "a webhook over http that speaks no known version",
      {
        spec: {
          conversion: {
            strategy: "Webhook",
            webhook: { clientConfig: { url: "http://a/b" }, conversionReviewVersions: ["v9"] },
          },
        },
      },
      [
        "spec.conversion.webhookClientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
        'spec.conversion.conversionReviewVersions: Invalid value: ["v9"]: must include at least one of v1, v1beta1',
      ],
    ],
  ])("%s", (_name, options, expected) => {
    expect(problems(options)).toEqual(expected);
  });
});

test("an established definition keeps its scope, kind and stored versions", () => {
  const old = definition() as unknown as Definition;
  const before = {
    ...old,
    status: { conditions: [{ type: "Established", status: "True" }], storedVersions: ["v1"] },
  } as Definition;
  const changed = definition({ scope: "Cluster", versions: [versionOf("v2", { type: "object" }, { storage: true })] });
  const errors = new FieldErrors();
  validateDefinitionUpdate({ ...changed, status: before.status } as unknown as Definition, before, errors);
  expect(errors.causes.map(({ field }) => field)).toEqual(["spec.scope", "status.storedVersions[0]"]);
});
