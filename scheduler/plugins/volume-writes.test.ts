/** Claims bound on the way to a node, with the real binder, while the scheduler is killed or loses answers. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runControllers } from "../../controllers/controllers.ts";
import { type Fault, nodeDraft, podDraft, type Scheduled, startScheduled } from "../../e2e/harness/scheduled.ts";
import type { ClientRequest } from "../../machinery/client/transport/contract.ts";
import { DIRECTORY } from "../../machinery/objects/local-volumes.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { silent } from "../../machinery/process/logging.ts";

let cluster: Scheduled;
let stopping: AbortController;
let controllers: Promise<void>;

beforeEach(async () => {
  cluster = await startScheduled(nodeDraft("n1"), nodeDraft("n2"));
  stopping = new AbortController();
  controllers = runControllers({
    transport: cluster.pipeline.transport("system:kube-controller-manager", []),
    clock: systemClock,
    log: silent,
    signal: stopping.signal,
    leadership: "none",
  });
  await cluster.client.create("storageclasses", {
    metadata: { name: "late" },
    provisioner: "kubernetes.io/no-provisioner",
    volumeBindingMode: "WaitForFirstConsumer",
  });
  for (const name of ["n1", "n2"])
    await cluster.client.patch("nodes", { name }, { metadata: { annotations: { [DIRECTORY]: "/volumes" } } });
});
afterEach(async () => {
  stopping.abort(new Error("the test is over"));
  await controllers;
  await cluster.close();
});

const createVolume = (name: string, host: string) =>
  cluster.client.create("persistentvolumes", {
    metadata: { name },
    spec: {
      capacity: { storage: "1Gi" },
      accessModes: ["ReadWriteOnce"],
      storageClassName: "late",
      local: { path: `/${name}` },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [host] }] },
          ],
        },
      },
    },
  });
const createClaim = (name: string, storageClassName = "late") =>
  cluster.client.create("persistentvolumeclaims", {
    metadata: { name, namespace: "default" },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, storageClassName },
  });
const createPod = (name: string, claimName: string) =>
  cluster.client.create("pods", podDraft(name, { volumes: [{ name: "d", persistentVolumeClaim: { claimName } }] }));
const volumeOf = async (name: string) =>
  (await cluster.client.get("persistentvolumeclaims", { namespace: "default", name })).spec?.volumeName;
const available = (count: number) =>
  expect
    .poll(async () => (await cluster.client.list("persistentvolumes")).items.map(({ status }) => status?.phase), {
      timeout: 10_000,
    })
    .toEqual(Array(count).fill("Available"));
const nodeOf = (name: string) => expect.poll(() => cluster.nodeOf(name), { timeout: 10_000 });
const writesTo = (resource: string) => (request: ClientRequest) =>
  request.method !== "GET" && request.path.includes(`/${resource}/`);

/** The first such write, and no other. */
function once(resource: string, fault: Omit<Fault, "on">): Fault {
  let left = 1;
  const on = writesTo(resource);
  return { ...fault, on: (request) => on(request) && left-- > 0 };
}
const cut = async () => {
  throw new ApiError("ServiceUnavailable", "cannot reach the server: read ECONNRESET");
};

describe("a Pod whose claim waits for it", () => {
  it("goes where there is a volume for it", async () => {
    await createVolume("disk", "n2");
    await createClaim("data");
    await available(1);
    cluster.run();
    await createPod("web", "data");
    await nodeOf("web").toBe("n2");
    expect(await volumeOf("data")).toBe("disk");
  });

  it.each(["persistentvolumes", "bindings"])("goes there though the answer to its %s gets lost", async (resource) => {
    await createVolume("disk", "n2");
    await createClaim("data");
    await available(1);
    cluster.run(once(resource === "bindings" ? "pods" : resource, { after: cut }));
    await createPod("web", "data");
    await nodeOf("web").toBe("n2");
    expect(await volumeOf("data")).toBe("disk");
  });

  it("goes there after a scheduler that was killed when it had chosen", async () => {
    for (const host of ["n1", "n2"]) await createVolume(`disk-${host}`, host);
    await createClaim("data");
    await available(2);
    const dead = Promise.withResolvers<void>();
    cluster.run(
      once("persistentvolumes", {
        after: async () => {
          cluster.kill();
          dead.resolve();
        },
      }),
    );
    await createPod("web", "data");
    await dead.promise;
    cluster.run();
    await nodeOf("web").toBeDefined();
    expect(await volumeOf("data")).toBe(`disk-${await cluster.nodeOf("web")}`);
    const phases = (await cluster.client.list("persistentvolumes")).items.map(({ status }) => status?.phase);
    expect(phases.sort()).toEqual(["Available", "Bound"]);
  });

  it("shares no volume with another that wants the same", async () => {
    await createVolume("disk", "n1");
    for (const name of ["a", "b"]) await createClaim(name);
    await available(1);
    cluster.run();
    for (const name of ["a", "b"]) await createPod(name, name);
    await expect
      .poll(async () => (await Promise.all(["a", "b"].map(cluster.nodeOf))).filter(Boolean), { timeout: 10_000 })
      .toEqual(["n1"]);
    await createVolume("more", "n2");
    await expect
      .poll(async () => (await Promise.all(["a", "b"].map(cluster.nodeOf))).sort(), { timeout: 10_000 })
      .toEqual(["n1", "n2"]);
  });

  it("has its volume made where it goes, and others that share the claim go there too", async () => {
    await createClaim("data", "local-path");
    cluster.run();
    for (const name of ["a", "b", "c"]) await createPod(name, "data");
    await expect
      .poll(async () => Promise.all(["a", "b", "c"].map(cluster.nodeOf)), { timeout: 10_000 })
      .toEqual(expect.not.arrayContaining([undefined]));
    const used = new Set(await Promise.all(["a", "b", "c"].map(cluster.nodeOf)));
    expect(used.size).toBe(1);
    expect((await cluster.client.list("persistentvolumes")).items.length).toBe(1);
  });

  it("comes again where its volume cannot be made, and is not bound before", async () => {
    const scheduled: (string | undefined)[] = [];
    await cluster.client.create("storageclasses", {
      metadata: { name: "slow" },
      provisioner: "example.com/slow",
      volumeBindingMode: "WaitForFirstConsumer",
    });
    await createClaim("data", "slow");
    cluster.run();
    await createPod("web", "data");
    const ref = { namespace: "default", name: "data" };
    const selected = async () => {
      const found = await cluster.client.get("persistentvolumeclaims", ref);
      return found.metadata.annotations?.["volume.kubernetes.io/selected-node"];
    };
    await expect.poll(selected, { timeout: 10_000 }).toMatch(/^n[12]$/);
    scheduled.push(await cluster.nodeOf("web"));
    const annotations = { "volume.kubernetes.io/selected-node": null };
    await cluster.client.patch("persistentvolumeclaims", ref, { metadata: { annotations } }, { type: "merge" });
    await expect
      .poll(async () => (await cluster.condition("web"))?.message, { timeout: 10_000 })
      .toBe('running PreBind plugin "VolumeBinding": binding volumes: provisioning failed for PVC "data"');
    await expect.poll(selected, { timeout: 15_000 }).toMatch(/^n[12]$/);
    expect([...scheduled, await cluster.nodeOf("web")]).toEqual([undefined, undefined]);
  }, 60_000);
});
