import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Controlled, NODE, startControlled } from "../e2e/harness/controlled.ts";
import { type Kinds, kinds, type PersistentVolume, type PersistentVolumeClaim } from "../machinery/objects/kinds.ts";
import { ownerReferenceTo } from "../machinery/objects/owners.ts";
import type { Draft } from "../machinery/objects/wire.ts";

type VolumeSpec = NonNullable<PersistentVolume["spec"]>;
type ClaimSpec = NonNullable<PersistentVolumeClaim["spec"]>;

let cluster: Controlled;
beforeEach(async () => {
  cluster = await startControlled();
});
afterEach(() => cluster.close());

const volumeDraft = (name: string, spec: Partial<VolumeSpec> = {}, labels = {}): Draft<PersistentVolume> => ({
  metadata: { name, labels },
  spec: {
    capacity: { storage: "5Gi" },
    accessModes: ["ReadWriteOnce"],
    hostPath: { path: `/data/${name}` },
    ...spec,
  },
});
const claimDraft = (name: string, spec: Partial<ClaimSpec> = {}): Draft<PersistentVolumeClaim> => ({
  metadata: { name, namespace: "default" },
  spec: {
    accessModes: ["ReadWriteOnce"],
    resources: { requests: { storage: "1Gi" } },
    storageClassName: "",
    ...spec,
  },
});
const classDraft = (name: string, more: Partial<Kinds["storageclasses"]> = {}): Draft<Kinds["storageclasses"]> => ({
  metadata: { name },
  provisioner: "example.com/disks",
  ...more,
});

const volume = (name: string) => cluster.client.find("persistentvolumes", { name });
const claim = (name: string) => cluster.client.find("persistentvolumeclaims", { namespace: "default", name });
const boundTo = async (name: string) => {
  await cluster.settled();
  const found = await claim(name);
  return found?.status?.phase === "Bound" ? found.spec?.volumeName : found?.status?.phase;
};
const phase = async (name: string) => (await volume(name))?.status?.phase;

describe("a claim takes", () => {
  const cases: readonly [string, readonly Draft<PersistentVolume>[], Partial<ClaimSpec>, string][] = [
    [
      "the smallest volume that is large enough",
      [
        volumeDraft("large", { capacity: { storage: "10Gi" } }),
        volumeDraft("small", { capacity: { storage: "500Mi" } }),
        volumeDraft("fits", { capacity: { storage: "2Gi" } }),
      ],
      {},
      "fits",
    ],
    [
      "one with the fewest access modes beyond its own",
      [
        volumeDraft("many", { capacity: { storage: "1Gi" }, accessModes: ["ReadWriteOnce", "ReadWriteMany"] }),
        volumeDraft("few"),
      ],
      {},
      "few",
    ],
    ["none without its access mode", [volumeDraft("v")], { accessModes: ["ReadWriteMany"] }, "Pending"],
    ["none of another class", [volumeDraft("v", { storageClassName: "fast" })], {}, "Pending"],
    [
      "one of its class",
      [volumeDraft("v", { storageClassName: "fast" }), volumeDraft("w")],
      { storageClassName: "fast" },
      "v",
    ],
    [
      "one that its selector matches",
      [volumeDraft("v"), volumeDraft("w", {}, { tier: "gold" })],
      { selector: { matchLabels: { tier: "gold" } } },
      "w",
    ],
    ["none of another mode", [volumeDraft("v", { volumeMode: "Block" })], {}, "Pending"],
    [
      "the one that is kept for it",
      [
        volumeDraft("fits", { capacity: { storage: "1Gi" } }),
        volumeDraft("kept", { claimRef: { namespace: "default", name: "data" } }),
      ],
      {},
      "kept",
    ],
    [
      "none that is kept for another",
      [volumeDraft("v", { claimRef: { namespace: "default", name: "other" } })],
      {},
      "Pending",
    ],
    [
      "the one that it names",
      [volumeDraft("fits", { capacity: { storage: "1Gi" } }), volumeDraft("named")],
      { volumeName: "named" },
      "named",
    ],
    [
      "none that it names and is too small",
      [volumeDraft("v", { capacity: { storage: "1Mi" } })],
      { volumeName: "v" },
      "Pending",
    ],
  ];
  it.each(cases)("%s", async (_name, volumes, spec, expected) => {
    for (const draft of volumes) await cluster.create("persistentvolumes", draft);
    await cluster.settled();
    await cluster.create("persistentvolumeclaims", claimDraft("data", spec));
    expect(await boundTo("data")).toBe(expected);
  });

  it("its volume whichever comes first, and both say so", async () => {
    await cluster.create("persistentvolumeclaims", claimDraft("data"));
    expect(await boundTo("data")).toBe("Pending");
    await expect
      .poll(() => cluster.events("data"))
      .toEqual(["Normal FailedBinding no persistent volumes available for this claim and no storage class is set"]);
    await cluster.create("persistentvolumes", volumeDraft("v"));
    expect(await boundTo("data")).toBe("v");
    const [one, other] = [await claim("data"), await volume("v")];
    expect(one?.status).toMatchObject({ phase: "Bound", accessModes: ["ReadWriteOnce"], capacity: { storage: "5Gi" } });
    expect(one?.metadata.annotations).toMatchObject({
      "pv.kubernetes.io/bind-completed": "yes",
      "pv.kubernetes.io/bound-by-controller": "yes",
    });
    expect(other?.spec?.claimRef).toMatchObject({
      kind: "PersistentVolumeClaim",
      name: "data",
      uid: one?.metadata.uid,
    });
    expect(other?.status).toMatchObject({ phase: "Bound", lastPhaseTransitionTime: expect.any(String) });
  });

  it("one each, however many want the same", async () => {
    for (const name of ["a", "b", "c"]) await cluster.create("persistentvolumes", volumeDraft(name));
    for (const name of ["x", "y", "z", "w"]) await cluster.create("persistentvolumeclaims", claimDraft(name));
    const taken = [await boundTo("x"), await boundTo("y"), await boundTo("z"), await boundTo("w")].sort();
    expect(taken).toEqual(["Pending", "a", "b", "c"]);
  });

  it("not what it names where that is another's or does not fit, and is told why", async () => {
    await cluster.create("persistentvolumes", volumeDraft("v", { claimRef: { namespace: "default", name: "other" } }));
    await cluster.create("persistentvolumes", volumeDraft("w", { storageClassName: "fast" }));
    await cluster.create("persistentvolumeclaims", claimDraft("data", { volumeName: "v" }));
    await cluster.create("persistentvolumeclaims", claimDraft("more", { volumeName: "w" }));
    await cluster.settled();
    await expect
      .poll(() => cluster.events("data"))
      .toEqual(['Warning FailedBinding volume "v" already bound to a different claim.']);
    await expect
      .poll(() => cluster.events("more"))
      .toEqual(['Warning VolumeMismatch Cannot bind to requested volume "w": storageClassName does not match']);
  });
});

describe("a claim of a class", () => {
  it("calls the provisioner, and says that it waits", async () => {
    await cluster.create("persistentvolumeclaims", claimDraft("data", { storageClassName: "disks" }));
    await cluster.settled();
    await expect
      .poll(() => cluster.events("data"))
      .toEqual(['Warning ProvisioningFailed storageclass.storage.k8s.io "disks" not found']);
    await cluster.create("storageclasses", classDraft("disks"));
    await cluster.settled();
    expect((await claim("data"))?.metadata.annotations).toMatchObject({
      "volume.kubernetes.io/storage-provisioner": "example.com/disks",
      "volume.beta.kubernetes.io/storage-provisioner": "example.com/disks",
    });
    await expect
      .poll(async () => (await cluster.events("data")).at(-1), { timeout: 10_000 })
      .toMatch(
        /^Normal ExternalProvisioning Waiting for a volume to be created either by the external provisioner 'example.com\/disks'/,
      );
  });

  it("that makes none is told so", async () => {
    await cluster.create("storageclasses", classDraft("manual", { provisioner: "kubernetes.io/no-provisioner" }));
    await cluster.create("persistentvolumeclaims", claimDraft("data", { storageClassName: "manual" }));
    await cluster.settled();
    await expect
      .poll(() => cluster.events("data"))
      .toEqual(["Warning ProvisioningFailed no volume plugin matched name: kubernetes.io/no-provisioner"]);
  });

  it("that waits for its consumer is left alone until then", async () => {
    await cluster.create("storageclasses", classDraft("late", { volumeBindingMode: "WaitForFirstConsumer" }));
    await cluster.create("persistentvolumes", volumeDraft("v", { storageClassName: "late" }));
    await cluster.create("persistentvolumeclaims", claimDraft("data", { storageClassName: "late" }));
    expect(await boundTo("data")).toBe("Pending");
    await expect
      .poll(() => cluster.events("data"))
      .toEqual(["Normal WaitForFirstConsumer waiting for first consumer to be created before binding"]);
  });

  it("that waits for its consumer gets a volume where its Pod is, also where nobody chose for it", async () => {
    await cluster.create("storageclasses", classDraft("late", { volumeBindingMode: "WaitForFirstConsumer" }));
    const volumes = [{ name: "d", persistentVolumeClaim: { claimName: "data" } }];
    const metadata = { namespace: "default", name: "web" };
    cluster.nodes.reports = () => false;
    await cluster.create("pods", { metadata, spec: { volumes, containers: [{ name: "c", image: "a:1" }] } });
    await cluster.create("persistentvolumeclaims", claimDraft("data", { storageClassName: "late" }));
    await cluster.settled();
    expect((await claim("data"))?.metadata.annotations).toBeUndefined();
    await cluster.client.createSub("pods", metadata, "binding", { metadata, target: { name: NODE } });
    await cluster.settled();
    expect((await claim("data"))?.metadata.annotations).toMatchObject({
      "volume.kubernetes.io/selected-node": NODE,
      "volume.kubernetes.io/storage-provisioner": "example.com/disks",
    });
  });

  it("is given the default class when there is one", async () => {
    await cluster.client.delete("storageclasses", { name: "local-path" });
    const { storageClassName: _none, ...spec } = claimDraft("data").spec ?? {};
    await cluster.create("persistentvolumeclaims", { ...claimDraft("data"), spec });
    await cluster.settled();
    const annotations = { "storageclass.kubernetes.io/is-default-class": "true" };
    await cluster.create("storageclasses", { ...classDraft("usual"), metadata: { name: "usual", annotations } });
    await cluster.settled();
    expect((await claim("data"))?.spec?.storageClassName).toBe("usual");
  });
});

describe("a volume whose claim is gone", () => {
  const policies: readonly [string, string, string | undefined][] = [
    ["Retain", "Released", undefined],
    ["Recycle", "Failed", "Warning VolumeFailedRecycle No recycler plugin found for the volume!"],
    [
      "Delete",
      "Failed",
      'Warning VolumeFailedDelete error getting deleter volume plugin for volume "v": no deletable volume plugin matched',
    ],
  ];
  it.each(policies)("and whose policy is %s becomes %s", async (persistentVolumeReclaimPolicy, expected, event) => {
    await cluster.create("persistentvolumes", volumeDraft("v", { persistentVolumeReclaimPolicy }));
    await cluster.create("persistentvolumeclaims", claimDraft("data"));
    expect(await boundTo("data")).toBe("v");
    await cluster.client.delete("persistentvolumeclaims", { namespace: "default", name: "data" });
    await cluster.settled();
    expect(await claim("data")).toBeUndefined();
    expect(await phase("v")).toBe(expected);
    await expect.poll(() => cluster.events("v"), { timeout: 10_000 }).toEqual(event ? [event] : []);
    await cluster.create("persistentvolumeclaims", claimDraft("data"));
    expect(await boundTo("data")).toBe("Pending");
  });

  it("serves again once somebody takes the old claim off it", async () => {
    await cluster.create("persistentvolumes", volumeDraft("v"));
    await cluster.create("persistentvolumeclaims", claimDraft("data"));
    expect(await boundTo("data")).toBe("v");
    await cluster.client.delete("persistentvolumeclaims", { namespace: "default", name: "data" });
    await cluster.settled();
    await cluster.client.patch("persistentvolumes", { name: "v" }, { spec: { claimRef: null } }, { type: "merge" });
    await cluster.settled();
    expect(await phase("v")).toBe("Available");
    await cluster.create("persistentvolumeclaims", claimDraft("data"));
    expect(await boundTo("data")).toBe("v");
  });
});

describe("a bound claim", () => {
  beforeEach(async () => {
    await cluster.create("persistentvolumes", volumeDraft("v"));
    await cluster.create("persistentvolumeclaims", claimDraft("data"));
    expect(await boundTo("data")).toBe("v");
  });

  it("is lost with its volume", async () => {
    await cluster.stop();
    await cluster.client.patch(
      "persistentvolumes",
      { name: "v" },
      { metadata: { finalizers: null } },
      { type: "merge" },
    );
    await cluster.client.delete("persistentvolumes", { name: "v" });
    await cluster.restart();
    expect(await boundTo("data")).toBe("Lost");
    await expect
      .poll(() => cluster.events("data"))
      .toEqual(["Warning ClaimLost Bound claim has lost its PersistentVolume. Data on the volume is lost!"]);
  });

  it("has its volume back where somebody took it away", async () => {
    await cluster.client.patch("persistentvolumes", { name: "v" }, { spec: { claimRef: null } }, { type: "merge" });
    await cluster.settled();
    expect((await volume("v"))?.spec?.claimRef?.name).toBe("data");
    expect(await phase("v")).toBe("Bound");
  });

  it("is lost where its volume serves another", async () => {
    await cluster.stop();
    const other = { namespace: "default", name: "other", uid: "00000000-0000-0000-0000-000000000000" };
    await cluster.client.patch("persistentvolumes", { name: "v" }, { spec: { claimRef: other } }, { type: "merge" });
    await cluster.restart();
    expect(await boundTo("data")).toBe("Lost");
    await expect
      .poll(() => cluster.events("data"))
      .toEqual(["Warning ClaimMisbound Two claims are bound to the same volume, this one is bound incorrectly"]);
  });

  it("keeps its volume while it is there, and is not written again when nothing changes", async () => {
    await cluster.client.delete("persistentvolumes", { name: "v" });
    await cluster.settled();
    expect(await phase("v")).toBe("Bound");
    const version = (await claim("data"))?.metadata.resourceVersion;
    await cluster.stop();
    await cluster.restart();
    await cluster.settled();
    expect((await claim("data"))?.metadata.resourceVersion).toBe(version);
    await cluster.client.delete("persistentvolumeclaims", { namespace: "default", name: "data" });
    await cluster.settled();
    expect(await volume("v")).toBeUndefined();
  });
});

describe("a claim that a Pod uses", () => {
  const pod = {
    metadata: { name: "web", namespace: "default" },
    spec: {
      containers: [{ name: "c", image: "a:1" }],
      volumes: [{ name: "d", persistentVolumeClaim: { claimName: "data" } }],
    },
  };
  it("stays until the Pod is gone, even one that has ended", async () => {
    await cluster.create("persistentvolumeclaims", claimDraft("data"));
    cluster.nodes.ends = () => "Succeeded";
    await cluster.create("pods", pod);
    await cluster.settled();
    await cluster.client.delete("persistentvolumeclaims", { namespace: "default", name: "data" });
    await cluster.settled();
    expect((await claim("data"))?.metadata.deletionTimestamp).toBeDefined();
    await cluster.client.delete("pods", { namespace: "default", name: "web" });
    await cluster.settled();
    expect(await claim("data")).toBeUndefined();
  });

  it("goes with the Pod that it belongs to, where each would wait for the other", async () => {
    const made = await cluster.create("pods", {
      ...pod,
      metadata: { ...pod.metadata, finalizers: ["example.com/held"] },
    });
    const ownerReferences = [ownerReferenceTo(made, kinds.pods)];
    const draft = claimDraft("data");
    await cluster.create("persistentvolumeclaims", { ...draft, metadata: { ...draft.metadata, ownerReferences } });
    await cluster.settled();
    await cluster.client.delete("persistentvolumeclaims", { namespace: "default", name: "data" });
    await cluster.settled();
    expect(await claim("data")).toBeDefined();
    await cluster.client.delete("pods", { namespace: "default", name: "web" });
    await cluster.settled();
    expect(await claim("data")).toBeUndefined();
    expect(await cluster.list("pods")).toHaveLength(1);
  });

  it("stays for its own Pod alone, when the Pod of another claim went before", async () => {
    const ref = (name: string) => ({ namespace: "default", name });
    const going = new Set<string>();
    cluster.nodes.terminates = ({ metadata }) => going.has(metadata.name);
    for (const name of ["first", "second"]) {
      await cluster.create("persistentvolumeclaims", claimDraft(name));
      const volumes = [{ name: "d", persistentVolumeClaim: { claimName: name } }];
      await cluster.create("pods", { metadata: ref(name), spec: { ...pod.spec, volumes } });
    }
    await cluster.settled();
    for (const name of ["first", "second"]) {
      await cluster.client.delete("persistentvolumeclaims", ref(name));
      await cluster.client.delete("pods", ref(name));
    }
    await cluster.settled();
    for (const name of ["second", "first"]) {
      expect(await claim(name)).toBeDefined();
      going.add(name);
      await cluster.client.patch("pods", ref(name), { metadata: { labels: { going: "now" } } });
      await cluster.settled();
      expect(await claim(name)).toBeUndefined();
    }
  });

  it("is given back its protection", async () => {
    await cluster.create("persistentvolumeclaims", claimDraft("data"));
    const ref = { namespace: "default", name: "data" };
    await cluster.client.patch("persistentvolumeclaims", ref, { metadata: { finalizers: null } }, { type: "merge" });
    await cluster.settled();
    expect((await claim("data"))?.metadata.finalizers).toEqual(["kubernetes.io/pvc-protection"]);
  });
});
