/** Budgets against the real API server: what may go while Pods come, go, fall ill and are evicted. */
import { afterEach, describe, expect, it } from "vitest";
import { type Controlled, type ControlledOptions, startControlled } from "../e2e/harness/controlled.ts";
import type { PodDisruptionBudget } from "../machinery/objects/kinds.ts";
import type { ApiError } from "../machinery/objects/status.ts";
import { type FakeClock, fakeClock } from "../machinery/process/fake-clock.ts";
import { isReady } from "./pod-state.ts";

let cluster: Controlled;
let clock: FakeClock;
afterEach(() => cluster.close());
const start = async (options: ControlledOptions = {}) => {
  clock = fakeClock();
  cluster = await startControlled({ clock, nodeMonitorGraceMs: 3_600_000, ...options });
};

const ref = { namespace: "default", name: "web" };
const labels = { app: "web" };
const selector = { matchLabels: labels };
const template = { metadata: { labels }, spec: { containers: [{ name: "c", image: "a:1" }] } };
const createBudget = async (spec: NonNullable<PodDisruptionBudget["spec"]>, name = "web") => {
  await cluster.create("poddisruptionbudgets", { metadata: { ...ref, name }, spec: { selector, ...spec } });
  await cluster.settled();
};
const createDeployment = (replicas: number) =>
  cluster.create("deployments", { metadata: ref, spec: { replicas, selector, template } });
const status = async () => (await cluster.client.get("poddisruptionbudgets", ref)).status;
const numbers = async () => {
  const { disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods } = (await status()) ?? {};
  return [disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods];
};
const condition = async () => {
  const [one] = (await status())?.conditions ?? [];
  return `${one?.type} ${one?.status} ${one?.reason} ${one?.message}`;
};
const evict = (name: string) =>
  cluster.client
    .createSub("pods", { namespace: "default", name }, "eviction", { metadata: { name, namespace: "default" } })
    .then(() => "gone")
    .catch((error: unknown) => (error as ApiError).details?.causes?.[0]?.message);

describe("a budget", () => {
  it.each<[NonNullable<PodDisruptionBudget["spec"]>, number[]]>([
    [{ minAvailable: 2 }, [3, 5, 2, 5]],
    [{ minAvailable: 7 }, [0, 5, 7, 5]],
    [{ minAvailable: "50%" }, [2, 5, 3, 5]],
    [{ maxUnavailable: 1 }, [1, 5, 4, 5]],
    [{ maxUnavailable: "30%" }, [2, 5, 3, 5]],
    [{ maxUnavailable: 9 }, [5, 5, 0, 5]],
    [{ maxUnavailable: 0 }, [0, 5, 5, 5]],
    [{}, [0, 5, 0, 0]],
  ])("of %j for five Pods allows, finds, wants well and expects %j", async (spec, expected) => {
    await start();
    await createDeployment(5);
    await createBudget(spec);
    expect(await numbers()).toEqual(expected);
    expect(await condition()).toBe(
      expected[0] ? "DisruptionAllowed True SufficientPods " : "DisruptionAllowed False InsufficientPods ",
    );
    expect((await status())?.observedGeneration).toBe(1);
  });

  it("follows what its Pods' owner asks for, also before the Pods are there", async () => {
    await start();
    await createDeployment(3);
    await createBudget({ maxUnavailable: 1 });
    cluster.nodes.reports = () => false;
    await cluster.client.patch("deployments", ref, { spec: { replicas: 6 } });
    await cluster.settled();
    expect(await numbers()).toEqual([0, 3, 5, 6]);
  });

  it("counts only Pods that are ready and stay", async () => {
    await start();
    await createDeployment(4);
    cluster.nodes.terminates = () => false;
    await createBudget({ minAvailable: 1 });
    expect(await numbers()).toEqual([3, 4, 1, 4]);
    const [first] = await cluster.list("pods");
    await cluster.client.delete("pods", { namespace: "default", name: first?.metadata.name ?? "" });
    cluster.nodes.ready = () => false;
    await cluster.settled();
    expect(await numbers()).toEqual([2, 3, 1, 5]);
  });

  it("does not count a Pod that ended and was ready until then", async () => {
    await start();
    await createDeployment(4);
    await createBudget({ minAvailable: 1 });
    const [first] = await cluster.list("pods");
    if (!first) throw new Error("no Pod");
    await cluster.client.updateStatus("pods", { ...first, status: { ...first.status, phase: "Failed" } });
    await cluster.settled();
    expect(isReady(await cluster.client.get("pods", { ...ref, name: first.metadata.name }))).toBe(true);
    expect(await numbers()).toEqual([3, 4, 1, 5]);
  });

  it("without Pods allows nothing, and says that it has none", async () => {
    await start();
    await createBudget({ minAvailable: 0 });
    expect(await numbers()).toEqual([0, 0, 0, 0]);
    expect(await cluster.events("web")).toEqual(["Normal NoPods No matching pods found"]);
  });

  it("of Pods without an owner says what to do", async () => {
    await start();
    await cluster.create("pods", { metadata: { ...ref, labels }, spec: template.spec });
    await createBudget({ maxUnavailable: 1 });
    expect(await numbers()).toEqual([0, 1, 0, 0]);
    expect((await cluster.events("web")).join()).toContain(
      "Warning UnmanagedPods Pods selected by this PodDisruptionBudget (selector: app=web) were found to be unmanaged.",
    );
  });

  it("of Pods whose owner cannot be scaled allows nothing, and says why", async () => {
    await start();
    await cluster.create("configmaps", { metadata: ref });
    const { uid } = (await cluster.client.get("configmaps", ref)).metadata;
    const owner = { apiVersion: "v1", kind: "ConfigMap", name: "web", uid, controller: true };
    await cluster.create("pods", { metadata: { ...ref, labels, ownerReferences: [owner] }, spec: template.spec });
    await createBudget({ maxUnavailable: 1 });
    expect((await numbers())[0]).toBe(0);
    expect(await condition()).toBe(
      "DisruptionAllowed False SyncFailed configmaps does not implement the scale subresource",
    );
    expect(await cluster.events("web")).toContain(
      "Warning CalculateExpectedPodCountFailed Failed to calculate the number of expected pods: configmaps does not implement the scale subresource",
    );
  });

  it("shared with another tells each Pod once", async () => {
    await start();
    await cluster.create("pods", { metadata: { ...ref, name: "p", labels }, spec: template.spec });
    await createBudget({ minAvailable: 1 });
    await createBudget({ minAvailable: 1 }, "other");
    expect(await cluster.events("p")).toEqual([
      'Warning MultiplePodDisruptionBudgets Pod "default"/"p" matches multiple PodDisruptionBudgets.  Chose "other" arbitrarily.',
    ]);
  });

  it("writes nothing while nothing changes", async () => {
    await start();
    await createDeployment(3);
    await createBudget({ maxUnavailable: 1 });
    const before = await cluster.pipeline.store.revision();
    await clock.advance(3 * 60_000);
    await cluster.settled();
    expect((await cluster.pipeline.store.revision()) - before).toBeLessThanOrEqual(1);
  });
});

describe("evictions", () => {
  it("never leave fewer Pods well than wanted, however many are asked for at a time", async () => {
    await start();
    await createDeployment(5);
    await createBudget({ minAvailable: 4 });
    let fewest = 5;
    cluster.nodes.onChange = (pods) => {
      const well = pods.filter(({ metadata }) => !metadata.deletionTimestamp).length;
      fewest = Math.min(fewest, well);
    };
    for (let round = 0; round < 4; round++) {
      const names = (await cluster.list("pods")).map(({ metadata }) => metadata.name);
      const answers = await Promise.all(names.map(evict));
      expect(answers.filter((answer) => answer === "gone").length).toBeLessThanOrEqual(1);
      await cluster.settled();
    }
    expect(fewest).toBe(4);
    expect(await numbers()).toEqual([1, 5, 4, 5]);
    expect((await status())?.disruptedPods).toBeUndefined();
  });

  it("that were stopped before the Pod was deleted count for two minutes, and then leave no mark", async () => {
    await start();
    await createDeployment(2);
    await createBudget({ minAvailable: 1 });
    const [pod] = await cluster.list("pods");
    const { name = "" } = pod?.metadata ?? {};
    const time = new Date(clock.now()).toISOString();
    const current = await cluster.client.get("poddisruptionbudgets", ref);
    await cluster.client.updateStatus("poddisruptionbudgets", {
      ...current,
      status: { ...current.status!, disruptionsAllowed: 0, disruptedPods: { [name]: time } },
    });
    const mark = {
      type: "DisruptionTarget",
      status: "True",
      reason: "EvictionByEvictionAPI",
      lastTransitionTime: time,
    };
    await cluster.client.updateStatus("pods", {
      ...pod!,
      status: { ...pod!.status, conditions: [...(pod!.status?.conditions ?? []), mark] },
    });
    await cluster.settled();
    expect(await numbers()).toEqual([0, 1, 1, 2]);
    await clock.advance(121_000);
    await cluster.settled();
    expect(await numbers()).toEqual([1, 2, 1, 2]);
    expect((await status())?.disruptedPods).toBeUndefined();
    const marks = (await cluster.client.get("pods", { namespace: "default", name })).status?.conditions;
    expect(marks?.find(({ type }) => type === "DisruptionTarget")?.status).toBe("False");
    expect(await cluster.events(name)).toContain(
      "Warning NotDeleted Pod was expected by PDB default/default to be deleted but it wasn't",
    );
  });
});
