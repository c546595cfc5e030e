import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { minimal, rowOf } from "./sample-objects.ts";

const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

function pathOf(plural: string): string {
  const { group, version, namespaced } = rowOf(plural);
  const root = group ? `/apis/${group}/${version}` : `/api/${version}`;
  return `${root}/${namespaced ? "namespaces/default/" : ""}${plural}`;
}

describe.each(Object.keys(minimal))("a minimal object of %s", (plural) => {
  const path = pathOf(plural);

  test("is created by the real server, and replaced by itself without a change", async () => {
    const { group, version, kind } = rowOf(plural);
    const body = {
      apiVersion: group ? `${group}/${version}` : version,
      kind,
      ...minimal[plural],
      metadata: { name: "sample", ...(minimal[plural]?.["metadata"] as object) },
    };
    const made = await pipeline.send({ method: "POST", path, body });
    expect(made.value).toMatchObject({ kind, metadata: { name: body.metadata.name } });
    expect(made.status).toBe(201);

    const again = await pipeline.send({ method: "PUT", path: `${path}/${body.metadata.name}`, body: made.value });
    expect(again.value.message).toBeUndefined();
    expect(again.value.metadata.resourceVersion).toBe(made.value.metadata.resourceVersion);
  });

  test("is listed as a table", async () => {
    const { value } = await pipeline.send({ path, headers: { accept: TABLE } });
    expect(value.kind).toBe("Table");
    for (const row of value.rows) expect(row.cells).toHaveLength(value.columnDefinitions.length);
  });
});

test("an Event of one form is read and selected in the other", async () => {
  const event = {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name: "told", namespace: "default" },
    eventTime: "2026-01-01T00:00:00.000000Z",
    reportingController: "example.com/me",
    reportingInstance: "me-1",
    action: "Look",
    reason: "Seen",
    type: "Normal",
    note: "hello",
    regarding: { kind: "Pod", name: "web", namespace: "default" },
  };
  const made = await pipeline.send({
    method: "POST",
    path: "/apis/events.k8s.io/v1/namespaces/default/events",
    body: event,
  });
  expect(made.value).toMatchObject({ apiVersion: "events.k8s.io/v1", note: "hello" });
  const core = await pipeline.send({
    path: "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dweb,reason%3DSeen",
  });
  expect(core.value.items).toMatchObject([{ message: "hello", reportingComponent: "example.com/me" }]);
});
