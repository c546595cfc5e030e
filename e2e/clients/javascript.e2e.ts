/**
 * JavaScript: the official client against a simulated cluster: typed calls, patches, watch, informer, logs, exec.
 */
import { PassThrough } from "node:stream";
import * as k8s from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, eventually, startCluster } from "../harness/cluster.ts";

let cluster: Cluster;
let config: k8s.KubeConfig;
let core: k8s.CoreV1Api;
beforeAll(async () => {
  cluster = await startCluster("--simulated");
  config = new k8s.KubeConfig();
  config.loadFromFile(cluster.paths.adminKubeconfig);
  core = config.makeApiClient(k8s.CoreV1Api);
});
afterAll(() => cluster?.down());

const namespace = "default";
const body = (name: string): k8s.V1ConfigMap => ({ metadata: { name }, data: { key: "value" } });

test("objects are created, read, replaced, listed and deleted", async () => {
  const made = await core.createNamespacedConfigMap({ namespace, body: body("typed") });
  expect(made.metadata?.creationTimestamp).toBeInstanceOf(Date);
  made.data = { key: "other" };
  await core.replaceNamespacedConfigMap({ namespace, name: "typed", body: made });
  const read = await core.readNamespacedConfigMap({ namespace, name: "typed" });
  expect(read.data).toEqual({ key: "other" });
  const list = await core.listNamespacedConfigMap({ namespace, fieldSelector: "metadata.name=typed" });
  expect(list.items).toHaveLength(1);
  const gone = await core.deleteNamespacedConfigMap({ namespace, name: "typed" });
  expect(gone.status).toBe("Success");
  await expect(core.readNamespacedConfigMap({ namespace, name: "typed" })).rejects.toMatchObject({ code: 404 });
});

test("every type of patch changes its part", async () => {
  await core.createNamespacedConfigMap({ namespace, body: body("patched") });
  const patches: readonly (readonly [string, object])[] = [
    [k8s.PatchStrategy.JsonPatch, [{ op: "add", path: "/data/json", value: "1" }]],
    [k8s.PatchStrategy.MergePatch, { data: { merge: "1" } }],
    [k8s.PatchStrategy.StrategicMergePatch, { data: { strategic: "1" } }],
    [
      k8s.PatchStrategy.ServerSideApply,
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "patched" }, data: { applied: "1" } },
    ],
  ];
  for (const [type, patch] of patches)
    await core.patchNamespacedConfigMap(
      { namespace, name: "patched", body: patch, fieldManager: "javascript" },
      k8s.setHeaderOptions("Content-Type", type),
    );
  const { data } = await core.readNamespacedConfigMap({ namespace, name: "patched" });
  expect(data).toEqual({ key: "value", json: "1", merge: "1", strategic: "1", applied: "1" });
});

test("a watch and an informer hear of changes", async () => {
  const seen: string[] = [];
  const abort = await new k8s.Watch(config).watch(
    `/api/v1/namespaces/${namespace}/configmaps`,
    { fieldSelector: "metadata.name=watched" },
    (phase: string) => seen.push(phase),
    () => undefined,
  );
  const names: string[] = [];
  const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`, () =>
    core.listNamespacedConfigMap({ namespace }),
  );
  informer.on("add", (object) => names.push(object.metadata?.name ?? ""));
  await informer.start();
  await core.createNamespacedConfigMap({ namespace, body: body("watched") });
  await core.deleteNamespacedConfigMap({ namespace, name: "watched" });
  await eventually("events", async () => {
    expect(seen).toEqual(["ADDED", "DELETED"]);
    expect(names).toContain("watched");
  });
  await informer.stop();
  abort.abort();
});

test("a Deployment runs, its Pod's log is read, a command is told why it cannot run", async () => {
  const apps = config.makeApiClient(k8s.AppsV1Api);
  const labels = { app: "js" };
  const containers = [{ name: "main", image: "busybox:1.36", command: ["sleep", "1000"] }];
  await apps.createNamespacedDeployment({
    namespace,
    body: {
      metadata: { name: "js" },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers } },
      },
    },
  });
  const pod = await eventually("a running Pod", async () => {
    const { items } = await core.listNamespacedPod({ namespace, labelSelector: "app=js" });
    expect(items[0]?.status?.phase).toBe("Running");
    return items[0]?.metadata?.name ?? "";
  });
  expect(typeof (await core.readNamespacedPodLog({ namespace, name: pod }))).toBe("string");
  const status = await new Promise<k8s.V1Status>((resolve, reject) => {
    const output = new PassThrough();
    new k8s.Exec(config).exec(namespace, pod, "main", ["true"], output, output, null, false, resolve).catch(reject);
  });
  expect(status.status).toMatch(/^(Success|Failure)$/);
  const scale = await apps.readNamespacedDeploymentScale({ namespace, name: "js" });
  await apps.replaceNamespacedDeploymentScale({ namespace, name: "js", body: { ...scale, spec: { replicas: 2 } } });
  await eventually("two Pods", async () => {
    const { status: now } = await apps.readNamespacedDeploymentStatus({ namespace, name: "js" });
    expect(now?.readyReplicas).toBe(2);
  });
});
