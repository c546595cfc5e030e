/** How network policies are described, beside the real kubectl. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { realKubectls } from "../../e2e/harness/kubectls.ts";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { type Served, serve } from "../../e2e/harness/served.ts";

const real = realKubectls().at(-1);

let pipeline: Pipeline;
let served: Served;

const app = (value: string) => ({ matchLabels: { app: value } });
const some = {
  matchLabels: { b: "c", a: "b" },
  matchExpressions: [
    { key: "d", operator: "NotIn", values: ["e", "f"] },
    { key: "g", operator: "Exists" },
    { key: "h", operator: "DoesNotExist" },
  ],
};
const block = { ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16", "10.2.0.0/16"] } };

/** The kinds of specifications that read differently. */
const SPECS = {
  nothing: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
  everything: { podSelector: some, policyTypes: ["Egress", "Ingress"], ingress: [{}], egress: [{}] },
  peers: {
    podSelector: app("web"),
    ingress: [
      {
        from: [
          { podSelector: {} },
          { podSelector: some },
          { namespaceSelector: {} },
          { namespaceSelector: some, podSelector: app("x") },
          block,
          { ipBlock: { cidr: "192.0.2.0/24" } },
        ],
      },
      { from: [{ podSelector: app("y") }] },
    ],
  },
  ports: {
    podSelector: app("web"),
    policyTypes: ["Egress"],
    egress: [
      {
        ports: [{ port: 80 }, { port: "http", protocol: "UDP" }, { protocol: "SCTP" }, { port: 1, endPort: 9 }],
        to: [block],
      },
      { ports: [{ port: 53, protocol: "UDP" }] },
    ],
  },
};

beforeAll(async () => {
  pipeline = await startPipeline();
  for (const [name, spec] of Object.entries(SPECS))
    await pipeline.client().create("networkpolicies", {
      metadata: { name, namespace: "default", labels: { z: "1", a: "2" }, annotations: { note: name } },
      spec,
    });
  served = await serve(pipeline);
});
afterAll(async () => {
  await served?.close();
  await pipeline?.close();
});

describe("a network policy", () => {
  test.skipIf(!real).each(Object.keys(SPECS))("%s is described as the real kubectl does", async (name) => {
    if (!real) return;
    const wanted = await served.real(real, ["describe", "networkpolicy", name]);
    const got = await served.kubectl(["describe", "networkpolicy", name]);
    expect(got.stdout).toBe(wanted.stdout);
  });
});
