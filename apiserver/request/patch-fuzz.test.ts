/** Patches and applied configurations of any shape, under a seed: each is answered, none by a failure of the server. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { startPipeline } from "../../e2e/harness/pipeline.ts";

const DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/web";
const base = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web", labels: { a: "b" } },
  spec: {
    selector: { matchLabels: { app: "web" } },
    template: {
      metadata: { labels: { app: "web" } },
      spec: { containers: [{ name: "web", image: "i", ports: [{ containerPort: 80 }] }] },
    },
  },
};

const keys = [
  "apiVersion",
  "kind",
  "metadata",
  "name",
  "labels",
  "managedFields",
  "finalizers",
  "spec",
  "replicas",
].concat([
  "template",
  "containers",
  "env",
  "ports",
  "containerPort",
  "selector",
  "strategy",
  "status",
  "__proto__",
  "$patch",
]);
const key = fc.oneof(fc.constantFrom(...keys), fc.string({ maxLength: 4 }));
const leaf = fc.oneof(fc.string({ maxLength: 5 }), fc.integer(), fc.double(), fc.boolean(), fc.constant(null));
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    leaf,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(key, tie("value"), { maxKeys: 5 }),
  ),
}));
const bent = fc
  .tuple(fc.constantFrom("metadata", "spec", "status"), value)
  .map(([part, one]) => ({ ...base, [part]: one }));

const requests = [
  ["PATCH", "application/apply-patch+yaml", "?fieldManager=m&force=true"],
  ["PATCH", "application/apply-patch+yaml", "/status?fieldManager=m"],
  ["PATCH", "application/apply-patch+yaml", "/scale?fieldManager=m"],
  ["PATCH", "application/merge-patch+json", ""],
  ["PATCH", "application/strategic-merge-patch+json", ""],
  ["PATCH", "application/json-patch+json", ""],
  ["PUT", "application/json", ""],
] as const;

test("a patch of any shape is answered, and changes nothing but its object", { timeout: 60_000 }, async () => {
  const pipeline = await startPipeline();
  const headers = { "content-type": "application/apply-patch+yaml" };
  await pipeline.send({ method: "PATCH", path: `${DEPLOYMENT}?fieldManager=first`, headers, body: base });
  const inherited = Object.getOwnPropertyNames(Object.prototype);
  for (const body of fc.sample(fc.oneof(bent, value), { numRuns: 500, seed: 4 })) {
    for (const [method, type, rest] of requests) {
      const path = `${DEPLOYMENT}${rest}`;
      const answer = await pipeline.send({
        method,
        path,
        headers: { "content-type": type },
        body: JSON.stringify(body),
      });
      expect(answer.status, `${type} ${JSON.stringify(body)}: ${JSON.stringify(answer.value)}`).toBeLessThan(500);
    }
  }
  expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(inherited);
  await pipeline.close();
});
