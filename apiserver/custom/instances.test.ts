/**
 * Custom objects through the whole pipeline: defined, made, read, changed and deleted.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const crontabs = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "crontabs.stable.example.com" },
  spec: {
    group: "stable.example.com",
    scope: "Namespaced",
    names: { plural: "crontabs", kind: "CronTab", shortNames: ["ct"], categories: ["all"] },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            required: ["spec"],
            properties: {
              spec: {
                type: "object",
                required: ["cronSpec"],
                properties: {
                  cronSpec: { type: "string", pattern: "^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$" },
                  image: { type: "string", default: "busybox" },
                  replicas: { type: "integer", minimum: 1, maximum: 10 },
                },
              },
              status: {
                type: "object",
                properties: { replicas: { type: "integer" }, labelSelector: { type: "string" } },
              },
            },
          },
        },
        subresources: {
          status: {},
          scale: {
            specReplicasPath: ".spec.replicas",
            statusReplicasPath: ".status.replicas",
            labelSelectorPath: ".status.labelSelector",
          },
        },
        additionalPrinterColumns: [{ name: "Spec", type: "string", jsonPath: ".spec.cronSpec" }],
        selectableFields: [{ jsonPath: ".spec.image" }],
      },
    ],
  },
};

const established = async (name: string) => {
  for (let tries = 0; tries < 100; tries++) {
    const { value } = await pipeline.send({ path: `${CRDS}/${name}` });
    if (
      value.status?.conditions?.some(
        (one: { type: string; status: string }) => one.type === "Established" && one.status === "True",
      )
    )
      return value;
    await pipeline.clock.sleep(10);
  }
  throw new Error("not established");
};
const ITEMS = "/apis/stable.example.com/v1/namespaces/default/crontabs";

describe("a definition", () => {
  test("is established and served", async () => {
    const made = await pipeline.send({ method: "POST", path: CRDS, body: crontabs });
    expect(made.status).toBe(201);
    const crd = await established("crontabs.stable.example.com");
    console.log(JSON.stringify(crd.status, null, 1));
    const created = await pipeline.send({
      method: "POST",
      path: ITEMS,
      body: {
        apiVersion: "stable.example.com/v1",
        kind: "CronTab",
        metadata: { name: "a" },
        spec: { cronSpec: "* * * * */5", foo: 1 },
      },
    });
    console.log(created.status, JSON.stringify(created.value), created.headers);
    const bad = await pipeline.send({
      method: "POST",
      path: ITEMS,
      body: {
        apiVersion: "stable.example.com/v1",
        kind: "CronTab",
        metadata: { name: "b" },
        spec: { cronSpec: 7, replicas: 12 },
      },
    });
    console.log(bad.status, bad.value.message);
    const table = await pipeline.send({
      path: ITEMS,
      headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" },
    });
    console.log(
      JSON.stringify(table.value.columnDefinitions),
      JSON.stringify(table.value.rows.map((r: { cells: unknown }) => r.cells)),
    );
    const list = await pipeline.send({ path: `${ITEMS}?fieldSelector=spec.image%3Dbusybox` });
    console.log(JSON.stringify(list.value));
    const scale = await pipeline.send({ path: `${ITEMS}/a/scale` });
    console.log(JSON.stringify(scale.value));
    const put = await pipeline.send({
      method: "PATCH",
      path: `${ITEMS}/a`,
      headers: { "content-type": "application/merge-patch+json" },
      body: { spec: { replicas: 4 }, status: { replicas: 3 } },
    });
    console.log(put.status, JSON.stringify(put.value));
    const del = await pipeline.send({ method: "DELETE", path: `${CRDS}/crontabs.stable.example.com` });
    console.log(del.status, JSON.stringify(del.value.status));
    for (let tries = 0; tries < 100; tries++) {
      if ((await pipeline.send({ path: `${CRDS}/crontabs.stable.example.com` })).status === 404) break;
      await pipeline.clock.sleep(20);
    }
    expect((await pipeline.send({ path: `${CRDS}/crontabs.stable.example.com` })).status).toBe(404);
    expect((await pipeline.send({ path: ITEMS })).status).toBe(404);
  });
});
