/** Static Pods and their mirrors, over the simulated runtime, against the real API server pipeline. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { podUntil, startNode, type TestNode } from "../../e2e/harness/node.ts";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import type { Client } from "../../machinery/client/client.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { podFromManifest } from "./manifest.ts";
import { HASH, MIRROR, SOURCE } from "./marks.ts";

const facts = { nodeName: "node-1", seenAt: "2026-01-01T00:00:00Z" };
const manifest = (image = "busybox:1.36", more = "") => `apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web } }
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - { name: main, image: "${image}" }
${more}`;

describe("the file of a static Pod", () => {
  it("becomes a Pod of this node, the same one each time", () => {
    const pod = podFromManifest(manifest(), facts);
    expect(pod).toMatchObject({
      metadata: {
        name: "web-node-1",
        namespace: "default",
        labels: { app: "web" },
        annotations: { [SOURCE]: "file", [HASH]: pod.metadata.uid },
      },
      spec: {
        nodeName: "node-1",
        restartPolicy: "Always",
        containers: [{ name: "main", imagePullPolicy: "IfNotPresent" }],
        tolerations: [{ operator: "Exists", effect: "NoExecute" }],
      },
    });
    expect(pod.metadata.uid).toMatch(/^[0-9a-f]{32}$/);
    expect(podFromManifest(manifest(), { ...facts, seenAt: "later" }).metadata.uid).toBe(pod.metadata.uid);
    expect(podFromManifest(manifest("busybox:1.35"), facts).metadata.uid).not.toBe(pod.metadata.uid);
    expect(podFromManifest(manifest("busybox"), facts).spec?.containers[0]?.imagePullPolicy).toBe("Always");
  });

  it.each([
    ["kind: Service\napiVersion: v1", "holds one Pod of v1, not Service v1"],
    ["kind: Pod\napiVersion: v1\nmetadata: { name: Web }", "metadata.name: "],
    ["kind: Pod\napiVersion: v1\nmetadata: { name: web }", "at least one container is needed"],
    [manifest("", ""), 'container "main" has no image'],
    [manifest("a", "  serviceAccountName: x"), "static pods may not reference serviceaccounts"],
    [manifest("a", "  volumes: [{ name: v, secret: { secretName: s } }]"), "may not reference secrets"],
    [manifest("a", "  volumes: [{ name: v, configMap: { name: s } }]"), "may not reference configmaps"],
    [manifest("a", "  volumes: [{ name: v, persistentVolumeClaim: { claimName: s } }]"), "persistentvolumeclaims"],
  ])("%j is refused", (text, message) => {
    expect(() => podFromManifest(text, facts)).toThrow(message);
  });
});

describe("a static Pod", () => {
  let pipeline: Pipeline;
  let node: TestNode;
  let client: Client;
  let file: string;
  const ref = { namespace: "default", name: "web-node-1" };
  const running = (pod: Pod | undefined) => pod?.status?.phase === "Running";
  const write = (text: string) => writeFile(file, text);
  const sandboxes = async () => (await node.runtime.listPodSandbox({})).items;

  beforeEach(async () => {
    pipeline = await startPipeline({ advertiseAddress: "192.0.2.1" });
    client = pipeline.client();
    node = await startNode(pipeline);
    const directory = join(node.directory, "static-pods");
    await mkdir(directory, { recursive: true });
    file = join(directory, "web.yaml");
    await write(manifest());
    await node.stop();
    await node.start(); // a directory that was not there is found later than this test would wait
  });

  afterEach(async () => {
    await node.close();
    await pipeline.close();
  });

  it("is shown by a mirror with its status, follows its file, and goes with it", async () => {
    const mirror = await podUntil(client, ref, running);
    const [sandbox] = await sandboxes();
    const own = await client.get("nodes", { name: "node-1" });
    expect(mirror).toMatchObject({
      metadata: {
        annotations: { [MIRROR]: sandbox?.metadata.uid, [SOURCE]: "file" },
        ownerReferences: [{ kind: "Node", name: "node-1", uid: own.metadata.uid, controller: true }],
      },
      spec: { nodeName: "node-1" },
      status: { podIP: expect.any(String), containerStatuses: [{ ready: true }] },
    });
    expect(mirror?.metadata.uid).not.toBe(sandbox?.metadata.uid);

    await write(manifest("busybox:1.35"));
    const next = await podUntil(
      client,
      ref,
      (pod) => running(pod) && pod?.spec?.containers[0]?.image === "busybox:1.35",
    );
    expect(next?.metadata.uid).not.toBe(mirror?.metadata.uid);
    await expect.poll(async () => (await sandboxes()).length).toBe(1);

    await write("half a wri: [");
    await rm(`${file}.other`, { force: true });
    await client.delete("pods", ref, { gracePeriodSeconds: 0 });
    const again = await podUntil(client, ref, (pod) => running(pod) && pod?.metadata.uid !== next?.metadata.uid);
    expect(again?.metadata.annotations?.[MIRROR]).toBe(next?.metadata.annotations?.[MIRROR]);
    expect((await sandboxes()).length).toBe(1);

    await rm(file);
    await podUntil(client, ref, (pod) => !pod);
    expect(await sandboxes()).toEqual([]);
  }, 30_000);

  it("is adopted by the next kubelet, and a mirror without a file goes", async () => {
    const mirror = await podUntil(client, ref, running);
    const [before] = await sandboxes();
    await node.stop();
    await node.start();
    const after = await podUntil(client, ref, running);
    expect(after?.metadata.uid).toBe(mirror?.metadata.uid);
    expect((await sandboxes()).map(({ id }) => id)).toEqual([before?.id]);
    await node.stop();
    await rm(file);
    await node.start();
    await podUntil(client, ref, (pod) => !pod);
    await expect.poll(sandboxes).toEqual([]);
  }, 30_000);

  it("has a mirror that is made again when somebody deletes it in peace", async () => {
    const mirror = await podUntil(client, ref, running);
    await client.delete("pods", ref, {});
    await podUntil(client, ref, (pod) => running(pod) && pod?.metadata.uid !== mirror?.metadata.uid);
    expect((await sandboxes()).length).toBe(1);
  }, 30_000);
});
