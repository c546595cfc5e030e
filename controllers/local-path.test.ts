import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Controlled, NODE, startControlled } from "../e2e/harness/controlled.ts";
import type { Kinds, PersistentVolumeClaim } from "../machinery/objects/kinds.ts";
import { DIRECTORY, removalKey, removals } from "../machinery/objects/local-volumes.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { fakeClock } from "../machinery/process/fake-clock.ts";

type ClaimSpec = NonNullable<PersistentVolumeClaim["spec"]>;
type Class = Kinds["storageclasses"];

let cluster: Controlled;
beforeEach(async () => {
  cluster = await startControlled();
  await cluster.client.updateStatus("nodes", {
    ...(await cluster.client.get("nodes", { name: NODE })),
    status: { conditions: [{ type: "Ready", status: "True" }] },
  });
});
afterEach(() => cluster.close());

const SELECTED = "volume.kubernetes.io/selected-node";
const annotateNode = (annotations: Record<string, string | null>, name = NODE) =>
  cluster.client.patch("nodes", { name }, { metadata: { annotations } }, { type: "merge" });
const createClaim = (name: string, spec: Partial<ClaimSpec> = {}, selected: string | undefined = NODE) =>
  cluster.create("persistentvolumeclaims", {
    metadata: { name, namespace: "default", ...(selected ? { annotations: { [SELECTED]: selected } } : {}) },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, ...spec },
  });
const createClass = (name: string, more: Partial<Class> = {}): Promise<Class> =>
  cluster.create("storageclasses", { metadata: { name }, provisioner: "k8ts.io/local-path", ...more } as Draft<Class>);
const claim = async (name: string) => {
  await cluster.settled();
  return cluster.client.find("persistentvolumeclaims", { namespace: "default", name });
};
const volumeOf = async (name: string) => {
  const volumeName = (await claim(name))?.spec?.volumeName;
  return volumeName ? cluster.client.find("persistentvolumes", { name: volumeName }) : undefined;
};
const failures = async (name: string) => {
  const text = 'Warning ProvisioningFailed failed to provision volume with StorageClass "';
  return (await cluster.events(name))
    .filter((event) => event.startsWith(text))
    .map((event) => event.slice(text.length));
};

describe("a local volume", () => {
  beforeEach(async () => void (await annotateNode({ [DIRECTORY]: "/volumes" })));

  it("is made for the node that was chosen", async () => {
    const { metadata } = await createClaim("data");
    const volume = await volumeOf("data");
    expect(volume).toMatchObject({
      metadata: {
        name: `pvc-${metadata.uid}`,
        annotations: { "pv.kubernetes.io/provisioned-by": "k8ts.io/local-path", "k8ts.io/local-path-node": NODE },
        finalizers: ["k8ts.io/local-path", "kubernetes.io/pv-protection"],
      },
      spec: {
        local: { path: `/volumes/pvc-${metadata.uid}` },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [NODE] }] },
            ],
          },
        },
      },
      status: { phase: "Bound" },
    });
  });

  it("is made on the emptiest node that is ready, where nobody waits for a consumer", async () => {
    await createClass("now", { reclaimPolicy: "Retain" });
    await cluster.create("nodes", { metadata: { name: "n2", annotations: { [DIRECTORY]: "/other" } } });
    await createClaim("a", { storageClassName: "now" }, "");
    await createClaim("b", { storageClassName: "now" }, "");
    for (const name of ["a", "b"]) {
      const volume = await volumeOf(name);
      expect(volume?.metadata.annotations?.["k8ts.io/local-path-node"]).toBe(NODE);
      expect(volume?.spec?.persistentVolumeReclaimPolicy).toBe("Retain");
    }
    await cluster.client.updateStatus("nodes", {
      ...(await cluster.client.get("nodes", { name: "n2" })),
      status: { conditions: [{ type: "Ready", status: "True" }] },
    });
    await cluster.client.patch("nodes", { name: "n2" }, { spec: { taints: null } }, { type: "merge" });
    await cluster.settled();
    await createClaim("c", { storageClassName: "now" }, "");
    expect((await volumeOf("c"))?.metadata.annotations?.["k8ts.io/local-path-node"]).toBe("n2");
  });

  const refusals: readonly [string, Partial<Class>, Partial<ClaimSpec>, string][] = [
    ["with parameters", { parameters: { a: "b" } }, {}, 'unknown parameter "a" in the class'],
    ["with mount options", { mountOptions: ["ro"] }, {}, "mount options are not supported"],
    ["of blocks", {}, { volumeMode: "Block" }, "block volumes are not supported"],
    [
      "for many nodes",
      {},
      { accessModes: ["ReadWriteMany"] },
      "access mode ReadWriteMany is not supported, only ReadWriteOnce and ReadWriteOncePod are",
    ],
    ["by labels", {}, { selector: { matchLabels: { a: "b" } } }, "claim.Spec.Selector is not supported"],
    [
      "of another claim",
      {},
      { dataSource: { kind: "PersistentVolumeClaim", name: "o" } },
      "volumes with a data source are not supported",
    ],
    [
      "elsewhere",
      { allowedTopologies: [{ matchLabelExpressions: [{ key: "zone", values: ["z"] }] }] },
      {},
      `node "${NODE}" is not among the class's allowed topologies`,
    ],
  ];
  it.each(refusals)("is not made %s", async (_name, more, spec, message) => {
    await createClass("own", more);
    await createClaim("data", { storageClassName: "own", ...spec });
    await expect.poll(async () => (await failures("data")).at(-1), { timeout: 10_000 }).toBe(`own": ${message}`);
    expect((await claim("data"))?.status?.phase).toBe("Pending");
  });

  it("is called for again where its node is gone", async () => {
    await createClaim("data", {}, "gone");
    expect((await claim("data"))?.metadata.annotations?.[SELECTED]).toBeUndefined();
    await expect
      .poll(async () => (await failures("data")).at(-1), { timeout: 10_000 })
      .toBe('local-path": node "gone" not found');
  });
});

describe("a node that keeps no volumes", () => {
  it("gets one as soon as it does", async () => {
    await createClaim("data");
    await expect
      .poll(() => failures("data"), { timeout: 10_000 })
      .toEqual([`local-path": node "${NODE}" keeps no volumes`]);
    await annotateNode({ [DIRECTORY]: "/volumes" });
    expect((await volumeOf("data"))?.status?.phase).toBe("Bound");
  });
});

describe("a node that was chosen and cannot have the volume", () => {
  it("is given back after a while, and after twice as long the next time", async () => {
    await cluster.close();
    const clock = fakeClock();
    cluster = await startControlled({ clock, nodeMonitorGraceMs: 3_600_000 });
    const selected = async () => (await claim("data"))?.metadata.annotations?.[SELECTED];
    await createClaim("data");
    for (const seconds of [5, 10, 20]) {
      expect(await selected()).toBe(NODE);
      await clock.advance((seconds - 2) * 1_000);
      expect(await selected()).toBe(NODE);
      await clock.advance(3_000);
      expect(await selected()).toBeUndefined();
      await cluster.client.patch(
        "persistentvolumeclaims",
        { namespace: "default", name: "data" },
        { metadata: { annotations: { [SELECTED]: NODE } } },
      );
    }
    await annotateNode({ [DIRECTORY]: "/volumes" });
    expect((await volumeOf("data"))?.status?.phase).toBe("Bound");
  });
});

describe("the end of a local volume", () => {
  const asked = async () => removals(await cluster.client.get("nodes", { name: NODE }));
  const give = async (name: string) => {
    await annotateNode({ [DIRECTORY]: "/volumes" });
    await createClaim("data");
    expect((await volumeOf("data"))?.metadata.name).toBeDefined();
    const volume = (await volumeOf("data"))?.metadata.name as string;
    await cluster.client.delete("persistentvolumeclaims", { namespace: "default", name });
    await cluster.settled();
    return volume;
  };
  const left = () => cluster.list("persistentvolumes");

  it("waits for its node to remove the data", async () => {
    const volume = await give("data");
    expect([...(await asked())]).toEqual([[volume, "wanted"]]);
    expect((await left())[0]?.metadata.deletionTimestamp).toBeDefined();
    await annotateNode({ [removalKey(volume)]: "done" });
    await cluster.settled();
    expect(await left()).toEqual([]);
    expect((await asked()).size).toBe(0);
  });

  it("is seen to fail, and goes on", async () => {
    const volume = await give("data");
    await annotateNode({ [removalKey(volume)]: "failed: EBUSY" });
    await cluster.settled();
    expect((await left())[0]?.status).toMatchObject({ phase: "Failed", message: "EBUSY" });
    await expect.poll(() => cluster.events(volume), { timeout: 10_000 }).toEqual(["Warning VolumeFailedDelete EBUSY"]);
    await annotateNode({ [removalKey(volume)]: "done" });
    await cluster.settled();
    expect(await left()).toEqual([]);
  });

  it("comes at once where the node is gone", async () => {
    await give("data");
    await cluster.client.delete("nodes", { name: NODE });
    await cluster.settled();
    expect(await left()).toEqual([]);
  });

  it("leaves the data where the policy says so", async () => {
    await annotateNode({ [DIRECTORY]: "/volumes" });
    await createClass("kept", { reclaimPolicy: "Retain" });
    await createClaim("data", { storageClassName: "kept" });
    const volume = (await volumeOf("data"))?.metadata.name as string;
    await cluster.client.delete("persistentvolumeclaims", { namespace: "default", name: "data" });
    await cluster.settled();
    expect((await left())[0]?.status?.phase).toBe("Released");
    await cluster.client.delete("persistentvolumes", { name: volume });
    await cluster.settled();
    expect(await left()).toEqual([]);
    expect((await asked()).size).toBe(0);
  });

  it("forgets what nodes were asked about volumes that are not there", async () => {
    await annotateNode({ [removalKey("pvc-none")]: "done" });
    await cluster.settled();
    expect((await asked()).size).toBe(0);
  });
});
