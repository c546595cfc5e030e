/** The OpenAPI documents: what they say, how they are built, kept and handed out. */
import { gunzipSync } from "node:zlib";
import protobuf from "protobufjs";
import { beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../machinery/process/clock.ts";
import { builtinResources } from "../resources/table.ts";
import type { Schema } from "./contract.ts";
import { loadSchema } from "./load.ts";
import { createOpenApi, type OpenApi, PROTOBUF_ALIAS, PROTOBUF_TYPE } from "./openapi.ts";
import { answerOpenApi } from "./openapi-handler.ts";

// biome-ignore lint/suspicious/noExplicitAny: documents are read by paths that only the tests name.
type Document = any;

let schema: Schema;
let openApi: OpenApi;

beforeAll(async () => {
  schema = await loadSchema();
  openApi = createOpenApi({ schema, rows: () => builtinResources, version: "v1.36.0", clock: systemClock });
});

const parsed = async (document: { bytes(): Promise<Uint8Array> }): Promise<Document> =>
  JSON.parse(Buffer.from(await document.bytes()).toString());

describe("version 2", () => {
  let document: Document;
  beforeAll(async () => {
    document = await parsed(await openApi.v2("json"));
  });

  test("refers to nothing that it does not define", () => {
    const text = JSON.stringify(document);
    const references = new Set([...text.matchAll(/"#\/definitions\/([^"]+)"/g)].map((match) => match[1]!));
    expect([...references].filter((name) => !(name in document.definitions))).toEqual([]);
    expect(references.size).toBeGreaterThan(400);
  });

  test("defines a kind for each row, and says which it is", () => {
    for (const { group, version, kind } of builtinResources) {
      const found = schema.kind(group, version, kind)!.name;
      expect(document.definitions[found]["x-kubernetes-group-version-kind"]).toEqual([{ group, kind, version }]);
    }
  });

  test("has patches that take fieldValidation and dryRun", () => {
    const patches = Object.values<Document>(document.paths).flatMap((item) => item.patch ?? []);
    const own = patches.filter((operation) => operation["x-kubernetes-action"] === "patch");
    expect(own.length).toBeGreaterThan(80);
    for (const { parameters } of own) {
      const names = parameters.map((one: Document) => one.name);
      expect(names).toEqual(expect.arrayContaining(["fieldValidation", "dryRun"]));
    }
  });

  test("names each operation once", () => {
    const ids = Object.values<Document>(document.paths).flatMap((item) =>
      Object.values<Document>(item).flatMap((operation) => operation.operationId ?? []),
    );
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(expect.arrayContaining(["createCoreV1NamespacedPod", "patchAppsV1NamespacedDeploymentScale"]));
  });

  test("says of fields what clients merge and validate by", () => {
    const { properties } = document.definitions["io.k8s.api.core.v1.PodSpec"];
    expect(properties.containers).toMatchObject({
      type: "array",
      items: { $ref: "#/definitions/io.k8s.api.core.v1.Container" },
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["name"],
      "x-kubernetes-patch-strategy": "merge",
      "x-kubernetes-patch-merge-key": "name",
    });
    expect(properties.volumes["x-kubernetes-patch-strategy"]).toBe("merge,retainKeys");
    expect(properties.nodeSelector["x-kubernetes-map-type"]).toBe("atomic");
    expect(properties.restartPolicy.enum).toEqual(["Always", "Never", "OnFailure"]);
    expect(document.definitions["io.k8s.api.core.v1.PodSpec"].required).toEqual(["containers"]);
    expect(document.definitions["io.k8s.api.core.v1.ContainerPort"].properties.protocol.default).toBe("TCP");
    expect(document.definitions["io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"]["x-kubernetes-map-type"]).toBe(
      "atomic",
    );
    expect(document.definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]).toMatchObject({
      type: "string",
      format: "int-or-string",
    });
  });

  test("says the same as protobuf", async () => {
    const gnostic = protobuf.parse(GNOSTIC, { keepCase: true }).root.lookupType("Document");
    const decoded = gnostic.decode(await (await openApi.v2("protobuf")).bytes()) as Document;
    const named = (list: Document[]) => new Map(list.map(({ name, value }) => [name, value]));
    expect([...named(decoded.definitions.list).keys()]).toEqual(Object.keys(document.definitions));
    expect([...named(decoded.paths.path).keys()]).toEqual(Object.keys(document.paths));

    const pod = named(named(decoded.definitions.list).get("io.k8s.api.core.v1.PodSpec").properties.list);
    const containers = document.definitions["io.k8s.api.core.v1.PodSpec"].properties.containers;
    expect(pod.get("containers").description).toBe(containers.description);
    expect(pod.get("containers").items.schema[0]._ref).toBe(containers.items.$ref);
    const extensions = named(pod.get("containers").vendor_extension);
    expect(JSON.parse(extensions.get("x-kubernetes-list-map-keys").yaml)).toEqual(["name"]);

    const { patch } = named(decoded.paths.path).get("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    const queries = patch.parameters.map((one: Document) => one.parameter.non_body_parameter?.query?.name);
    expect(queries).toContain("fieldValidation");
  });
});

/** The part of gnostic's OpenAPIv2.proto that the test looks at. */
const GNOSTIC = `syntax = "proto3";
message Document { string swagger = 1; Paths paths = 8; Definitions definitions = 9; }
message Paths { repeated NamedPathItem path = 2; }
message NamedPathItem { string name = 1; PathItem value = 2; }
message PathItem { Operation patch = 8; }
message Operation { repeated ParametersItem parameters = 8; repeated NamedAny vendor_extension = 13; }
message ParametersItem { Parameter parameter = 1; }
message Parameter { NonBodyParameter non_body_parameter = 2; }
message NonBodyParameter { Query query = 3; }
message Query { string name = 4; }
message Definitions { repeated NamedSchema list = 1; }
message Properties { repeated NamedSchema list = 1; }
message NamedSchema { string name = 1; Schema value = 2; }
message Schema { string _ref = 1; string description = 4; Items items = 23; Properties properties = 25; repeated NamedAny vendor_extension = 31; }
message Items { repeated Schema schema = 1; }
message NamedAny { string name = 1; Any value = 2; }
message Any { string yaml = 2; }`;

describe("version 3", () => {
  test("has a document for each group and version, whole in itself", async () => {
    const index = await parsed(await openApi.v3Index());
    const names = new Set(
      builtinResources.map(({ group, version }) => (group ? `apis/${group}/${version}` : "api/v1")),
    );
    expect(Object.keys(index.paths)).toEqual([...names]);
    for (const name of names) {
      const document = await parsed((await openApi.v3(name))!);
      const text = JSON.stringify(document);
      for (const [, used] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
        expect(document.components.schemas).toHaveProperty([used!]);
      }
    }
  });

  test("wraps references that say more", async () => {
    const { components } = await parsed((await openApi.v3("api/v1"))!);
    const { livenessProbe, ports } = components.schemas["io.k8s.api.core.v1.Container"].properties;
    expect(livenessProbe.allOf).toEqual([{ $ref: "#/components/schemas/io.k8s.api.core.v1.Probe" }]);
    expect(livenessProbe.description).toMatch(/^Probe describes/);
    expect(ports.items).toEqual({ $ref: "#/components/schemas/io.k8s.api.core.v1.ContainerPort" });
  });
});

describe("documents", () => {
  test("are built once, however many ask, and again after a reset", async () => {
    const [one, two] = await Promise.all([openApi.v2("json"), openApi.v2("json")]);
    expect(one).toBe(two);
    openApi.reset();
    const three = await openApi.v2("json");
    expect(three).not.toBe(one);
    expect(three.hash).toBe(one.hash);
  });

  test("that could not be built are tried again", async () => {
    let broken = true;
    const flaky = createOpenApi({
      schema,
      rows: () => {
        if (broken) throw new Error("no rows yet");
        return builtinResources;
      },
      version: "v1.36.0",
      clock: systemClock,
    });
    await expect(flaky.v2("json")).rejects.toThrow("no rows yet");
    broken = false;
    expect((await flaky.v2("json")).contentType).toBe("application/json");
  });
});

describe("a request", () => {
  const ask = (path: string, headers: Record<string, string> = {}) => {
    const url = new URL(path, "http://localhost");
    return answerOpenApi(openApi, { path: url.pathname, query: url.searchParams, headers });
  };

  test("gets the form that it accepts", async () => {
    expect((await ask("/openapi/v2"))?.headers["content-type"]).toBe("application/json");
    for (const accept of [PROTOBUF_TYPE, PROTOBUF_ALIAS]) {
      expect((await ask("/openapi/v2", { accept }))?.headers["content-type"]).toBe(PROTOBUF_TYPE);
    }
    await expect(ask("/openapi/v2", { accept: "text/html" })).rejects.toMatchObject({ code: 406 });
  });

  test("for version 3 gets JSON or hears that there is nothing else", async () => {
    const v3 = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf";
    const path = "/openapi/v3/apis/apps/v1";
    for (const accept of ["*/*", "application/json", `${v3},application/json;q=0.9`])
      expect((await ask(path, { accept }))?.headers["content-type"]).toBe("application/json");
    await expect(ask(path, { accept: v3 })).rejects.toMatchObject({ code: 406 });
    expect((await ask("/openapi/v3", { accept: v3 }))?.headers["content-type"]).toBe("application/json");
  });

  test("gets the document compressed if it takes that", async () => {
    const answer = await ask("/openapi/v3", { "accept-encoding": "gzip" });
    expect(answer!.headers["content-encoding"]).toBe("gzip");
    const { bytes } = answer!.body as { bytes: Uint8Array };
    expect(JSON.parse(gunzipSync(bytes).toString()).paths).toHaveProperty(["api/v1"]);
  });

  test("with the current hash may keep the answer, with another is sent on", async () => {
    const { hash } = (await openApi.v3("apis/apps/v1"))!;
    const answer = await ask(`/openapi/v3/apis/apps/v1?hash=${hash}`);
    expect(answer?.headers["cache-control"]).toContain("immutable");
    expect(await ask("/openapi/v3/apis/apps/v1?hash=OLD")).toMatchObject({
      status: 301,
      headers: { location: `/openapi/v3/apis/apps/v1?hash=${hash}` },
    });
    const etag = String(answer?.headers["etag"]);
    expect((await ask("/openapi/v3/apis/apps/v1", { "if-none-match": etag }))?.status).toBe(304);
  });

  test("for a group that there is not finds nothing", async () => {
    expect(await ask("/openapi/v3/apis/nothing/v1")).toBeUndefined();
    expect(await ask("/openapi")).toBeUndefined();
  });
});
