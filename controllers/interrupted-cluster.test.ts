/**
 * Interrupted cluster: nodes, Services, certificates, tokens, roles and quotas come to the same end wherever the
 * controllers are killed, and whichever of their writes got lost. The same of workloads: interrupted.test.ts.
 */
import { webcrypto, X509Certificate } from "node:crypto";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import { fateOf, mortal, rebirth, sleep } from "../e2e/harness/faulty.ts";
import { createAuthority, type KeyPair } from "../machinery/pki/certificates.ts";
import { systemClock } from "../machinery/process/clock.ts";

let cluster: Controlled;
afterEach(() => cluster?.close());
let signing: KeyPair;
let request: string;
beforeAll(async () => {
  signing = await createAuthority(systemClock, "test-ca");
  const x509 = await import("@peculiar/x509");
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const made = await x509.Pkcs10CertificateRequestGenerator.create({
    name: "O=system:nodes,CN=system:node:n9",
    keys: keys as never,
    signingAlgorithm: algorithm,
  });
  request = Buffer.from(made.toString("pem")).toString("base64");
});

const namespace = "default";

/** What people and nodes ask for. */
async function ask(): Promise<void> {
  const subject = (name: string) => [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name }];
  const role = "system:certificates.k8s.io:certificatesigningrequests:nodeclient";
  const { client } = cluster;
  await client.create("clusterrolebindings", {
    metadata: { name: "join" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
    subjects: subject("system:masters"),
  });
  await client.create("certificatesigningrequests", {
    metadata: { name: "n9" },
    spec: {
      request,
      signerName: "kubernetes.io/kube-apiserver-client-kubelet",
      usages: ["digital signature", "client auth"],
    },
  });
  await client.create("nodes", { metadata: { name: "n2" } });
  const encoded = (text: string) => Buffer.from(text).toString("base64");
  const token = (id: string, ends: string) =>
    client.create("secrets", {
      metadata: { namespace: "kube-system", name: `bootstrap-token-${id}` },
      type: "bootstrap.kubernetes.io/token",
      data: {
        "token-id": encoded(id),
        "token-secret": encoded("0123456789abcdef"),
        "usage-bootstrap-signing": encoded("true"),
        expiration: encoded(ends),
      },
    });
  await token("living", "2999-01-01T00:00:00Z");
  await token("expire", "2000-01-01T00:00:00Z");
  await client.create("configmaps", {
    metadata: { namespace: "kube-public", name: "cluster-info" },
    data: { kubeconfig: "x" },
  });
  await client.create("clusterroles", {
    metadata: { name: "whole" },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { part: "yes" } }] },
    rules: [],
  });
  const rules = [{ apiGroups: ["example.com"], resources: ["x"], verbs: ["get"] }];
  await client.create("clusterroles", { metadata: { name: "part", labels: { part: "yes" } }, rules });
  const ports = [{ port: 80 }];
  await client.create("services", { metadata: { namespace, name: "web" }, spec: { selector: { app: "web" }, ports } });
  await client.create("services", { metadata: { namespace, name: "db" }, spec: { ports } });
  await client.create("endpoints", {
    metadata: { namespace, name: "db" },
    subsets: [{ addresses: [{ ip: "10.9.0.1" }], ports }],
  });
  for (const name of ["a", "b"])
    await client.create("pods", {
      metadata: { namespace, name, labels: { app: "web" } },
      spec: { containers: [{ name: "c", image: "a:1" }] },
    });
}

async function outcome() {
  const { client } = cluster;
  const { status } = await client.get("certificatesigningrequests", { name: "n9" });
  const certificate = status?.certificate && new X509Certificate(Buffer.from(status.certificate, "base64"));
  const info = await client.get("configmaps", { namespace: "kube-public", name: "cluster-info" });
  const slices = (await cluster.list("endpointslices", namespace)).filter(({ metadata }) =>
    ["web", "db"].includes(metadata.labels?.["kubernetes.io/service-name"] ?? ""),
  );
  const blocks = (await cluster.list("nodes")).map(({ spec }) => spec?.podCIDR);
  return {
    certificate: certificate ? certificate.subject : undefined,
    conditions: status?.conditions?.map(({ type }) => type),
    blocks: [new Set(blocks).size, blocks.includes(undefined)],
    signatures: Object.keys(info.data ?? {}).sort(),
    tokens: (await cluster.list("secrets", "kube-system")).map(({ metadata }) => metadata.name),
    rules: (await client.get("clusterroles", { name: "whole" })).rules?.length,
    slices: slices.map(({ metadata, endpoints }) => `${metadata.generateName}${endpoints?.length}`).sort(),
    endpoints: (await client.find("endpoints", { namespace, name: "web" }))?.subsets?.[0]?.addresses?.length,
  };
}

const WHOLE = {
  certificate: "O=system:nodes\nCN=system:node:n9",
  conditions: ["Approved"],
  blocks: [2, false],
  signatures: ["jws-kubeconfig-living", "kubeconfig"],
  tokens: ["bootstrap-token-living"],
  rules: 1,
  slices: ["db-1", "web-2"],
  endpoints: 2,
};

describe("controllers that are killed at a write", () => {
  it.each(Array.from({ length: 24 }, (_, i) => [i + 1, i % 2 === 0 ? "refused" : "answer lost"] as const))(
    "number %i, with it %s, finish what they were asked for, and then write nothing",
    async (at, how) => {
      const fate = fateOf(how, at);
      cluster = await startControlled({ between: mortal(fate, 5), signing, rootCa: "PEM" });
      await ask();
      await rebirth(fate, cluster, 1_000);
      await expect.poll(outcome, { timeout: 10_000 }).toEqual(WHOLE);
      await cluster.settled();
      await sleep(50);
      const versions = async () => {
        const all = ["nodes", "endpointslices", "endpoints", "clusterroles", "configmaps", "secrets"] as const;
        return (await Promise.all(all.map((resource) => cluster.list(resource))))
          .flat()
          .map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`);
      };
      const before = await versions();
      await sleep(150);
      expect(await versions()).toEqual(before);
    },
    30_000,
  );
});
