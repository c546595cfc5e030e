/** DaemonSets against the real API server: where they run, rollouts, revisions, lagging caches. */
import { afterEach, describe, expect, it } from "vitest";
import { type Controlled, type ControlledOptions, startControlled } from "../e2e/harness/controlled.ts";
import type { Transport } from "../machinery/client/transport/contract.ts";
import type { DaemonSet, Pod, Taint } from "../machinery/objects/kinds.ts";
import { isActive, isReady } from "./pod-state.ts";

let cluster: Controlled;
afterEach(() => cluster.close());

type Spec = Partial<NonNullable<DaemonSet["spec"]>>;

const ref = { namespace: "default", name: "agent" };
const labels = { app: "agent" };
const template = (image: string, spec: object = {}) => ({
  metadata: { labels },
  spec: { containers: [{ name: "c", image }], ...spec },
});

async function start(nodes: number, spec: Spec = {}, options: ControlledOptions = {}): Promise<void> {
  cluster = await startControlled(options);
  for (let n = 2; n <= nodes; n++) await addNode(`n${n}`);
  await make(spec);
  await cluster.settled();
}
const addNode = (name: string, nodeLabels: Record<string, string> = {}, taints: Taint[] = []) =>
  cluster.create("nodes", { metadata: { name, labels: nodeLabels }, spec: { taints } });
const make = (spec: Spec = {}) =>
  cluster.create("daemonsets", {
    metadata: ref,
    spec: { selector: { matchLabels: labels }, template: template("a:1"), ...spec },
  });
const change = (spec: object) => cluster.client.patch("daemonsets", ref, { spec });
const setImage = (image: string) => change({ template: template(image) });
const taint = (name: string, taints: Taint[]) => cluster.client.patch("nodes", { name }, { spec: { taints } });
const pods = async () =>
  [...(await cluster.list("pods"))].filter(isActive).sort((a, b) => (a.spec!.nodeName! < b.spec!.nodeName! ? -1 : 1));
const where = async () => (await pods()).map(({ spec }) => spec?.nodeName);
const images = async () => (await pods()).map(({ spec }) => spec?.containers[0]?.image);
const status = async () => (await cluster.client.get("daemonsets", ref)).status;
const rolling = (rollingUpdate: { maxSurge?: number | string; maxUnavailable?: number | string }) => ({
  updateStrategy: { type: "RollingUpdate", rollingUpdate },
});

describe("a DaemonSet", () => {
  it("puts a Pod on every node, made for it alone", async () => {
    await start(3);
    expect(await where()).toEqual(["n1", "n2", "n3"]);
    const [first] = await pods();
    const [revision] = await cluster.list("controllerrevisions");
    const hash = revision?.metadata.labels?.["controller-revision-hash"];
    expect(revision).toMatchObject({ metadata: { name: `agent-${hash}` }, revision: 1 });
    expect(first).toMatchObject({
      metadata: {
        generateName: "agent-",
        labels: { app: "agent", "controller-revision-hash": hash, "pod-template-generation": "1" },
        ownerReferences: [{ apiVersion: "apps/v1", kind: "DaemonSet", name: "agent", controller: true }],
      },
      spec: {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: ["n1"] }] }],
            },
          },
        },
      },
    });
    expect(first?.spec?.tolerations).toContainEqual({
      key: "node.kubernetes.io/unschedulable",
      operator: "Exists",
      effect: "NoSchedule",
    });
    expect(await status()).toEqual({
      currentNumberScheduled: 3,
      desiredNumberScheduled: 3,
      numberMisscheduled: 0,
      numberReady: 3,
      numberAvailable: 3,
      updatedNumberScheduled: 3,
      observedGeneration: 1,
    });
    expect((await cluster.events("agent")).filter((text) => text.includes("Created pod: agent-"))).toHaveLength(3);
  });

  it("follows nodes that come, and Pods that go", async () => {
    await start(1);
    await addNode("n2");
    await cluster.settled();
    expect(await where()).toEqual(["n1", "n2"]);
    await cluster.client.delete("pods", { namespace: "default", name: (await pods())[0]!.metadata.name });
    await cluster.settled();
    expect(await where()).toEqual(["n1", "n2"]);
  });

  it.each<[string, object, string[]]>([
    ["a selector", { nodeSelector: { disk: "ssd" } }, ["n2"]],
    ["a name", { nodeName: "n3" }, ["n3"]],
    [
      "an affinity",
      {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: "disk", operator: "DoesNotExist" }] }],
            },
          },
        },
      },
      ["n1", "n3"],
    ],
    ["a toleration", { tolerations: [{ key: "gpu", operator: "Exists" }] }, ["n1", "n2", "n3", "n4"]],
    ["nothing", {}, ["n1", "n2", "n3"]],
  ])("runs on the nodes that %s lets it", async (_what, spec, expected) => {
    cluster = await startControlled();
    await addNode("n2", { disk: "ssd" });
    await addNode("n3");
    await addNode("n4", { disk: "gone" }, [{ key: "gpu", effect: "NoSchedule" }]);
    await make({ template: template("a:1", spec) });
    await cluster.settled();
    expect(await where()).toEqual(expected);
  });

  it("stays where a taint only keeps new Pods away, and leaves where it does not let them stay", async () => {
    await start(2);
    await taint("n2", [{ key: "busy", effect: "NoSchedule" }]);
    await cluster.settled();
    expect(await where()).toEqual(["n1", "n2"]);
    expect(await status()).toMatchObject({ desiredNumberScheduled: 1, numberMisscheduled: 1 });
    await taint("n2", [{ key: "busy", effect: "NoExecute" }]);
    await cluster.settled();
    expect(await where()).toEqual(["n1"]);
    await taint("n2", []);
    await cluster.settled();
    expect(await where()).toEqual(["n1", "n2"]);
  });

  it("stays on a node that is cordoned or lost", async () => {
    await start(1);
    await taint("n1", [
      { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" },
      { key: "node.kubernetes.io/unreachable", effect: "NoExecute" },
    ]);
    await cluster.settled();
    expect(await where()).toEqual(["n1"]);
    expect(await status()).toMatchObject({ desiredNumberScheduled: 1 });
  });

  it("keeps one Pod on each node, the oldest", async () => {
    await start(1);
    const [kept] = await pods();
    await cluster.create("pods", {
      metadata: { namespace: "default", name: "zz", labels },
      spec: { ...template("a:1").spec, nodeName: "n1" },
    });
    await cluster.settled();
    expect((await pods()).map(({ metadata }) => metadata.uid)).toEqual([kept?.metadata.uid]);
  });

  it("never puts a second Pod on a node while its cache lags", async () => {
    const lagging = (transport: Transport): Transport => ({
      ...transport,
      async *watch(request) {
        for await (const batch of transport.watch(request)) {
          if (request.path.endsWith("/pods")) await new Promise((resolve) => setTimeout(resolve, 40));
          yield batch;
        }
      },
    });
    cluster = await startControlled({ between: lagging });
    let most = 0;
    cluster.nodes.onChange = (all) => {
      most = Math.max(most, all.length);
    };
    for (const name of ["n2", "n3"]) await addNode(name);
    await make();
    for (let i = 0; i < 20; i++) {
      await cluster.client.patch("daemonsets", ref, { metadata: { annotations: { touched: String(i) } } });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await cluster.settled();
    expect(await where()).toEqual(["n1", "n2", "n3"]);
    expect(most).toBe(3);
  });

  it("goes on where it stopped, without doubling anything", async () => {
    await start(5);
    await setImage("a:2");
    for (let turns = 0; turns < 12; turns++) {
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      await cluster.stop();
      await cluster.restart();
    }
    await cluster.settled();
    expect(await where()).toEqual(["n1", "n2", "n3", "n4", "n5"]);
    expect(await images()).toEqual(Array(5).fill("a:2"));
  });

  it.each([
    ["Failed", "Warning FailedDaemonPod Found failed daemon pod default/", "will try to kill it"],
    ["Succeeded", "Normal SucceededDaemonPod Found succeeded daemon pod default/", "will try to delete it"],
  ] as const)("replaces a Pod that %s, and says so", async (phase, begin, end) => {
    await start(1);
    const [first] = await pods();
    cluster.nodes.ends = ({ metadata }) => (metadata.uid === first?.metadata.uid ? phase : undefined);
    await touch(first!);
    await expect.poll(async () => (await pods())[0]?.metadata.uid).not.toBe(first?.metadata.uid);
    await cluster.settled();
    expect(await where()).toEqual(["n1"]);
    const expected = `${begin}${first?.metadata.name} on node n1, ${end}`;
    await expect.poll(() => cluster.events("agent")).toContain(expected);
  });

  it("waits longer and longer where a node refuses Pods", async () => {
    cluster = await startControlled();
    const refused = new Set<string>();
    cluster.nodes.ends = ({ metadata }) => {
      refused.add(metadata.uid);
      return "Failed";
    };
    await make();
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(refused.size).toBeGreaterThanOrEqual(2);
    expect(refused.size).toBeLessThanOrEqual(3);
  });
});

describe("a rollout of a DaemonSet", () => {
  it.each<[number | string, number]>([
    [1, 4],
    [2, 3],
    ["50%", 2],
  ])("with maxUnavailable %s never has fewer than that available", async (maxUnavailable, fewest) => {
    await start(5, rolling({ maxUnavailable }));
    let least = 5;
    let most = 0;
    cluster.nodes.onChange = (all) => {
      least = Math.min(least, all.filter(isUp).length);
      most = Math.max(most, all.filter(isActive).length);
    };
    await setImage("a:2");
    await cluster.settled();
    expect(await images()).toEqual(Array(5).fill("a:2"));
    expect(least).toBe(fewest);
    expect(most).toBe(5);
    expect(await status()).toMatchObject({ updatedNumberScheduled: 5, numberAvailable: 5, observedGeneration: 2 });
  });

  it("with maxSurge has a new Pod on the node before the old one goes", async () => {
    await start(4, rolling({ maxSurge: 2, maxUnavailable: 0 }));
    let least = 4;
    let most = 0;
    cluster.nodes.onChange = (all) => {
      least = Math.min(least, new Set(all.filter(isUp).map(({ spec }) => spec?.nodeName)).size);
      most = Math.max(most, all.filter(isActive).length);
    };
    await setImage("a:2");
    await cluster.settled();
    expect(await images()).toEqual(Array(4).fill("a:2"));
    expect(least).toBe(4);
    expect(most).toBeLessThanOrEqual(6);
  });

  it("stops where new Pods do not work, and goes back", async () => {
    await start(3);
    cluster.nodes.ready = ({ spec }) => spec?.containers[0]?.image !== "bad";
    await setImage("bad");
    await cluster.settled();
    expect((await images()).filter((image) => image === "bad")).toHaveLength(1);
    expect(await status()).toMatchObject({ numberReady: 2, numberUnavailable: 1 });
    await setImage("a:1");
    await cluster.settled();
    expect(await images()).toEqual(Array(3).fill("a:1"));
    const numbers = (await cluster.list("controllerrevisions")).map(({ revision }) => revision);
    expect(numbers.toSorted()).toEqual([2, 3]);
  });

  it("waits for the user where it is OnDelete", async () => {
    await start(2, { updateStrategy: { type: "OnDelete" } });
    await setImage("a:2");
    await cluster.settled();
    expect(await images()).toEqual(["a:1", "a:1"]);
    expect(await status()).toMatchObject({ numberReady: 2 });
    expect((await status())?.updatedNumberScheduled).toBeUndefined();
    await cluster.client.delete("pods", { namespace: "default", name: (await pods())[1]!.metadata.name });
    await cluster.settled();
    expect(await images()).toEqual(["a:1", "a:2"]);
  });

  it("keeps as many former revisions as the history limit says", async () => {
    await start(1, { revisionHistoryLimit: 1 });
    for (const image of ["a:2", "a:3", "a:4"]) {
      await setImage(image);
      await cluster.settled();
    }
    const numbers = (await cluster.list("controllerrevisions")).map(({ revision }) => revision);
    expect(numbers.toSorted()).toEqual([3, 4]);
  });
});

const isUp = (pod: Pod) => !pod.metadata.deletionTimestamp && isReady(pod);

/** Lets the Pod's node look at it again. */
async function touch({ metadata: { namespace, name } }: Pod): Promise<void> {
  await cluster.client.patch("pods", { namespace, name }, { metadata: { annotations: { touched: "1" } } });
}
