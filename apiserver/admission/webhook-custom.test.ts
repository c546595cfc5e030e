/** Webhooks and custom kinds: objects are shown in the version that the rules name, and pruned and defaulted again. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type CustomServer, startCustomServer } from "../../e2e/harness/custom-server.ts";
import { patchOf, startWebhookServer, type WebhookServer } from "../../e2e/harness/webhook-server.ts";
import { configurations } from "../../e2e/harness/webhooked.ts";
import { versionOf, withSpec } from "../custom/fixture.ts";

let server: CustomServer;
let hook: WebhookServer;
beforeAll(async () => {
  server = await startCustomServer();
  hook = await startWebhookServer();
  const schema = (fallback: string) => withSpec({ a: { type: "string" }, b: { type: "string", default: fallback } });
  await server.define({
    kind: "Gadget",
    versions: [versionOf("v1", schema("old"), { storage: true }), versionOf("v2", schema("new"))],
  });
});
afterEach(() => server.send("DELETE", `${configurations("mutating")}/m`));
afterAll(async () => {
  await server.pipeline.close();
  hook.close();
});

const configure = (version: string, more: object = {}) => {
  const rules = [{ apiGroups: ["example.com"], apiVersions: [version], operations: ["*"], resources: ["gadgets"] }];
  const webhook = {
    name: "h.m.example.com",
    clientConfig: { url: hook.url(), caBundle: hook.caBundle },
    rules,
    sideEffects: "None",
    admissionReviewVersions: ["v1"],
    ...more,
  };
  hook.asked.length = 0;
  return server.send("POST", configurations("mutating"), { metadata: { name: "m" }, webhooks: [webhook] });
};
const create = (version: string, name: string) =>
  server.create(`/apis/example.com/${version}/namespaces/default/gadgets`, {
    apiVersion: `example.com/${version}`,
    kind: "Gadget",
    metadata: { name },
    spec: { a: "1" },
  });

test("an object of another version is converted there and back", async () => {
  await configure("v1");
  hook.respond(() =>
    patchOf({ op: "replace", path: "/spec/a", value: "2" }, { op: "add", path: "/spec/zzz", value: 1 }),
  );
  const { status, value } = await create("v2", "converted");
  expect([status, value.apiVersion, value.spec]).toEqual([201, "example.com/v2", { a: "2", b: "new" }]);
  const [{ request } = { request: undefined }] = hook.asked;
  expect([request.object.apiVersion, request.kind.version, request.requestKind.version]).toEqual([
    "example.com/v1",
    "v1",
    "v2",
  ]);
});

test("not where only the very version counts", async () => {
  await configure("v1", { matchPolicy: "Exact" });
  expect((await create("v2", "exact")).status).toBe(201);
  expect(hook.asked).toEqual([]);
});

test("what a patch takes away is defaulted again; what it gets wrong is told by the kind's rules", async () => {
  await configure("v2");
  hook.respond(() => patchOf({ op: "remove", path: "/spec/b" }));
  expect((await create("v2", "defaulted")).value.spec).toEqual({ a: "1", b: "new" });
  hook.respond(() => patchOf({ op: "replace", path: "/spec/a", value: 5 }));
  const { status, value } = await create("v2", "wrong");
  expect([status, value.message]).toEqual([422, expect.stringContaining("spec.a: Invalid value")]);
});
