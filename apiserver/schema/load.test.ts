/** The derived schema against the published models, and the cache that it is read from. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as published from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Logger } from "../../machinery/process/logging.ts";
import { builtinResources } from "../resources/table.ts";
import type { FieldType, Schema } from "./contract.ts";
import { loadSchema } from "./load.ts";
import { parseDeclaration } from "./models.ts";

let schema: Schema;
beforeAll(async () => {
  schema = await loadSchema();
});

interface Attribute {
  readonly baseName: string;
  readonly type: string;
  readonly format: string;
}

const classes = new Map(
  Object.entries(published).flatMap(([name, value]) => {
    const { attributeTypeMap } = value as { attributeTypeMap?: readonly Attribute[] };
    return attributeTypeMap ? [[name, attributeTypeMap] as const] : [];
  }),
);

function modelOf(message: string): readonly Attribute[] | undefined {
  const [group, version, kind] = message.split(".").slice(-3) as [string, string, string];
  const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
  return classes.get(`${capital(group)}${capital(version)}${kind}`) ?? classes.get(`${capital(version)}${kind}`);
}

/** What the generator of the models makes of a type. */
function modelType(type: FieldType): string {
  switch (type.kind) {
    case "list":
      return `Array<${modelType(type.of)}>`;
    case "map":
      return `{ [key: string]: ${modelType(type.of)}; }`;
    case "int32":
    case "int64":
    case "double":
      return "number";
    case "bytes":
    case "quantity":
      return "string";
    case "time":
      return "Date";
    case "microTime":
      return "V1MicroTime";
    case "intOrString":
      return "IntOrString";
    case "raw":
      return "any";
    default:
      return type.kind;
  }
}

describe("the facts", () => {
  test("have exactly the fields of the published models, under their JSON names", () => {
    let compared = 0;
    for (const message of schema.messages()) {
      const model = modelOf(message.name);
      if (!model) continue;
      compared++;
      const wire = model.map(({ baseName }) => baseName).sort();
      expect([...message.fields.keys()].sort(), message.name).toEqual(wire);
    }
    expect(compared).toBeGreaterThan(560);
  });

  test("have the types of the published models where these say them", () => {
    for (const message of schema.messages()) {
      for (const { baseName, type, format } of modelOf(message.name) ?? []) {
        const field = message.fields.get(baseName)!;
        const own = modelType(field.type);
        if (type === "any" || type === "object" || own.includes("message") || own.includes("any")) continue;
        expect(own, `${message.name}.${baseName}`).toBe(type);
        if (type === "number" && format !== "") expect(field.type.kind, baseName).toBe(format);
      }
    }
  });

  test("refer only to messages that there are", () => {
    const used = (type: FieldType): string[] => {
      if (type.kind === "list" || type.kind === "map") return used(type.of);
      return type.kind === "message" ? [type.name] : [];
    };
    for (const message of schema.messages()) {
      for (const { type } of message.fields.values()) {
        for (const name of used(type)) expect(schema.message(name), name).toBeDefined();
      }
    }
  });

  test("name merge keys that the items have", () => {
    for (const message of schema.messages()) {
      for (const { type, patchMergeKey, listMapKeys } of message.fields.values()) {
        if (type.kind !== "list" || type.of.kind !== "message") continue;
        const item = schema.message(type.of.name)!;
        for (const key of [...(patchMergeKey ? [patchMergeKey] : []), ...(listMapKeys ?? [])]) {
          expect([...item.fields.keys()], `${message.name}: ${type.of.name}`).toContain(key);
        }
      }
    }
  });
});

describe("a kind", () => {
  test("of every row is there, with its list, apiVersion and kind", () => {
    for (const { group, version, kind, listKind, verbs } of builtinResources) {
      for (const one of verbs.includes("list") ? [kind, listKind] : [kind]) {
        const message = schema.kind(group, version, one);
        expect([...(message?.fields.keys() ?? [])].slice(0, 2), `${group}/${version} ${one}`).toEqual([
          "apiVersion",
          "kind",
        ]);
      }
    }
  });

  test("that two groups have is told apart", () => {
    expect(schema.kind("", "v1", "Event")?.fields.has("involvedObject")).toBe(true);
    expect(schema.kind("events.k8s.io", "v1", "Event")?.fields.has("regarding")).toBe(true);
    expect(schema.kindOf("io.k8s.api.events.v1.Event")).toEqual({
      group: "events.k8s.io",
      version: "v1",
      kind: "Event",
    });
  });

  test("of every group is found in each", () => {
    for (const kind of ["Status", "DeleteOptions", "PatchOptions", "WatchEvent", "APIResourceList"]) {
      expect(schema.kind("apps", "v1", kind)?.name).toBe(`io.k8s.apimachinery.pkg.apis.meta.v1.${kind}`);
    }
  });

  test("that does not exist is not found, nor is a part of an object", () => {
    expect(schema.kind("apps", "v1beta1", "Deployment")).toBeUndefined();
    expect(schema.kind("", "v1", "PodSpec")).toBeUndefined();
    expect(schema.kind("", "v1", "ObjectReference")).toBeUndefined();
    expect(schema.kind("", "v1", "ObjectMeta")).toBeUndefined();
  });
});

test("texts come with the models, a reference's from its type", async () => {
  const texts = await schema.descriptions();
  const container = schema.message("io.k8s.api.core.v1.Container")!;
  expect(texts.message(container.name)).toBe("A single application container that you want to run within a pod.");
  expect(texts.field(container.name, container.fields.get("livenessProbe")!)).toMatch(/^Probe describes/);
  const props = schema.message("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps")!;
  expect(texts.field(props.name, props.fields.get("x-kubernetes-int-or-string")!)).toContain(
    "x-kubernetes-int-or-string",
  );
});

test("a declaration file gives names, required flags and unescaped texts", () => {
  const source = [
    "/**",
    '* It\\\'s a \\"thing\\".',
    "*/",
    "export declare class V1Thing {",
    "    /**",
    "    * What follows.",
    "    */",
    "    '_continue'?: string;",
    "    'name': string;",
    "    'labels'?: {",
    "        [key: string]: string;",
    "    };",
    "    static readonly discriminator: string | undefined;",
    "}",
  ].join("\n");
  expect(parseDeclaration(source)).toEqual({
    required: ["name"],
    texts: { "": `It's a "thing".`, continue: "What follows." },
  });
});

describe("the cache", () => {
  const directory = mkdtempSync(join(tmpdir(), "schema-cache-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const files = () => readdirSync(directory).map((name) => join(directory, name));

  test("is written once and gives the same schema", async () => {
    await loadSchema({ cacheDir: join(directory, "deep") });
    const cached = await loadSchema({ cacheDir: join(directory, "deep") });
    expect([...cached.messages()]).toEqual([...schema.messages()]);
    expect(readdirSync(join(directory, "deep"))).toHaveLength(2);
    rmSync(join(directory, "deep"), { recursive: true });
  });

  test("is built again when it is damaged, and says so", async () => {
    await loadSchema({ cacheDir: directory });
    for (const file of files()) writeFileSync(file, '{"V1Pod":');
    const warnings: string[] = [];
    const log = { warn: (event: string) => void warnings.push(event) } as unknown as Logger;
    const again = await loadSchema({ cacheDir: directory, log });
    expect(again.message("io.k8s.api.core.v1.PodSpec")?.fields.get("containers")?.required).toBe(true);
    expect(warnings).toEqual(["schema cache is unreadable, building it again"]);
    for (const file of files()) expect(() => JSON.parse(readFileSync(file, "utf8")) as unknown).not.toThrow();
  });

  test("that cannot be written costs time only", async () => {
    writeFileSync(join(directory, "file"), "");
    const warnings: string[] = [];
    const log = { warn: (event: string) => void warnings.push(event) } as unknown as Logger;
    const loaded = await loadSchema({ cacheDir: join(directory, "file"), log });
    expect(loaded.kind("", "v1", "Pod")).toBeDefined();
    expect(warnings).toContain("schema cache cannot be written");
  });
});
