/**
 * Ours beside the real kubectl: the same commands on the same objects must print the same.
 *
 * Commands that write run in two namespaces, one for each. Skipped where there is no real kubectl.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import { realKubectls } from "../e2e/harness/kubectls.ts";
import { type Ran, type Served, serve } from "../e2e/harness/served.ts";

const real = realKubectls().at(-1);

const MANIFEST = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}, annotations: {note: "a\\nlong one"}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers:
      - {name: init, image: busybox, command: [sh, -c, "echo hi\\nexit 0"]}
      containers:
      - name: web
        image: nginx:1.25
        ports: [{containerPort: 80, name: http}, {containerPort: 53, protocol: UDP}]
        env: [{name: A, value: "1"}, {name: P, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
        envFrom: [{configMapRef: {name: web}}]
        resources: {limits: {cpu: "1", memory: 128Mi}, requests: {cpu: 100m}}
        livenessProbe: {httpGet: {path: /h, port: http}}
        readinessProbe: {exec: {command: [cat, /x]}}
        volumeMounts: [{name: e, mountPath: /e}]
      volumes: [{name: e, emptyDir: {}}, {name: c, configMap: {name: web}}]
      nodeSelector: {disk: ssd}
      tolerations: [{key: k, operator: Exists, effect: NoSchedule}]
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {a: "x < y & z"}}
---
{apiVersion: v1, kind: Secret, metadata: {name: web}, stringData: {a: b}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}}
`;

/** What may differ between two runs: times, names that the server makes, its revisions. */
function normalized({ code, stdout, stderr }: Ran): Ran {
  const plain = (text: string) =>
    text
      .replace(/\b(ours|theirs)\b/g, "NAMESPACE")
      .replace(/kubectl\.1\.\d+/g, "kubectl")
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
      .replace(/\w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000/g, "DATE")
      .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "UID")
      .replace(/(resourceVersion"?: ")\d+/g, "$1N")
      .replace(/(Resource Version: +)\d+/g, "$1N")
      .replace(/web-[0-9a-f]{8,10}(-\w{5})?/g, "web-HASH")
      .replace(/job-\w{5}\b/g, "job-HASH")
      .replace(/kube-api-access-\w{5}/g, "kube-api-access-HASH")
      .replace(/10\.4[23]\.\d+\.\d+/g, "ADDRESS")
      .replace(/ {2,}(PORT|EXTERNAL-IP|<none>)/g, "  $1")
      // a column is as wide as the oldest age in it
      .replace(/ +\d+m?\d*s( \(x\d+ over (\d+m)?\d*s\))?(?= |\n|$)/g, " AGE")
      .replace(/ AGE +/g, " AGE ")
      .replace(/ Age +From /g, " Age From ")
      .replace(/ -{4} +-{4} /g, " ---- ---- ");
  return { code, stdout: plain(stdout), stderr: plain(stderr) };
}

describe.skipIf(!real)(`beside kubectl ${real?.version}`, () => {
  let cluster: Controlled;
  let served: Served;

  beforeAll(async () => {
    cluster = await startControlled();
    served = await serve(cluster.pipeline);
    await writeFile(join(served.directory, "all.yaml"), MANIFEST);
    const changed = MANIFEST.replace("nginx:1.25", "nginx:1.26")
      .replace("replicas: 2", "replicas: 3")
      .replace(", name: http", "");
    await writeFile(join(served.directory, "changed.yaml"), changed.replace("targetPort: http", "targetPort: 80"));
    await writeFile(join(served.directory, "untyped.yaml"), "a: b\n");
    for (const namespace of ["ours", "theirs"]) {
      await cluster.create("namespaces", { metadata: { name: namespace } });
      await cluster.create("serviceaccounts", { metadata: { name: "default", namespace } }).catch(() => undefined);
    }
    await cluster.settled();
  });
  afterAll(async () => {
    await served?.close();
    await cluster?.close();
  });

  async function same(line: string, settle = false): Promise<void> {
    const words = line.split(" ").map((word) => word.replaceAll("_", " "));
    const ours = normalized(await served.kubectl(["-n", "ours", ...words]));
    const theirs = normalized(await served.real(real!, ["-n", "theirs", ...words]));
    expect(ours).toEqual(theirs);
    if (settle) await cluster.settled();
  }

  test.for([
    "apply -f all.yaml",
    "apply -f all.yaml",
    "rollout status deploy/web",
    "get all",
    "describe deploy web",
    "describe rs",
    "describe svc",
    "describe cm web",
    "describe secret web",
    "describe job job",
    "rollout history deploy web",
    "apply -f changed.yaml --dry-run=server",
    "apply -f changed.yaml",
    "get deploy,svc,cm -o yaml",
    "get deploy web -o json",
    "rollout status deploy/web",
    "rollout history deploy/web --revision=1",
    "rollout undo deploy/web",
    "rollout undo deploy/web --to-revision=99",
    "rollout pause deploy/web",
    "rollout pause deploy/web",
    "rollout restart deploy/web",
    "rollout resume deploy/web",
    "scale deploy/web --replicas=4",
    "scale deploy/web --replicas=4 --current-replicas=3",
    "scale deploy/web",
    "set image deploy/web web=nginx:9",
    "set image deploy/web nope=nginx:9",
    "label deploy web a=b",
    "label deploy web a=c",
    "label deploy web a-",
    "annotate deploy/web x=y",
    'patch deploy web -p {"spec":{"paused":false}}',
    "expose deploy web --name=again --port=81",
    "wait --for=condition=Available deploy/web --timeout=20s",
    "wait --for=delete pod/nope",
    "run lone --image=nginx",
    "run lone --image=nginx",
    "run lone --image=nginx --expose",
    "run open --image=nginx --port=80 --expose --labels=a=b --env=A=b",
    "run Lone --image=nginx",
    "run lone --image=nginx --restart=Sometimes",
    "autoscale deploy web --max=4 --cpu-percent=70",
    "autoscale deploy web --max=4",
    "autoscale deploy nope --max=4",
    "autoscale cm/web --max=4",
    "autoscale deploy web",
    "replace -f all.yaml",
    "replace -f all.yaml --dry-run=server",
    "replace -f nowhere.yaml",
    "replace -f changed.yaml --grace-period=0",
    "debug lone",
    "debug lone --image=busybox --profile=general -c first",
    "debug lone --image=busybox --profile=restricted -c second --target=lone -- sleep 1",
    "debug lone --copy-to=copy --image=busybox --profile=general -c third",
    "debug nope --image=busybox --profile=general",
    "get pods lone copy -o yaml",
    "delete cm nope",
    "delete pods",
    "delete",
    "create -f all.yaml",
    "apply",
    "apply -f untyped.yaml",
    "apply -f nowhere.yaml",
  ])("writes: %s", async (line) => {
    await same(line, true);
  });

  test("drain of a node whose Pods a budget holds", async () => {
    const labels = { app: "held" };
    const metadata = { name: "held", labels };
    const containers = [{ name: "c", image: "busybox" }];
    for (const [namespace, nodeName] of [
      ["ours", "held-ours"],
      ["theirs", "held-theirs"],
    ] as const) {
      await cluster.create("nodes", { metadata: { name: nodeName } });
      const selector = { matchLabels: labels };
      await cluster.create("poddisruptionbudgets", {
        metadata: { ...metadata, namespace },
        spec: { selector, minAvailable: 1 },
      });
      await cluster.create("pods", { metadata: { ...metadata, namespace }, spec: { nodeName, containers } });
    }
    await cluster.settled();
    const line = (node: string) => ["drain", node, "--force", "--timeout=6s", "--pod-selector=app=held"];
    const [ours, theirs] = await Promise.all([
      served.kubectl(line("held-ours")),
      served.real(real!, line("held-theirs")),
    ]);
    expect(normalized(ours)).toEqual(normalized(theirs));
    expect(ours.code).toBe(1);
    expect(ours.stderr).toContain("Cannot evict pod as it would violate the pod's disruption budget.");
    expect((await cluster.list("pods", "ours")).map(({ metadata: { name } }) => name)).toContain("held");
  }, 60_000);

  test.for([
    "get ns",
    "get nodes",
    "get pods -A -o wide",
    "get ns default kube-system --show-labels",
    "get ns -L kubernetes.io/metadata.name",
    "get ns -o name",
    "get ns -o custom-columns=N:.metadata.name,X:.foo",
    'get ns -o jsonpath={range_.items[*]}{.metadata.name}{"\\n"}{end}',
    'get ns -o jsonpath={.items[?(@.metadata.name=="default")].status.phase}',
    "get ns --sort-by=.metadata.name --no-headers",
    "get",
    "get nope",
    "get pods nope",
    "get pods/x/y",
    "get pods --nope",
    "get pods -o",
    "get pods -o jsonpath",
    "get pods --field-selector foo=bar",
    "api-resources",
    "api-resources --namespaced=false -o name",
    "api-versions",
    "explain pods",
    "explain deploy --recursive",
    "explain pod.spec.containers.ports",
    "explain svc.spec.type",
    "explain pod.spec.nope",
    "explain nope",
    "describe ns default",
    "describe pod nope",
    "describe",
    "cluster-info",
    "config view",
    "config current-context",
    "config get-contexts",
    "logs",
    "logs nope",
    "exec nope -- ls",
    "exec nope",
    "exec nope ls",
    "create configmap c --from-literal=a=b --dry-run=server",
    "cordon",
    "cordon nope",
    "drain",
    "drain nope",
    "drain nope -l a=b",
    "taint",
    "taint nodes nope",
    "taint nodes nope a=b:NoSchedule",
    "taint nodes nope a=b:Never",
    "taint pods nope a=b:NoSchedule",
    "taint nodes nope a=b:NoSchedule a:NoSchedule-",
    "edit",
    "edit cm nope",
    "replace",
    "run",
    "cp",
    "cp a b",
    "cp a: b",
    "cp x:/a y:/b",
    "cp /etc/hostname nope:/tmp",
  ])("reads: %s", async (line) => {
    await same(line);
  });
});
