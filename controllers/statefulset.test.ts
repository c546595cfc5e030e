/** StatefulSets against the real API server: order, rollouts, claims, revisions. */
import { afterEach, describe, expect, it } from "vitest";
import { type Controlled, type ControlledOptions, NODE, startControlled } from "../e2e/harness/controlled.ts";
import { kinds, type Pod, type StatefulSet } from "../machinery/objects/kinds.ts";
import { ownerReferenceTo } from "../machinery/objects/owners.ts";

let cluster: Controlled;
afterEach(() => cluster.close());

type Spec = Partial<NonNullable<StatefulSet["spec"]>>;

const ref = { namespace: "default", name: "web" };
const labels = { app: "web" };
const template = (image: string) => ({ metadata: { labels }, spec: { containers: [{ name: "c", image }] } });
const claims = [
  {
    metadata: { name: "data", labels: { kind: "disk" } },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
  },
];

async function start(spec: Spec = {}, options: ControlledOptions = {}): Promise<void> {
  cluster = await startControlled(options);
  await make(spec);
  await cluster.settled();
}
const make = (spec: Spec) =>
  cluster.create("statefulsets", {
    metadata: ref,
    spec: { replicas: 3, serviceName: "peers", selector: { matchLabels: labels }, template: template("a:1"), ...spec },
  });
const change = (spec: object) => cluster.client.patch("statefulsets", ref, { spec });
const setImage = (image: string) => change({ template: template(image) });
const pods = async () => [...(await cluster.list("pods"))].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
const names = async () => (await pods()).map(({ metadata }) => metadata.name);
const images = async () => (await pods()).map(({ spec }) => spec?.containers[0]?.image);
const status = async () => (await cluster.client.get("statefulsets", ref)).status;
const revisions = async () => [...(await cluster.list("controllerrevisions"))].sort((a, b) => a.revision - b.revision);
const events = () => cluster.events("web");

/** The Pods' names in the order in which they came and went: "+web-0", "-web-0". */
function journal(): string[] {
  const seen: string[] = [];
  let before = new Set<string>();
  cluster.nodes.onChange = (all) => {
    const now = new Set(all.map(({ metadata }) => metadata.name));
    for (const name of before) if (!now.has(name)) seen.push(`-${name}`);
    for (const name of now) if (!before.has(name)) seen.push(`+${name}`);
    before = now;
  };
  return seen;
}

describe("a StatefulSet", () => {
  it("makes Pods in order, each with the names that last", async () => {
    cluster = await startControlled();
    const seen = journal();
    await make({});
    await cluster.settled();
    expect(seen).toEqual(["+web-0", "+web-1", "+web-2"]);
    const [first] = await pods();
    const [revision] = await revisions();
    expect(first).toMatchObject({
      metadata: {
        name: "web-0",
        generateName: "web-",
        labels: {
          app: "web",
          "statefulset.kubernetes.io/pod-name": "web-0",
          "apps.kubernetes.io/pod-index": "0",
          "controller-revision-hash": revision?.metadata.name,
        },
        ownerReferences: [{ apiVersion: "apps/v1", kind: "StatefulSet", name: "web", controller: true }],
      },
      spec: { hostname: "web-0", subdomain: "peers" },
    });
    expect(await status()).toEqual({
      observedGeneration: 1,
      replicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      currentReplicas: 3,
      updatedReplicas: 3,
      currentRevision: revision?.metadata.name,
      updateRevision: revision?.metadata.name,
      collisionCount: 0,
    });
    expect(await events()).toEqual(
      [0, 1, 2].map((i) => `Normal SuccessfulCreate create Pod web-${i} in StatefulSet web successful`),
    );
  });

  it("waits in order for each Pod to be ready", async () => {
    cluster = await startControlled();
    cluster.nodes.ready = ({ metadata }) => metadata.name !== "web-1";
    await make({});
    await cluster.settled();
    expect(await names()).toEqual(["web-0", "web-1"]);
    cluster.nodes.ready = () => true;
    await touch("web-1");
    await cluster.settled();
    expect(await names()).toEqual(["web-0", "web-1", "web-2"]);
  });

  it("makes all Pods at once where they are parallel", async () => {
    cluster = await startControlled();
    cluster.nodes.ready = () => false;
    await make({ podManagementPolicy: "Parallel" });
    await cluster.settled();
    expect(await names()).toEqual(["web-0", "web-1", "web-2"]);
  });

  it("waits for minReadySeconds before the next Pod", async () => {
    await start({ minReadySeconds: 2, replicas: 2 });
    expect(await names()).toEqual(["web-0"]);
    expect(await status()).toMatchObject({ readyReplicas: 1, availableReplicas: 0 });
    await expect.poll(names, { timeout: 5_000 }).toEqual(["web-0", "web-1"]);
  });

  it("shrinks from the highest ordinal, one at a time", async () => {
    await start({ replicas: 4 });
    const seen = journal();
    await change({ replicas: 1 });
    await cluster.settled();
    expect(seen.filter((one) => one.startsWith("-"))).toEqual(["-web-3", "-web-2", "-web-1"]);
    expect(await status()).toMatchObject({ replicas: 1, currentReplicas: 1, updatedReplicas: 1 });
    expect(await events()).toContain("Normal SuccessfulDelete delete Pod web-3 in StatefulSet web successful");
  });

  it("counts from ordinals.start, and moves when that does", async () => {
    await start({ replicas: 2, ordinals: { start: 5 } });
    expect(await names()).toEqual(["web-5", "web-6"]);
    await change({ ordinals: { start: 6 } });
    await cluster.settled();
    expect(await names()).toEqual(["web-6", "web-7"]);
  });

  it.each(["Succeeded", "Failed"] as const)("replaces a Pod that %s", async (phase) => {
    await start();
    const [, second] = await pods();
    cluster.nodes.ends = ({ metadata }) => (metadata.uid === second?.metadata.uid ? phase : undefined);
    await touch("web-1");
    await cluster.settled();
    const [, replaced] = await pods();
    expect(replaced?.metadata.name).toBe("web-1");
    expect(replaced?.metadata.uid).not.toBe(second?.metadata.uid);
  });

  it("adopts what bears its name, and leaves what does not", async () => {
    cluster = await startControlled();
    for (const name of ["web-0", "other-1", "web-x"])
      await cluster.create("pods", { metadata: { namespace: "default", name, labels }, spec: template("a:1").spec });
    await make({ replicas: 1, updateStrategy: { type: "OnDelete" } });
    await cluster.settled();
    const owned = async () =>
      (await pods()).filter((pod) => pod.metadata.ownerReferences?.length).map((pod) => pod.metadata.name);
    expect(await owned()).toEqual(["web-0"]);
    const adopted = (await pods()).find(({ metadata }) => metadata.name === "web-0");
    expect(adopted?.metadata.labels).toMatchObject({ "statefulset.kubernetes.io/pod-name": "web-0" });
    expect(await events()).toContain("Normal SuccessfulUpdate update Pod web-0 in StatefulSet web successful");
  });

  it("says why a Pod cannot be made", async () => {
    cluster = await startControlled();
    await cluster.create("resourcequotas", {
      metadata: { namespace: "default", name: "q" },
      spec: { hard: { pods: "1" } },
    });
    await cluster.settled();
    await make({ replicas: 2 });
    await expect
      .poll(events)
      .toContainEqual(
        expect.stringMatching(
          /^Warning FailedCreate create Pod web-1 in StatefulSet web failed error: pods "web-1" is forbidden: exceeded quota/,
        ),
      );
    expect(await status()).toMatchObject({ replicas: 1, observedGeneration: 1 });
  });

  it("does nothing but report while it is deleted in the foreground", async () => {
    await start();
    await cluster.client.patch("statefulsets", ref, { metadata: { finalizers: ["example.com/wait"] } });
    await cluster.client.delete("statefulsets", ref, { propagation: "Orphan" });
    await cluster.client.delete("pods", { namespace: "default", name: "web-2" });
    await cluster.settled();
    expect(await names()).toEqual(["web-0", "web-1"]);
  });
});

describe("a rollout of a StatefulSet", () => {
  it("replaces Pods from the highest ordinal, each when the one before is ready", async () => {
    await start();
    const seen = journal();
    const [before] = await revisions();
    await setImage("a:2");
    await cluster.settled();
    expect(seen.slice(3)).toEqual(["-web-2", "+web-2", "-web-1", "+web-1", "-web-0", "+web-0"]);
    expect(await images()).toEqual(["a:2", "a:2", "a:2"]);
    const [old, next] = await revisions();
    expect(old?.metadata.name).toBe(before?.metadata.name);
    expect(next).toMatchObject({ revision: 2, data: { spec: { template: { $patch: "replace" } } } });
    expect(await status()).toMatchObject({
      currentRevision: next?.metadata.name,
      updateRevision: next?.metadata.name,
      currentReplicas: 3,
      updatedReplicas: 3,
    });
  });

  it("gives a former template its revision back, with the newest number", async () => {
    await start({ replicas: 1 });
    const [first] = await revisions();
    await setImage("a:2");
    await cluster.settled();
    await setImage("a:1");
    await cluster.settled();
    const all = await revisions();
    expect(all.map(({ revision }) => revision)).toEqual([2, 3]);
    expect(all[1]?.metadata.uid).toBe(first?.metadata.uid);
    expect(await images()).toEqual(["a:1"]);
  });

  it("stops at the partition, below which replacements stay as they were", async () => {
    await start({ updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 2 } } });
    await setImage("a:2");
    await cluster.settled();
    expect(await images()).toEqual(["a:1", "a:1", "a:2"]);
    await cluster.client.delete("pods", { namespace: "default", name: "web-0" });
    await cluster.settled();
    expect(await images()).toEqual(["a:1", "a:1", "a:2"]);
    const [old, next] = await revisions();
    expect(await status()).toMatchObject({
      currentRevision: old?.metadata.name,
      updateRevision: next?.metadata.name,
      currentReplicas: 2,
      updatedReplicas: 1,
    });
    await change({ updateStrategy: { rollingUpdate: { partition: 0 } } });
    await cluster.settled();
    expect(await images()).toEqual(["a:2", "a:2", "a:2"]);
  });

  it("waits for the user where it is OnDelete", async () => {
    await start({ updateStrategy: { type: "OnDelete" } });
    await setImage("a:2");
    await cluster.settled();
    expect(await images()).toEqual(["a:1", "a:1", "a:1"]);
    await cluster.client.delete("pods", { namespace: "default", name: "web-1" });
    await cluster.settled();
    expect(await images()).toEqual(["a:1", "a:2", "a:1"]);
  });

  it.each(["OrderedReady", "Parallel"])(
    "takes down maxUnavailable Pods at a time (%s)",
    async (podManagementPolicy) => {
      await start({
        replicas: 5,
        podManagementPolicy,
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 2 } },
      });
      let fewest = 5;
      cluster.nodes.onChange = (all) => {
        fewest = Math.min(fewest, all.filter(isUp).length);
      };
      await setImage("a:2");
      await cluster.settled();
      expect(await images()).toEqual(Array(5).fill("a:2"));
      expect(fewest).toBe(3);
    },
  );

  it("in parallel leaves a revision behind that never worked", async () => {
    cluster = await startControlled();
    cluster.nodes.ready = ({ spec }) => spec?.containers[0]?.image !== "a:1";
    await make({ podManagementPolicy: "Parallel" });
    await cluster.settled();
    await setImage("a:2");
    await cluster.settled();
    expect(await images()).toEqual(["a:2", "a:2", "a:2"]);
    expect(await status()).toMatchObject({ readyReplicas: 3, updatedReplicas: 3 });
  });

  it("in parallel spares a broken Pod that gets ready just before it is taken", async () => {
    let recovered = false;
    cluster = await startControlled({
      between: (transport) => ({
        ...transport,
        request: async (request) => {
          if (request.method === "DELETE" && request.path.endsWith("/pods/web-2") && !recovered) {
            recovered = true;
            cluster.nodes.ready = (pod) => pod.metadata.name !== "web-1" || pod.spec?.containers[0]?.image === "a:2";
            const pod = (await pods())[2]!;
            const conditions = [{ type: "Ready", status: "True" }];
            await cluster.client.updateStatus("pods", { ...pod, status: { ...pod.status, conditions } });
          }
          return transport.request(request);
        },
      }),
    });
    cluster.nodes.ready = ({ metadata }) => metadata.name === "web-0";
    await make({ podManagementPolicy: "Parallel" });
    await cluster.settled();
    const seen = journal();
    await setImage("a:2");
    await cluster.settled();
    expect(seen.filter((one) => one.startsWith("-"))).toEqual(["-web-1", "-web-2", "-web-0"]);
    expect(await images()).toEqual(["a:2", "a:2", "a:2"]);
  });

  it("keeps as many former revisions as the history limit says, and those in use", async () => {
    await start({ replicas: 1, revisionHistoryLimit: 2 });
    for (const image of ["a:2", "a:3", "a:4", "a:5"]) {
      await setImage(image);
      await cluster.settled();
    }
    expect((await revisions()).map(({ revision }) => revision)).toEqual([3, 4, 5]);
  });

  it("takes another name where that of a revision is taken", async () => {
    await start({ replicas: 1 });
    const [mine] = await revisions();
    await cluster.client.delete("statefulsets", ref);
    await cluster.settled();
    await cluster.create("controllerrevisions", {
      metadata: { namespace: "default", name: mine!.metadata.name },
      data: { spec: {} },
      revision: 1,
    });
    await make({ replicas: 1 });
    await cluster.settled();
    expect(await names()).toEqual(["web-0"]);
    expect(await status()).toMatchObject({ collisionCount: 1, readyReplicas: 1 });
  });
});

describe("claims of a StatefulSet", () => {
  const claimed = async () =>
    [...(await cluster.list("persistentvolumeclaims"))].map(({ metadata }) => metadata.name).sort();

  it("come before their Pod, and stay when it goes", async () => {
    await start({ volumeClaimTemplates: claims, replicas: 2 } as Spec);
    expect(await claimed()).toEqual(["data-web-0", "data-web-1"]);
    const claim = await cluster.client.get("persistentvolumeclaims", { namespace: "default", name: "data-web-0" });
    expect(claim.metadata).toMatchObject({ labels: { kind: "disk", app: "web" } });
    expect(claim.metadata.ownerReferences).toBeUndefined();
    const [pod] = await pods();
    expect(pod?.spec?.volumes).toContainEqual({ name: "data", persistentVolumeClaim: { claimName: "data-web-0" } });
    expect(await events()).toContain(
      "Normal SuccessfulCreate create Claim data-web-0 Pod web-0 in StatefulSet web success",
    );
    await change({ replicas: 0 });
    await cluster.settled();
    expect(await claimed()).toEqual(["data-web-0", "data-web-1"]);
  });

  it.each([
    { whenScaled: "Delete", whenDeleted: "Retain", scaled: ["data-web-0"], deleted: ["data-web-0"] },
    { whenScaled: "Delete", whenDeleted: "Delete", scaled: ["data-web-0"], deleted: [] },
    { whenScaled: "Retain", whenDeleted: "Delete", scaled: ["data-web-0", "data-web-1"], deleted: [] },
    {
      whenScaled: "Retain",
      whenDeleted: "Retain",
      scaled: ["data-web-0", "data-web-1"],
      deleted: ["data-web-0", "data-web-1"],
    },
  ])("go with Pods that are scaled away ($whenScaled) and with the set ($whenDeleted)", async (row) => {
    const { whenScaled, whenDeleted, scaled, deleted } = row;
    await start({
      volumeClaimTemplates: claims,
      replicas: 2,
      persistentVolumeClaimRetentionPolicy: { whenScaled, whenDeleted },
    } as Spec);
    await cluster.client.delete("pods", { namespace: "default", name: "web-1" }); // replaced, not scaled away
    await cluster.settled();
    expect(await claimed()).toEqual(["data-web-0", "data-web-1"]);
    await change({ replicas: 1 });
    await expect.poll(claimed).toEqual(scaled);
    await cluster.settled();
    await cluster.client.delete("statefulsets", ref);
    await expect.poll(names).toEqual([]);
    await expect.poll(claimed).toEqual(deleted);
  });

  it("that are on their way out let go of a Pod that was made with them, and both come anew", async () => {
    cluster = await startControlled({ stopped: true });
    await make({ volumeClaimTemplates: claims, replicas: 1 } as Spec);
    const set = await cluster.client.get("statefulsets", ref);
    const claim = { namespace: "default", name: "data-web-0" };
    const old = await cluster.create("persistentvolumeclaims", { ...claims[0], metadata: claim });
    await cluster.client.delete("persistentvolumeclaims", claim);
    cluster.nodes.reports = () => false;
    const made = await cluster.create("pods", {
      metadata: {
        namespace: "default",
        name: "web-0",
        labels,
        ownerReferences: [ownerReferenceTo(set, kinds.statefulsets)],
      },
      spec: {
        ...template("a:1").spec,
        nodeName: NODE,
        volumes: [{ name: "data", persistentVolumeClaim: { claimName: claim.name } }],
      },
    });
    // no kubelet starts it
    cluster.nodes.reports = ({ metadata }) => metadata.uid !== made.metadata.uid || !!metadata.deletionTimestamp;
    await cluster.restart();
    await cluster.settled();
    expect((await pods())[0]?.metadata.uid).not.toBe(made.metadata.uid);
    expect((await cluster.client.get("persistentvolumeclaims", claim)).metadata.uid).not.toBe(old.metadata.uid);
    expect((await status())?.readyReplicas).toBe(1);
  });

  it("that go with a former set of the name get no Pod of the new one", async () => {
    cluster = await startControlled({ stopped: true });
    const volumeClaimTemplates = claims;
    await make({ volumeClaimTemplates, replicas: 1 } as Spec);
    const former = ownerReferenceTo(await cluster.client.get("statefulsets", ref), kinds.statefulsets);
    await cluster.client.delete("statefulsets", ref);
    const claim = { namespace: "default", name: "data-web-0" };
    const metadata = { ...claim, ownerReferences: [former] };
    const old = await cluster.create("persistentvolumeclaims", { ...claims[0], metadata });
    await make({ volumeClaimTemplates, replicas: 1 } as Spec);
    await cluster.restart();
    await expect.poll(async () => (await status())?.readyReplicas).toBe(1);
    await cluster.settled();
    const found = await cluster.client.get("persistentvolumeclaims", claim);
    expect(found.metadata.uid).not.toBe(old.metadata.uid);
    expect(found.metadata.deletionTimestamp).toBeUndefined();
  });

  it("follow a policy that changes", async () => {
    await start({ volumeClaimTemplates: claims, replicas: 1 } as Spec);
    await change({ persistentVolumeClaimRetentionPolicy: { whenDeleted: "Delete" } });
    await cluster.settled();
    const owners = async () =>
      (await cluster.client.get("persistentvolumeclaims", { namespace: "default", name: "data-web-0" })).metadata
        .ownerReferences;
    expect(await owners()).toMatchObject([{ kind: "StatefulSet", name: "web", controller: true }]);
    await change({ persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain" } });
    await cluster.settled();
    expect((await owners()) ?? []).toEqual([]);
  });

  it("that another controller owns are left alone", async () => {
    cluster = await startControlled();
    const ownerReferences = [
      {
        apiVersion: "v1",
        kind: "Node",
        name: "n1",
        uid: (await cluster.client.get("nodes", { name: "n1" })).metadata.uid,
        controller: true,
      },
    ];
    await cluster.create("persistentvolumeclaims", {
      metadata: { namespace: "default", name: "data-web-0", ownerReferences },
      spec: claims[0]!.spec,
    });
    await make({
      volumeClaimTemplates: claims,
      replicas: 1,
      persistentVolumeClaimRetentionPolicy: { whenScaled: "Retain", whenDeleted: "Delete" },
    } as Spec);
    await cluster.settled();
    const { metadata } = await cluster.client.get("persistentvolumeclaims", {
      namespace: "default",
      name: "data-web-0",
    });
    expect(metadata.ownerReferences).toEqual(ownerReferences);
    expect((await events()).some((text) => text.startsWith("Warning ConflictingController"))).toBe(true);
  });
});

const isUp = ({ metadata, status: state }: Pod) =>
  !metadata.deletionTimestamp && state?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True");

/** Lets the Pod's node look at it again. */
async function touch(name: string): Promise<void> {
  const annotations = { touched: String(Math.random()) };
  await cluster.client.patch("pods", { namespace: "default", name }, { metadata: { annotations } });
}
