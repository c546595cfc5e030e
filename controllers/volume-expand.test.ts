/** Volume expansion against the real API server, with local volumes and with those that others make. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Controlled, NODE, startControlled } from "../e2e/harness/controlled.ts";
import { DIRECTORY } from "../machinery/objects/local-volumes.ts";
import { annotations } from "../machinery/objects/volume-claims.ts";

const NAME = { namespace: "default", name: "data" };

let cluster: Controlled;
beforeEach(async () => {
  cluster = await startControlled();
  await cluster.client.patch("nodes", { name: NODE }, { metadata: { annotations: { [DIRECTORY]: "/volumes" } } });
});
afterEach(() => cluster.close());

const createClaim = async (storageClassName?: string) => {
  await cluster.create("persistentvolumeclaims", {
    metadata: { ...NAME, annotations: { "volume.kubernetes.io/selected-node": NODE } },
    spec: {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: "1Gi" } },
      ...(storageClassName && { storageClassName }),
    },
  });
  await cluster.settled();
};
const ask = async (storage: string) => {
  await cluster.client.patch("persistentvolumeclaims", NAME, { spec: { resources: { requests: { storage } } } });
};
const claim = async () => {
  await cluster.settled();
  return cluster.client.get("persistentvolumeclaims", NAME);
};
const volume = async () =>
  cluster.client.get("persistentvolumes", { name: (await claim()).spec?.volumeName ?? "no volume" });

it("makes a local volume as large as its claim asks, and says so", async () => {
  await createClaim();
  await ask("3Gi");
  expect((await claim()).status).toMatchObject({
    phase: "Bound",
    capacity: { storage: "3Gi" },
    allocatedResources: { storage: "3Gi" },
  });
  const { metadata, spec } = await volume();
  expect(spec?.capacity).toEqual({ storage: "3Gi" });
  const events = await cluster.events("data");
  expect(events).toContain(`Normal Resizing External resizer is resizing volume ${metadata.name}`);
  expect(events).toContain("Normal VolumeResizeSuccessful Resize volume succeeded");
});

it("goes on where it was killed between the volume and its claim", async () => {
  await createClaim();
  await cluster.stop();
  await ask("2Gi");
  const { spec } = await cluster.client.get("persistentvolumeclaims", NAME);
  const name = spec?.volumeName ?? "no volume";
  await cluster.client.patch("persistentvolumes", { name }, { spec: { capacity: { storage: "2Gi" } } });
  await cluster.restart();
  expect((await claim()).status?.capacity).toEqual({ storage: "2Gi" });
  expect((await volume()).spec?.capacity).toEqual({ storage: "2Gi" });
});

it("leaves a volume that others made to them, and calls them once", async () => {
  const provisioner = "example.com/disk";
  await cluster.create("storageclasses", { metadata: { name: "disk" }, provisioner, allowVolumeExpansion: true });
  await cluster.create("persistentvolumes", {
    metadata: { name: "v1", annotations: { [annotations.provisionedBy]: provisioner } },
    spec: {
      storageClassName: "disk",
      accessModes: ["ReadWriteOnce"],
      capacity: { storage: "1Gi" },
      hostPath: { path: "/disk" },
    },
  });
  await createClaim("disk");
  await ask("2Gi");
  expect((await claim()).status).toMatchObject({ phase: "Bound", capacity: { storage: "1Gi" } });
  expect((await volume()).spec?.capacity).toEqual({ storage: "1Gi" });
  await ask("3Gi");
  await claim();
  const called = (await cluster.events("data")).filter((event) => event.includes("ExternalExpanding"));
  expect(called).toEqual(["Normal ExternalExpanding waiting for an external controller to expand this PVC"]);
});
