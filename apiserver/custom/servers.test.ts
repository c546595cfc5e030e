/**
 * Definitions on several servers of one store, and on one that starts after they were made.
 */
import { expect, test } from "vitest";
import { startCustomServer } from "../../e2e/harness/custom-server.ts";
import { startPipeline } from "../../e2e/harness/pipeline.ts";
import { DEFINITIONS_PATH, withSpec } from "./fixture.ts";

test("a server that starts serves what is defined, and both stop when the definition goes", async () => {
  const first = await startCustomServer();
  await first.define({ schema: withSpec({ a: { type: "string" } }) });
  const path = "/apis/example.com/v1/namespaces/default/things";
  await first.create(path, { apiVersion: "example.com/v1", kind: "Thing", metadata: { name: "a" }, spec: { a: "b" } });
  const second = await startPipeline({ store: first.pipeline.store });
  expect((await second.send({ path: `${path}/a` })).value.spec).toEqual({ a: "b" });
  await second.send({ method: "DELETE", path: `${DEFINITIONS_PATH}/things.example.com` });
  await first.undefine("things.example.com");
  await first.pipeline.clock.sleep(50);
  expect((await first.send("GET", path)).status).toBe(404);
  expect((await second.send({ path })).status).toBe(404);
  await second.apiserver.close();
  await first.pipeline.close();
});
