/** PodSecurity and the audit log: what was enforced, and what the audited standard would not have let in. */
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

const PREFIX = "pod-security.kubernetes.io/";
const template = { spec: { containers: [{ name: "main", image: "i:1" }], hostNetwork: true } };
const selector = { matchLabels: { a: "b" } };
const labeled = { ...template, metadata: { labels: { a: "b" } } };
const VIOLATION = 'would violate PodSecurity "baseline:v1.30": host namespaces (hostNetwork=true)';

test.each([
  ["a namespace without labels", {}, "pods", template, 201, { "enforce-policy": "privileged:latest" }],
  [
    "an audited standard",
    { audit: "baseline", "audit-version": "v1.30" },
    "pods",
    template,
    201,
    { "enforce-policy": "privileged:latest", "audit-violations": VIOLATION },
  ],
  [
    "a Pod that is refused",
    { enforce: "restricted", audit: "baseline", "audit-version": "v1.30" },
    "pods",
    template,
    403,
    { "enforce-policy": "restricted:latest", "audit-violations": VIOLATION },
  ],
  [
    "a workload, for which nothing is enforced",
    { enforce: "restricted", audit: "baseline", "audit-version": "v1.30" },
    "deployments",
    { spec: { selector, template: labeled } },
    201,
    { "audit-violations": VIOLATION },
  ],
])("%s", async (name, modes, resource, body, expected, annotations) => {
  const namespace = name.replaceAll(/[^a-z]+/gi, "-").toLowerCase();
  const labels = Object.fromEntries(Object.entries(modes).map(([mode, value]) => [PREFIX + mode, value]));
  await pipeline.send({ method: "POST", path: "/api/v1/namespaces", body: { metadata: { name: namespace, labels } } });
  await pipeline.send({
    method: "POST",
    path: `/api/v1/namespaces/${namespace}/serviceaccounts`,
    body: { metadata: { name: "default" } },
  });
  lines.length = 0;
  const root = resource === "pods" ? "/api/v1" : "/apis/apps/v1";
  const path = `${root}/namespaces/${namespace}/${resource}`;
  const { status } = await pipeline.send({ method: "POST", path, body: { ...body, metadata: { name: "one" } } });
  expect(status).toBe(expected);
  const done = lines.map((line) => JSON.parse(line)).find(({ stage }) => stage === "ResponseComplete");
  const shown = Object.entries(done.annotations).filter(([key]) => key.startsWith(PREFIX));
  expect(Object.fromEntries(shown.map(([key, value]) => [key.slice(PREFIX.length), value]))).toEqual(annotations);
});
