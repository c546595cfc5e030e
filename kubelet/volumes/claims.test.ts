/** Claims from their Pod to a directory on a node and back, with every component of the cluster taking part. */
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runControllers } from "../../controllers/controllers.ts";
import { podUntil, startNode, type TestNode } from "../../e2e/harness/node.ts";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import type { Client } from "../../machinery/client/client.ts";
import type { PersistentVolume, PersistentVolumeClaim, PodSpec } from "../../machinery/objects/kinds.ts";
import { removals } from "../../machinery/objects/local-volumes.ts";
import type { Draft } from "../../machinery/objects/wire.ts";
import { silent } from "../../machinery/process/logging.ts";
import { runScheduler, SCHEDULER_USER } from "../../scheduler/scheduler.ts";

let pipeline: Pipeline;
let client: Client;
let nodes: TestNode[] = [];
let running: Promise<unknown>[] = [];
let stopping: AbortController;

beforeEach(async () => {
  pipeline = await startPipeline();
  client = pipeline.client();
  stopping = new AbortController();
  const { clock } = pipeline;
  const common = { clock, log: silent, signal: stopping.signal, leadership: "none" as const };
  const transport = pipeline.transport("system:kube-controller-manager", []);
  running = [
    runControllers({ ...common, transport }),
    runScheduler({ ...common, client: pipeline.client(SCHEDULER_USER, []) }),
  ];
  nodes = [await startNode(pipeline, { name: "n1" })];
}, 60_000);

afterEach(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  stopping.abort(new Error("the test is over"));
  await Promise.all(running);
  await pipeline.close();
}, 60_000);

const claimDraft = (name: string, spec: Partial<PersistentVolumeClaim["spec"]> = {}): Draft<PersistentVolumeClaim> => ({
  metadata: { name, namespace: "default" },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, ...spec },
});
const podDraft = (name: string, claimName: string, spec: Partial<PodSpec> = {}) => ({
  metadata: { name, namespace: "default" },
  spec: {
    containers: [{ name: "main", image: "a:1", volumeMounts: [{ name: "data", mountPath: "/data" }] }],
    volumes: [{ name: "data", persistentVolumeClaim: { claimName } }],
    terminationGracePeriodSeconds: 0,
    ...spec,
  },
});
const ref = (name: string) => ({ namespace: "default", name });
const runs = (name: string) => podUntil(client, ref(name), (pod) => pod?.status?.phase === "Running");
const claim = (name: string) => client.find("persistentvolumeclaims", ref(name));
const volumes = async () => (await client.list("persistentvolumes")).items;
const events = async (name: string) =>
  (await client.list("events")).items
    .filter(({ involvedObject }) => involvedObject.name === name)
    .map(({ type, reason, message }) => `${type} ${reason} ${message}`);
const onDisk = (node: TestNode) => readdir(join(node.directory, "volumes")).catch(() => []);
const remove = (resource: "pods" | "persistentvolumeclaims" | "persistentvolumes", name: string) =>
  client.delete(resource, resource === "persistentvolumes" ? { name } : ref(name));

const eventually = <T>(look: () => T) => expect.poll(look, { timeout: 10_000 });

describe("a claim of the default class", () => {
  it("gets a volume where its first Pod runs, keeps it, and takes it along when it goes", async () => {
    await client.create("persistentvolumeclaims", claimDraft("data"));
    await eventually(() => events("data")).toEqual([
      "Normal WaitForFirstConsumer waiting for first consumer to be created before binding",
    ]);
    await client.create("pods", podDraft("web", "data"));
    await runs("web");
    const [volume] = await volumes();
    const [node] = nodes as [TestNode];
    const name = volume?.metadata.name as string;
    expect(name).toBe(`pvc-${(await claim("data"))?.metadata.uid}`);
    expect(volume?.spec).toMatchObject({
      local: { path: join(node.directory, "volumes", name) },
      storageClassName: "local-path",
      persistentVolumeReclaimPolicy: "Delete",
      capacity: { storage: "1Gi" },
    });
    expect((await claim("data"))?.status).toMatchObject({ phase: "Bound", capacity: { storage: "1Gi" } });
    await eventually(() => events("data")).toContain(
      `Normal ProvisioningSucceeded Successfully provisioned volume ${name}`,
    );
    expect((await stat(join(node.directory, "volumes", name))).mode & 0o777).toBe(0o777);
    await writeFile(join(node.directory, "volumes", name, "kept"), "yes");

    await remove("pods", "web");
    await podUntil(client, ref("web"), (pod) => !pod);
    await client.create("pods", podDraft("again", "data"));
    await runs("again");
    expect(await onDisk(node)).toEqual([name]);

    await remove("persistentvolumeclaims", "data");
    expect((await claim("data"))?.metadata.deletionTimestamp).toBeDefined();
    expect(await onDisk(node)).toEqual([name]);
    await remove("pods", "again");
    await eventually(() => claim("data")).toBeUndefined();
    await eventually(volumes).toEqual([]);
    expect(await onDisk(node)).toEqual([]);
    await eventually(async () => removals(await client.get("nodes", { name: "n1" })).size).toBe(0);
  }, 60_000);

  it("has its data on one node of several, and its Pods run there", async () => {
    nodes.push(await startNode(pipeline, { name: "n2", podCIDR: "10.42.1.0/24", address: "192.0.2.11" }));
    const names = ["a", "b", "c", "d"];
    for (const name of names) {
      await client.create("persistentvolumeclaims", claimDraft(name));
      await client.create("pods", podDraft(`first-${name}`, name));
    }
    for (const name of names) {
      const first = await runs(`first-${name}`);
      await remove("pods", `first-${name}`);
      await client.create("pods", podDraft(`next-${name}`, name));
      const next = await runs(`next-${name}`);
      expect(next?.spec?.nodeName).toBe(first?.spec?.nodeName);
    }
    const used = await Promise.all(nodes.map(onDisk));
    expect(used.flat().length).toBe(4);
    expect(used.every((list) => list.length > 0)).toBe(true);
  }, 60_000);

  it("grows when it asks for more, and never shrinks", async () => {
    await client.create("persistentvolumeclaims", claimDraft("data"));
    await client.create("pods", podDraft("web", "data"));
    await runs("web");
    const more = (storage: string) =>
      client.patch("persistentvolumeclaims", ref("data"), { spec: { resources: { requests: { storage } } } });
    await more("3Gi");
    await eventually(async () => (await claim("data"))?.status?.capacity?.["storage"]).toBe("3Gi");
    expect((await volumes())[0]?.spec?.capacity).toEqual({ storage: "3Gi" });
    await eventually(() => events("data")).toContain("Normal VolumeResizeSuccessful Resize volume succeeded");
    await expect(more("2Gi")).rejects.toThrow("field can not be less than status.capacity");
  }, 60_000);

  it("is asked for by a Pod's own volume, and goes with the Pod", async () => {
    const volumeClaimTemplate = { metadata: { labels: { a: "b" } }, spec: claimDraft("x").spec ?? {} };
    await client.create(
      "pods",
      podDraft("web", "", { volumes: [{ name: "data", ephemeral: { volumeClaimTemplate } }] }),
    );
    await runs("web");
    expect(await claim("web-data")).toMatchObject({
      metadata: { labels: { a: "b" }, ownerReferences: [{ kind: "Pod", name: "web", controller: true }] },
      status: { phase: "Bound" },
    });
    await remove("pods", "web");
    await eventually(() => claim("web-data")).toBeUndefined();
    await eventually(volumes).toEqual([]);
    expect(await onDisk(nodes[0] as TestNode)).toEqual([]);
  }, 60_000);

  it("says what the class cannot do", async () => {
    await client.create("persistentvolumeclaims", claimDraft("data", { accessModes: ["ReadWriteMany"] }));
    await client.create("pods", podDraft("web", "data"));
    await eventually(() => events("data")).toContain(
      'Warning ProvisioningFailed failed to provision volume with StorageClass "local-path": access mode ReadWriteMany is not supported, only ReadWriteOnce and ReadWriteOncePod are',
    );
  }, 60_000);

  it("is let go when its node has left the cluster for good", async () => {
    await client.create("persistentvolumeclaims", claimDraft("data"));
    await client.create("pods", podDraft("web", "data"));
    await runs("web");
    await nodes.pop()?.close();
    await client.delete("nodes", { name: "n1" });
    await client.delete("pods", ref("web"), { gracePeriodSeconds: 0 });
    await remove("persistentvolumeclaims", "data");
    await eventually(volumes).toEqual([]);
  }, 60_000);
});

describe("a volume that somebody made", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "k8ts-claims-"));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const local = (name: string, spec: Partial<PersistentVolume["spec"]> = {}): Draft<PersistentVolume> => ({
    metadata: { name },
    spec: {
      capacity: { storage: "1Gi" },
      accessModes: ["ReadWriteOnce"],
      storageClassName: "manual",
      local: { path: join(directory, name) },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: ["n1"] }] },
          ],
        },
      },
      ...spec,
    },
  });

  it("is bound by the scheduler where its class waits, and must be there already", async () => {
    await client.create("storageclasses", {
      metadata: { name: "manual" },
      provisioner: "kubernetes.io/no-provisioner",
      volumeBindingMode: "WaitForFirstConsumer",
    });
    await client.create("persistentvolumeclaims", claimDraft("data", { storageClassName: "manual" }));
    await client.create("pods", podDraft("web", "data"));
    const unscheduled = await podUntil(client, ref("web"), (pod) => pod?.status?.conditions?.[0]?.status === "False");
    expect(unscheduled?.status?.conditions?.[0]?.message).toMatch(
      /^0\/1 nodes are available: 1 node\(s\) didn't find available persistent volumes to bind\./,
    );
    await client.create("persistentvolumes", local("disk"));
    await eventually(() => events("web")).toContain(
      `Warning FailedMount MountVolume.SetUp failed for volume "disk" : path "${join(directory, "disk")}" does not exist`,
    );
    expect((await claim("data"))?.spec?.volumeName).toBe("disk");
    await mkdir(join(directory, "disk"));
    await runs("web");
  }, 60_000);

  it("belongs to the Pod's group, all that is in it", async () => {
    if (process.getuid?.() !== 0) return;
    await mkdir(join(directory, "disk", "deep"), { recursive: true });
    await writeFile(join(directory, "disk", "deep", "file"), "", { mode: 0o600 });
    await client.create("persistentvolumes", local("disk"));
    await client.create("persistentvolumeclaims", claimDraft("data", { storageClassName: "manual" }));
    await client.create("pods", podDraft("web", "data", { securityContext: { fsGroup: 2000 } }));
    await runs("web");
    const [root, file] = [await stat(join(directory, "disk")), await stat(join(directory, "disk", "deep", "file"))];
    expect([root.gid, (root.mode & 0o7777).toString(8), file.gid, (file.mode & 0o7777).toString(8)]).toEqual([
      2000,
      "2775",
      2000,
      "660",
    ]);
  }, 60_000);
});
