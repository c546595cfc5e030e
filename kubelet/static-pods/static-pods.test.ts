/** Static Pods and their mirrors, over the simulated runtime, against the real API server pipeline. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { podUntil, startNode, type TestNode } from "../../e2e/harness/node.ts";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import type { Client } from "../../machinery/client/client.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { readOneYaml } from "../../machinery/yaml.ts";
import { standardSettings } from "../configuration.ts";
import { podFromManifest } from "./manifest.ts";
import { HASH, MIRROR, SOURCE } from "./marks.ts";
import type { Source } from "./source.ts";
import { staticPodSource } from "./sources.ts";

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

describe("static Pods of a web server", () => {
  let answer: { status: number; text: string };
  let asked: string[];
  let server: Server;
  let source: Source;
  let stop: AbortController;
  const told: string[][] = [];
  beforeEach(async () => {
    [answer, asked] = [{ status: 503, text: "" }, []];
    told.length = 0;
    server = createServer((request, response) => {
      asked.push(String(request.headers["x-rack"]));
      response.writeHead(answer.status).end(answer.text);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    stop = new AbortController();
    const settings = {
      ...standardSettings,
      staticPodURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/pods`,
      staticPodURLHeader: { "X-Rack": ["7"] },
      httpCheckFrequency: 20,
    };
    const context = { nodeName: "node-1", clock: systemClock, log: silent, signal: stop.signal };
    source = staticPodSource(context, settings, undefined);
  });
  afterEach(() => {
    stop.abort(new Error("over"));
    server.closeAllConnections();
    server.close();
  });

  it("are asked for again and again, and stay as they are while there is no answer", async () => {
    expect(await source.read()).toEqual([]);
    expect(source.isComplete()).toBe(false);
    const following = source.follow((pods) => told.push(pods.map(({ metadata }) => metadata.name)));
    await expect.poll(() => asked.length).toBeGreaterThan(2);
    expect(told.filter((names) => names.length > 0)).toEqual([]);
    answer = { status: 200, text: manifest() };
    await expect.poll(() => told.at(-1)).toEqual(["web-node-1"]);
    expect(source.isComplete()).toBe(true);
    const { metadata, spec } = JSON.parse(JSON.stringify(readOneYaml(manifest())));
    const other = { metadata: { name: "other" }, spec };
    const list = { kind: "PodList", apiVersion: "v1", items: [{ metadata, spec }, other, { metadata: {} }] };
    answer = { status: 200, text: JSON.stringify(list) };
    await expect.poll(() => told.at(-1)).toEqual(["web-node-1", "other-node-1"]);
    answer = { status: 500, text: "" };
    const before = asked.length;
    await expect.poll(() => asked.length).toBeGreaterThan(before + 1);
    expect(told.at(-1)).toEqual(["web-node-1", "other-node-1"]);
    expect(new Set(asked)).toEqual(new Set(["7"]));
    stop.abort(new Error("over"));
    await following;
  });

  it("are left as they are by an answer without an end, which is not read on", async () => {
    const piece = Buffer.alloc(1024 * 1024, "#");
    let sent = 0;
    const closed = new Promise<void>((resolve) => {
      server.removeAllListeners("request").on("request", (_request, response) => {
        response.on("close", () => resolve());
        const more = () => {
          do sent++;
          while (!response.destroyed && response.write(piece));
          response.once("drain", more);
        };
        more();
      });
    });
    const following = source.follow((pods) => told.push(pods.map(({ metadata }) => metadata.name)));
    await closed;
    expect(sent).toBeLessThan(64);
    expect(told.flat()).toEqual([]);
    stop.abort(new Error("over"));
    await following;
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
  }, 60_000);

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
  }, 60_000);

  it("stays as it is while its files cannot be listed, from the kubelet's start on", async () => {
    await podUntil(client, ref, running);
    await node.close();
    const files = await mkdtemp(join(tmpdir(), "k8ts-manifests-"));
    const [path, good] = [join(files, "now"), join(files, "good")];
    await mkdir(good);
    await writeFile(join(good, "web.yaml"), manifest());
    await symlink("good", path);
    const settings = { ...standardSettings, staticPodPath: path, fileCheckFrequency: 50 };
    node = await startNode(pipeline, { settings });
    const mirror = await podUntil(client, ref, running);
    const [before] = await sandboxes();
    await node.stop();
    await rm(path);
    await symlink("now", path); // a loop
    await node.start();
    await podUntil(client, { namespace: "default", name: "web-node-1" }, running);
    expect((await sandboxes()).map(({ id }) => id)).toEqual([before?.id]);
    await rm(path);
    await symlink("good", path);
    await writeFile(join(good, "other.yaml"), manifest().replace("name: web,", "name: other,"));
    await podUntil(client, { namespace: "default", name: "other-node-1" }, running);
    expect((await sandboxes()).map(({ id }) => id)).toContain(before?.id);
    expect((await podUntil(client, ref, running))?.metadata.uid).toBe(mirror?.metadata.uid);
    await rm(files, { recursive: true });
  }, 60_000);

  it("has a mirror that is made again when somebody deletes it in peace", async () => {
    const mirror = await podUntil(client, ref, running);
    await client.delete("pods", ref, {});
    await podUntil(client, ref, (pod) => running(pod) && pod?.metadata.uid !== mirror?.metadata.uid);
    expect((await sandboxes()).length).toBe(1);
  }, 60_000);
});
