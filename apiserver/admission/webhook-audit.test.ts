/** Webhooks and the audit log: what they said and did stands on the event of the request. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { patchOf } from "../../e2e/harness/webhook-server.ts";
import { startWebhooked, type Webhooked } from "../../e2e/harness/webhooked.ts";
import { readPolicy } from "../audit/policy.ts";

const lines: string[] = [];
let server: Webhooked;
beforeAll(async () => {
  const sink = { lost: 0, write: (line: string) => void lines.push(line), close: async () => undefined };
  const rules = [{ level: "Request", resources: [{ group: "", resources: ["configmaps"] }], namespaces: ["default"] }];
  const written = { apiVersion: "audit.k8s.io/v1", kind: "Policy", rules: [...rules, { level: "Metadata" }] };
  server = await startWebhooked({ audit: { policy: readPolicy(JSON.stringify(written), "policy"), sink } });
});
beforeEach(async () => {
  await server.reset();
  lines.length = 0;
});
afterAll(() => server.close());

const annotations = (): Record<string, string> =>
  lines.map((line) => JSON.parse(line)).find(({ stage }) => stage === "ResponseComplete").annotations;

test("their own annotations, what they changed, and that they were not there", async () => {
  const nowhere = { clientConfig: { url: "https://127.0.0.1:1/" }, failurePolicy: "Ignore" };
  await server.configure("mutating", "m", {}, nowhere);
  await server.configure("validating", "v", {}, nowhere);
  server.hook.respond((_request, path) => ({
    ...(path.startsWith("/m") ? patchOf({ op: "add", path: "/data/b", value: "x" }) : { allowed: true }),
    auditAnnotations: { said: path.slice(0, 4) },
  }));
  lines.length = 0;
  expect((await server.create()).status).toBe(201);
  const found = annotations();
  const said = (name: string) => found[`${name}.webhook.admission.k8s.io/round_0_index_0`];
  expect(found).toMatchObject({
    "h0.m.example.com/said": "/m/0",
    "h0.v.example.com/said": "/v/0",
    "failed-open.mutation.webhook.admission.k8s.io/round_0_index_1": "h1.m.example.com",
    "failed-open.validating.webhook.admission.k8s.io/round_0_index_1": "h1.v.example.com",
  });
  const by = { configuration: "m", webhook: "h0.m.example.com" };
  expect(JSON.parse(said("mutation") ?? "")).toEqual({ ...by, mutated: true });
  const patch = [{ op: "add", path: "/data/b", value: "x" }];
  expect(JSON.parse(said("patch") ?? "")).toEqual({ ...by, patch, patchType: "JSONPatch" });
});

test("a patch is told only where bodies are", async () => {
  await server.configure("mutating", "m", { rules: [{ ...onSecrets }] });
  server.hook.respond(() => patchOf({ op: "add", path: "/stringData", value: { a: "b" } }));
  lines.length = 0;
  await server.send("POST", "/api/v1/namespaces/default/secrets", { metadata: { name: "s" } });
  expect(Object.keys(annotations()).filter((key) => key.includes("webhook.admission"))).toEqual([
    "mutation.webhook.admission.k8s.io/round_0_index_0",
  ]);
});

const onSecrets = { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["secrets"] };
