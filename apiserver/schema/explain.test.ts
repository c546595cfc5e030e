/**
 * Explain: every field of every kind, down to the last, can be found in the OpenAPI documents with its type and text;
 * and what the oldest and the newest real kubectl, and ours, make of them. Skipped for real ones without kubectl.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { endsOf, ours, realKubectls } from "../../e2e/harness/kubectls.ts";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { type Served, serve } from "../../e2e/harness/served.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { builtinResources } from "../resources/table.ts";
import { loadSchema } from "./load.ts";
import { createOpenApi, type OpenApi, type OpenApiDocument } from "./openapi.ts";
import { documentName } from "./openapi-v3.ts";

interface Definition {
  readonly $ref?: string;
  readonly allOf?: readonly Definition[];
  readonly oneOf?: readonly Definition[];
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Definition>>;
  readonly items?: Definition;
  readonly additionalProperties?: Definition;
  readonly "x-kubernetes-group-version-kind"?: readonly { group: string; version: string; kind: string }[];
}
type Definitions = Readonly<Record<string, Definition>>;

/** Types whose fields Kubernetes has no texts for either. */
const WITHOUT_TEXT = /\.(JSONSchemaProps|ExternalDocumentation)\.|\.WatchEvent\.type$/;
/** Any JSON: they have no type. */
const ANY = /\.(JSON|JSONSchemaPropsOr\w+)$/;

/** Walks from a definition to the last field below it; answers what is wrong. */
function walk(definitions: Definitions, name: string, seen = new Set<string>()): string[] {
  if (seen.has(name)) return [];
  seen.add(name);
  const definition = definitions[name];
  if (!definition) return [`${name} is not defined`];
  const wrong: string[] = [];
  const follow = (field: Definition, where: string): void => {
    const refs = [field, ...(field.allOf ?? [])].flatMap(({ $ref }) => ($ref === undefined ? [] : [$ref]));
    for (const ref of refs) wrong.push(...walk(definitions, ref.split("/").at(-1) as string, seen));
    if (refs.length === 0 && field.type === undefined && !field.oneOf) wrong.push(`${where} has no type`);
    if (field.items) follow(field.items, `${where}[]`);
    if (field.additionalProperties) follow(field.additionalProperties, `${where}{}`);
  };
  if (!definition.type && !definition.oneOf && !ANY.test(name)) wrong.push(`${name} has no type`);
  for (const [field, property] of Object.entries(definition.properties ?? {})) {
    const where = `${name}.${field}`;
    if (!property.description && !WITHOUT_TEXT.test(where)) wrong.push(`${where} has no description`);
    follow(property, where);
  }
  return wrong;
}

describe("every field of", () => {
  let openApi: OpenApi;
  const definitionsOf = new Map<string, Definitions>();
  beforeAll(async () => {
    const schema = await loadSchema();
    openApi = createOpenApi({ schema, rows: () => builtinResources, version: "v1.36.0", clock: systemClock });
    const read = async (document: OpenApiDocument | undefined) =>
      JSON.parse(Buffer.from(await document!.bytes()).toString());
    definitionsOf.set("v2", (await read(await openApi.v2("json"))).definitions);
    for (const name of new Set(builtinResources.map(documentName)))
      definitionsOf.set(name, (await read(await openApi.v3(name))).components.schemas);
  });

  const kinds = builtinResources.map((row) => [`${documentName(row)} ${row.kind}`, row] as const);
  test.each(kinds)("%s", (_name, row) => {
    for (const document of [documentName(row), "v2"]) {
      const definitions = definitionsOf.get(document)!;
      const named = Object.entries(definitions).find(([, one]) =>
        one["x-kubernetes-group-version-kind"]?.some(
          ({ group, version, kind }) => group === row.group && version === row.version && kind === row.kind,
        ),
      );
      expect(named, document).toBeDefined();
      expect(walk(definitions, named![0]), document).toEqual([]);
    }
  });

  test("no document defines what nobody can reach", () => {
    for (const [document, definitions] of definitionsOf)
      expect(
        Object.keys(definitions).filter((name) => /\.Pod\w*Options$/.test(name)),
        document,
      ).toEqual([]);
  });
});

const WIDGETS = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.example.com" },
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { plural: "widgets", singular: "widget", kind: "Widget" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: {
                type: "object",
                properties: {
                  parts: {
                    type: "array",
                    items: { type: "object", properties: { weight: { type: "integer", description: "In grams." } } },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};

/** What is explained, and fields of it that lie deep. */
const EXPLAINED: readonly (readonly [string, readonly RegExp[]])[] = [
  [
    "pods",
    [/^\s+securityContext\s+<\w+>/m, /^\s+matchLabelKeys\s+<\[\]string>/m, /^\s+tolerationSeconds\s+<integer>/m],
  ],
  ["deployments", [/^\s+maxSurge\s+</m, /^\s+revisionHistoryLimit\s+<integer>/m]],
  ["cronjobs", [/^\s+schedule\s+<string>.*required/m, /^\s+podReplacementPolicy\s+<string>/m]],
  ["services", [/^\s+trafficDistribution\s+<string>/m, /^\s+nodePort\s+<integer>/m]],
  ["persistentvolumes", [/^\s+volumeHandle\s+<string>/m, /^\s+nodeAffinity\s+<\w+>/m]],
  ["horizontalpodautoscalers", [/^\s+containerResource\s+<\w+>/m, /^\s+stabilizationWindowSeconds\s+<integer>/m]],
  ["networkpolicies", [/^\s+ipBlock\s+<\w+>/m, /^\s+except\s+<\[\]string>/m]],
  ["resourceclaims", [/^\s+deviceClassName\s+<string>/m, /^\s+expression\s+<string>/m]],
  ["validatingadmissionpolicies", [/^\s+messageExpression\s+<string>/m, /^\s+failurePolicy\s+<string>/m]],
  ["widgets", [/^\s+weight\s+<integer>/m]],
];

describe.each([...endsOf(realKubectls()), ours].map((which) => [which.version, which] as const))(
  "kubectl %s",
  (_version, which) => {
    let pipeline: Pipeline;
    let server: Served;
    beforeAll(async () => {
      pipeline = await startPipeline();
      server = await serve(pipeline);
      expect((await server.real(which, ["apply", "-f", "-"], { stdin: JSON.stringify(WIDGETS) })).code).toBe(0);
      const established = ["wait", "crd/widgets.example.com", "--for=condition=Established", "--timeout=20s"];
      expect((await server.real(which, established)).code).toBe(0);
    });
    afterAll(async () => {
      await server.close();
      await pipeline.close();
    });

    test("explains kinds with all of their fields", async () => {
      for (const [kind, fields] of EXPLAINED) {
        const { stdout, stderr, code } = await server.real(which, ["explain", kind, "--recursive"]);
        expect([kind, code, stderr]).toEqual([kind, 0, ""]);
        for (const field of fields) expect(stdout, kind).toMatch(field);
      }
    });

    test("explains one field with its text", async () => {
      const { stdout } = await server.real(which, ["explain", "widgets.spec.parts.weight"]);
      expect(stdout).toContain("In grams.");
    });
  },
);
