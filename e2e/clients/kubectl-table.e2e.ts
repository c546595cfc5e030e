/**
 * Kubectl table: what every real kubectl at hand does with the server, all versions at once, on a simulated cluster.
 *
 * In order, in a namespace and with a node of its own for each. What needs containers that really run has
 * kubectl.e2e.ts and streams.e2e.ts. How long it took is printed.
 */

import { webcrypto } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../machinery/process/clock.ts";
import { type Cluster, startCluster } from "../harness/cluster.ts";
import { debianKubectl } from "../harness/debian-kubectl.ts";
import { type Kubectl, realKubectls } from "../harness/kubectls.ts";
import { startKubectl } from "../harness/running.ts";

let cluster: Cluster;
/** Holds a kustomization. */
const directory = mkdtempSync(join(tmpdir(), "k8ts-table-"));
const started = systemClock.monotonic();
beforeAll(async () => {
  cluster = await startCluster("--simulated");
  writeFileSync(join(directory, "map.yaml"), MAP);
  writeFileSync(join(directory, "kustomization.yaml"), "resources: [map.yaml]\nnamePrefix: made-\n");
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await cluster?.down();
  const seconds = Math.round((systemClock.monotonic() - started) / 1000);
  process.stdout.write(`every kubectl did its table in ${seconds} s\n`);
});

interface Case {
  readonly line: string;
  readonly says: readonly (string | RegExp)[];
  readonly code?: number;
  readonly input?: string;
  /** The first minor version that can do it. */
  readonly since?: number;
  /** A controller has to do its part first: asked for again until it says so. */
  readonly soon?: boolean;
}

const MAP = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "map" }, data: { a: "1" } });
const CHANGED = MAP.replace('"1"', '"2"');
const APPLIED = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "ssa" }, data: { a: "1" } });

const ROLE = JSON.stringify({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "Role",
  metadata: { name: "reader", namespace: "NAMESPACE" },
  rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }],
});
let request = "";
beforeAll(async () => {
  await import("reflect-metadata"); // the library needs it and does not bring it
  const x509 = await import("@peculiar/x509");
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const name = "CN=jane,O=devs";
  const made = await x509.Pkcs10CertificateRequestGenerator.create({
    name,
    keys: keys as never,
    signingAlgorithm: algorithm,
  });
  request = Buffer.from(made.toString("pem")).toString("base64");
});

const signingRequest = (name: string) =>
  JSON.stringify({
    apiVersion: "certificates.k8s.io/v1",
    kind: "CertificateSigningRequest",
    metadata: { name },
    spec: {
      request,
      signerName: "kubernetes.io/kube-apiserver-client",
      usages: ["client auth"],
    },
  });

const table: readonly Case[] = [
  { line: "version -o json", says: ['"gitVersion": "v1.36'] },
  { line: "cluster-info", says: ["Kubernetes control plane", "is running at"] },
  { line: "api-versions", says: ["autoscaling/v1\n", "autoscaling/v2\n", "apps/v1\n"] },
  { line: "api-resources", says: [/^horizontalpodautoscalers\s+hpa\s+autoscaling\/v2\s/m, /^pods\s+po\s+v1\s/m] },
  { line: "get --raw /api/v1/namespaces/default", says: ['"kind":"Namespace"'] },
  { line: "explain deployment.spec.strategy.rollingUpdate", says: ["maxSurge", "maxUnavailable", "DESCRIPTION:"] },
  { line: "explain pod --recursive", says: ["terminationGracePeriodSeconds", "livenessProbe"] },
  { line: "apply -f -", input: MAP, says: ["configmap/map created"] },
  { line: "diff -f -", input: CHANGED, says: ['-  a: "1"', '+  a: "2"'], code: 1 },
  { line: "apply -f -", input: CHANGED, says: ["configmap/map configured"] },
  { line: "apply --server-side -f -", input: APPLIED, says: ["configmap/ssa serverside-applied"] },
  {
    line: "get configmap ssa -o yaml --show-managed-fields",
    says: ["manager: kubectl", "operation: Apply"],
    since: 21,
  },
  { line: `patch configmap map --type=merge -p {"data":{"b":"1"}}`, says: ["configmap/map patched"] },
  { line: `patch configmap map --type=strategic -p {"data":{"c":"1"}}`, says: ["configmap/map patched"] },
  {
    line: `patch configmap map --type=json -p [{"op":"remove","path":"/data/c"}]`,
    says: ["configmap/map patched"],
  },
  { line: "get configmap map -o jsonpath={.data}", says: ['{"a":"2","b":"1"}'] },
  { line: "annotate configmap map note=1", says: [/^configmap\/map annotated?$/m] },
  { line: "label configmap map set=1", says: ["configmap/map labeled"] },
  { line: "get configmaps -l set=1 -o name", says: [/^configmap\/map$/m] },
  { line: "create deployment web --image=busybox:1.36", says: ["deployment.apps/web created"] },
  { line: "rollout status deployment/web --timeout=60s", says: ["successfully rolled out"] },
  { line: "wait deployment/web --for=condition=Available --timeout=60s", says: ["condition met"] },
  { line: "scale deployment/web --replicas=2", says: ["deployment.apps/web scaled"] },
  { line: "set image deployment/web busybox=busybox:1.37", says: ["image updated"] },
  { line: "set env deployment/web A=1", says: ["env updated"] },
  { line: "set resources deployment/web --limits=cpu=200m", says: ["resource requirements updated"] },
  { line: "rollout status deployment/web --timeout=60s", says: ["successfully rolled out"] },
  {
    line: "wait deployment/web --for=jsonpath={.status.readyReplicas}=2 --timeout=60s",
    says: ["condition met"],
    since: 23,
  },
  { line: "expose deployment/web --port=80", says: ["service/web exposed"] },
  { line: "get endpoints web -o jsonpath={.subsets[0].ports[0].port}", says: ["80"], soon: true },
  { line: "rollout history deployment/web", says: ["REVISION", /^4\s/m] },
  { line: "rollout undo deployment/web", says: ["rolled back"] },
  { line: "rollout restart deployment/web", says: ["restarted"] },
  { line: "autoscale deployment/web --max=3 --cpu-percent=50", says: ["autoscaled"] },
  { line: "get hpa web", says: ["Deployment/web"] },
  { line: "run one --image=busybox:1.36", says: ["pod/one created"] },
  { line: "wait pod/one --for=condition=Ready --timeout=60s", says: ["condition met"] },
  {
    line: "create token default --bound-object-kind=Pod --bound-object-name=one",
    says: [/not bound|cannot bind|^ey/],
    since: 24,
  },
  { line: "create secret generic bound", says: ["secret/bound created"] },
  {
    line: "create token default --bound-object-kind=Secret --bound-object-name=bound --audience=x",
    says: [/^ey/],
    since: 24,
  },
  { line: "auth reconcile -f -", input: ROLE, says: ["role.rbac.authorization.k8s.io/reader reconciled"] },
  { line: "kustomize DIRECTORY", says: ["name: made-map"], since: 21 },
  { line: "apply -k DIRECTORY", says: ["configmap/made-map created"] },
  { line: "create -f -", input: "CSR-good", says: ["created"] },
  { line: "certificate approve NAMESPACE-good", says: ["approved"] },
  { line: "get csr NAMESPACE-good", says: ["Approved"] },
  { line: "create -f -", input: "CSR-bad", says: ["created"] },
  { line: "certificate deny NAMESPACE-bad", says: ["denied"] },
  { line: "get csr NAMESPACE-bad", says: ["Denied"] },
  {
    line: "cluster-info dump --namespaces NAMESPACE",
    says: ['"kind": "NodeList"', '"kind": "EventList"', '"name": "one"'],
  },
  { line: "get pods -o wide", says: ["NOMINATED NODE"] },
  { line: "describe deployment web", says: ["RollingUpdateStrategy"] },
  { line: "events", says: ["Scheduled"], since: 26 },
  { line: "create token default", says: [/^ey/], since: 24 },
  { line: "auth can-i create pods", says: ["yes"] },
  { line: "auth can-i --list", says: ["*.*"] },
  { line: "auth whoami", says: ["kubernetes-admin", "system:masters"], since: 28 },
  { line: "cordon NODE", says: ["cordoned"] },
  { line: "taint node NODE key=value:NoSchedule --overwrite", says: [/modified|tainted/] },
  { line: "taint node NODE key-", says: ["untainted"] },
  { line: "uncordon NODE", says: ["uncordoned"] },
  { line: "drain NODE --ignore-daemonsets --force --delete-emptydir-data --dry-run=server", says: ["drained"] },
  { line: "delete configmap map", says: ['configmap "map" deleted'] },
  { line: "delete deployment web --wait=false", says: ['deployment.apps "web" deleted'] },
];

const NODE = (name: string) => JSON.stringify({ apiVersion: "v1", kind: "Node", metadata: { name } });

async function doesItsTable(version: string, which: Kubectl): Promise<void> {
  const namespace = `v${version.replace(".", "-")}`;
  const minor = Number(version.split(".")[1]);
  const wrong: string[] = [];
  await cluster.kubectl(which, ["create", "namespace", namespace]);
  await cluster.kubectl(which, ["create", "-f", "-"], NODE(namespace));
  for (const { line, says, code = 0, input, since = 0, soon = false } of table) {
    if (minor < since) continue;
    const filled = line.replace("NODE", namespace).replace("NAMESPACE", namespace).replace("DIRECTORY", directory);
    const given = input?.startsWith("CSR-")
      ? signingRequest(namespace + input.slice("CSR".length))
      : input?.replace("NAMESPACE", namespace);
    const attempt = async () => {
      const ran = await cluster.tryKubectl(which, ["-n", namespace, ...filled.split(" ")], given);
      const printed = `${ran.stdout}${ran.stderr}`;
      const missing = says.filter((said) => (typeof said === "string" ? !printed.includes(said) : !said.test(printed)));
      return missing.length === 0 && ran.code === code
        ? undefined
        : `${line}: exit code ${ran.code}, without ${missing.join(" and ")}:\n${printed}`;
    };
    let fault = await attempt();
    for (let times = 0; soon && fault !== undefined && times < 50; times++) {
      await systemClock.sleep(200);
      fault = await attempt();
    }
    if (fault !== undefined) wrong.push(fault);
  }
  expect(wrong).toEqual([]);
}

const all = realKubectls().map((which) => [which.version, which] as const);

test.concurrent.each(all)("kubectl %s does its table", doesItsTable, 180_000);

test("kubectl 1.20 of Debian does its table", async ({ skip }) => {
  const which = await debianKubectl().catch((error: Error) => error);
  if (which instanceof Error) return skip(`Debian's kubectl cannot be had: ${which.message.slice(0, 200)}`);
  await doesItsTable(which.version, which);
}, 180_000);

describe.each(all)("kubectl %s", (version, which) => {
  const namespace = `w${version.replace(".", "-")}`;
  beforeAll(() => cluster.kubectl(which, ["create", "namespace", namespace]));

  test("get --watch shows what changes", async () => {
    await using watching = startKubectl(cluster, which, [
      "-n",
      namespace,
      "get",
      "configmaps",
      "--watch",
      "-o",
      "name",
    ]);
    await cluster.kubectl(which, ["-n", namespace, "create", "configmap", "seen"]);
    await watching.until("configmap/seen");
  });

  test("proxy passes requests on", async () => {
    await using proxying = startKubectl(cluster, which, ["proxy", "--port=0"]);
    await proxying.until(/Starting to serve on/);
    const address = /127\.0\.0\.1:\d+/.exec(proxying.stdout)?.[0];
    const answer = await fetch(`http://${address}/api/v1/namespaces/${namespace}`);
    expect(await answer.json()).toMatchObject({ kind: "Namespace", metadata: { name: namespace } });
  });
});
