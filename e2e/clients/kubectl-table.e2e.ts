/**
 * Kubectl table: what every real kubectl at hand does with the server, version by version, on a simulated cluster.
 *
 * In order, in a namespace for each. What needs containers that really run has kubectl.e2e.ts and streams.e2e.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, startCluster } from "../harness/cluster.ts";
import { realKubectls } from "../harness/kubectls.ts";
import { startKubectl } from "../harness/running.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster("--simulated");
});
afterAll(() => cluster?.down());

interface Case {
  readonly line: string;
  readonly says: readonly (string | RegExp)[];
  readonly code?: number;
  readonly input?: string;
  /** The first minor version that can do it. */
  readonly since?: number;
}

const MAP = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "map" }, data: { a: "1" } });
const CHANGED = MAP.replace('"1"', '"2"');
const APPLIED = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "ssa" }, data: { a: "1" } });

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
  { line: "get configmap ssa -o yaml --show-managed-fields", says: ["manager: kubectl", "operation: Apply"] },
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
  { line: "rollout status deployment/web --timeout=60s", says: ["successfully rolled out"] },
  { line: "rollout history deployment/web", says: ["REVISION", /^2\s/m] },
  { line: "rollout undo deployment/web", says: ["rolled back"] },
  { line: "rollout restart deployment/web", says: ["restarted"] },
  { line: "autoscale deployment/web --max=3 --cpu-percent=50", says: ["autoscaled"] },
  { line: "get hpa web", says: ["Deployment/web"] },
  { line: "get pods -o wide", says: ["NOMINATED NODE"] },
  { line: "describe deployment web", says: ["RollingUpdateStrategy"] },
  { line: "events", says: ["Scheduled"] },
  { line: "top pods", says: ["Metrics API not available"], code: 1 },
  { line: "create token default", says: [/^ey/] },
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

describe.each(realKubectls().map((which) => [which.version, which] as const))("kubectl %s", (version, which) => {
  const namespace = `v${version.replace(".", "-")}`;
  const minor = Number(version.split(".")[1]);
  beforeAll(() => cluster.kubectl(which, ["create", "namespace", namespace]));

  test.each(table.map((one) => [one.line, one] as const))("%s", async (line, { says, code = 0, input, since = 0 }) => {
    if (minor < since) return;
    const nodes = await cluster.kubectl(which, ["get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"]);
    const args = line.replace("NODE", nodes).split(" ");
    const ran = await cluster.tryKubectl(which, ["-n", namespace, ...args], input);
    const printed = `${ran.stdout}${ran.stderr}`;
    for (const said of says) expect(printed).toMatch(said instanceof RegExp ? said : literally(said));
    expect(ran.code).toBe(code);
  });

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

const literally = (text: string) => new RegExp(text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
