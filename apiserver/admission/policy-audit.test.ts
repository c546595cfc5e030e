/** Policies and the audit log: what they have to say about a write stands on its event. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { readPolicy } from "../audit/policy.ts";

const lines: string[] = [];
let pipeline: Pipeline;
beforeAll(async () => {
  const sink = { lost: 0, write: (line: string) => void lines.push(line), close: async () => undefined };
  const policy = readPolicy("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]", "policy");
  pipeline = await startPipeline({ audit: { policy, sink } });
});
afterAll(() => pipeline.close());

test("annotations and failures that are only audited", async () => {
  const group = "/apis/admissionregistration.k8s.io/v1";
  const rule = { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"] };
  await pipeline.send({
    method: "POST",
    path: `${group}/validatingadmissionpolicies`,
    body: {
      metadata: { name: "sizes" },
      spec: {
        matchConstraints: { resourceRules: [rule] },
        validations: [{ expression: "object.data.size() < 2", message: "too many" }],
        auditAnnotations: [
          { key: "size", valueExpression: "string(object.data.size())" },
          { key: "nothing", valueExpression: "null" },
        ],
      },
    },
  });
  await pipeline.send({
    method: "POST",
    path: `${group}/validatingadmissionpolicybindings`,
    body: { metadata: { name: "all" }, spec: { policyName: "sizes", validationActions: ["Audit"] } },
  });
  lines.length = 0;
  const { status } = await pipeline.send({
    method: "POST",
    path: "/api/v1/namespaces/default/configmaps",
    body: { metadata: { name: "two" }, data: { a: "1", b: "2" } },
  });
  expect(status).toBe(201);
  const done = lines.map((line) => JSON.parse(line)).find(({ stage }) => stage === "ResponseComplete");
  expect(done.annotations).toMatchObject({ "sizes/size": "2" });
  expect(done.annotations).not.toHaveProperty("sizes/nothing");
  expect(JSON.parse(done.annotations["validation.policy.admission.k8s.io/validation_failure"])).toEqual([
    { message: "too many", policy: "sizes", binding: "all", expressionIndex: 0, validationActions: ["Audit"] },
  ]);
});
