/** Deployments against the real API server: rollouts, their fences, their reports, and what interrupts them. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import type { Deployment, ReplicaSet } from "../machinery/objects/kinds.ts";

let cluster: Controlled;
beforeEach(async () => {
  cluster = await startControlled();
});
afterEach(() => cluster.close());

const ref = { namespace: "default", name: "web" };

function web(image: string, spec: Partial<NonNullable<Deployment["spec"]>> = {}) {
  return {
    metadata: { ...ref },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image }] } },
      ...spec,
    },
  };
}

const setImage = (image: string) =>
  cluster.client.patch("deployments", ref, { spec: { template: { spec: { containers: [{ name: "c", image }] } } } });
const patchSpec = (spec: object) => cluster.client.patch("deployments", ref, { spec });
const deployment = () => cluster.client.get("deployments", ref);
const sets = async (): Promise<Record<string, number>> =>
  Object.fromEntries((await cluster.list("replicasets")).map((set) => [imageOf(set), set.spec?.replicas ?? 0]));
const imageOf = (set: ReplicaSet) => set.spec?.template?.spec?.containers[0]?.image ?? "";
const condition = (object: Deployment, type: string) => object.status?.conditions?.find((one) => one.type === type);

describe("a Deployment", () => {
  it("notes every change of its spec at once, though nothing else follows from it, and after a restart", async () => {
    await cluster.create("deployments", web("a:1"));
    await cluster.settled();
    const observed = async () => {
      const { metadata, status } = await deployment();
      return [metadata.generation, status?.observedGeneration];
    };
    await patchSpec({ revisionHistoryLimit: 3 });
    await expect.poll(observed, { interval: 5, timeout: 10_000 }).toEqual([2, 2]);
    await patchSpec({ paused: true });
    await expect.poll(observed, { interval: 5, timeout: 10_000 }).toEqual([3, 3]);
    await cluster.stop();
    await patchSpec({ paused: false, progressDeadlineSeconds: 100 });
    await cluster.restart();
    await expect.poll(observed, { interval: 5, timeout: 10_000 }).toEqual([4, 4]);
  });

  it("takes an old set up again without changing more of it than its number and annotations", async () => {
    await cluster.create("deployments", web("a:1"));
    await cluster.settled();
    const [before] = await cluster.list("replicasets");
    await setImage("a:2");
    await cluster.settled();
    await setImage("a:1");
    await cluster.settled();
    const after = (await cluster.list("replicasets")).find((set) => imageOf(set) === "a:1");
    expect(after?.metadata.annotations?.["deployment.kubernetes.io/revision"]).toBe("3");
    expect(after?.spec).toEqual(before?.spec);
  });

  it("takes on what a former one left behind, though the cache does not show yet that it is free", async () => {
    await cluster.close();
    cluster = await startControlled({
      between: (transport) => ({
        ...transport,
        async *watch(request) {
          for await (const batch of transport.watch(request)) {
            if (request.path.endsWith("/replicasets")) await new Promise((resolve) => setTimeout(resolve, 200));
            yield batch;
          }
        },
      }),
    });
    await cluster.create("deployments", web("a:1"));
    await cluster.settled();
    await expect.poll(async () => (await deployment()).status?.availableReplicas, { timeout: 10_000 }).toBe(3);
    const [left] = await cluster.list("replicasets");
    await cluster.client.delete("deployments", ref, { propagation: "Orphan" });
    await expect.poll(() => cluster.client.find("deployments", ref), { interval: 5, timeout: 10_000 }).toBeUndefined();
    await cluster.create("deployments", web("a:1"));
    await expect.poll(async () => (await deployment()).status?.availableReplicas, { timeout: 10_000 }).toBe(3);
    expect((await cluster.list("replicasets")).map(({ metadata }) => metadata.uid)).toEqual([left?.metadata.uid]);
    expect((await deployment()).status?.collisionCount).toBeUndefined();
  });

  it("becomes available, and says so as Kubernetes does", async () => {
    await cluster.create("deployments", web("a:1"));
    await cluster.settled();
    const { status, metadata } = await deployment();
    expect(status).toMatchObject({
      replicas: 3,
      updatedReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      observedGeneration: 1,
    });
    expect(status?.unavailableReplicas).toBeUndefined();
    expect(metadata.annotations?.["deployment.kubernetes.io/revision"]).toBe("1");
    const [set] = await cluster.list("replicasets");
    const name = set?.metadata.name ?? "";
    expect(name).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]{8,10}$/);
    expect(set?.metadata.labels?.["pod-template-hash"]).toBe(name.slice(4));
    expect(set?.metadata.annotations).toMatchObject({
      "deployment.kubernetes.io/desired-replicas": "3",
      "deployment.kubernetes.io/max-replicas": "4",
      "deployment.kubernetes.io/revision": "1",
    });
    expect(condition({ status } as Deployment, "Available")).toMatchObject({
      status: "True",
      reason: "MinimumReplicasAvailable",
    });
    expect(condition({ status } as Deployment, "Progressing")).toMatchObject({
      status: "True",
      reason: "NewReplicaSetAvailable",
      message: `ReplicaSet "${name}" has successfully progressed.`,
    });
    expect(await cluster.events("web")).toEqual([`Normal ScalingReplicaSet Scaled up replica set ${name} from 0 to 3`]);
  });

  it("writes nothing more once nothing changes", async () => {
    await cluster.create("deployments", web("a:1"));
    await cluster.settled();
    const before = await cluster.pipeline.store.revision();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await cluster.pipeline.store.revision()).toBe(before);
  });

  it("never has more Pods than maxSurge allows nor fewer ready ones than maxUnavailable, during a rollout", async () => {
    await cluster.create(
      "deployments",
      web("a:1", {
        replicas: 4,
        strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: "25%" } as never },
      }),
    );
    await cluster.settled();
    let most = 0;
    let leastReady = 99;
    cluster.nodes.onChange = (pods) => {
      const alive = pods.filter(({ metadata }) => !metadata.deletionTimestamp);
      most = Math.max(most, alive.length);
      leastReady = Math.min(
        leastReady,
        alive.filter(({ status }) =>
          status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True"),
        ).length,
      );
    };
    await setImage("a:2");
    await cluster.settled();
    expect(await sets()).toEqual({ "a:1": 0, "a:2": 4 });
    expect(most).toBe(5);
    expect(leastReady).toBeGreaterThanOrEqual(3);
    expect((await deployment()).metadata.annotations?.["deployment.kubernetes.io/revision"]).toBe("2");
  });

  it("goes back to a former template under a new revision, without a new ReplicaSet", async () => {
    await cluster.create("deployments", web("a:1"));
    await cluster.settled();
    await setImage("a:2");
    await cluster.settled();
    await setImage("a:1");
    await cluster.settled();
    expect(await sets()).toEqual({ "a:1": 3, "a:2": 0 });
    const first = (await cluster.list("replicasets")).find((set) => imageOf(set) === "a:1");
    expect(first?.metadata.annotations).toMatchObject({
      "deployment.kubernetes.io/revision": "3",
      "deployment.kubernetes.io/revision-history": "1",
    });
  });

  it.each([
    ["0", "a:1", 'Normal DeploymentRollback Rolled back deployment "web" to revision 1'],
    ["1", "a:1", 'Normal DeploymentRollback Rolled back deployment "web" to revision 1'],
    [
      "2",
      "a:2",
      'Warning DeploymentRollbackTemplateUnchanged The rollback revision contains the same template as current deployment "web"',
    ],
    ["7", "a:2", "Warning DeploymentRollbackRevisionNotFound Unable to find the revision to rollback to."],
  ])("does once what an older client's annotation asks for: rollback to %s", async (asked, image, event) => {
    await cluster.create("deployments", { ...web("a:1"), metadata: { ...ref, annotations: { note: "first" } } });
    await cluster.settled();
    const template = { spec: { containers: [{ name: "c", image: "a:2" }] } };
    await cluster.client.patch("deployments", ref, {
      metadata: { annotations: { note: "second" } },
      spec: { template },
    });
    await cluster.settled();
    const annotations = { "deprecated.deployment.rollback.to": asked };
    await cluster.client.patch("deployments", ref, { metadata: { annotations } });
    await cluster.settled();
    const { metadata, spec } = await deployment();
    expect(spec?.template.spec?.containers[0]?.image).toBe(image);
    expect(metadata.annotations).not.toHaveProperty(Object.keys(annotations));
    expect(metadata.annotations).toMatchObject({ note: image === "a:1" ? "first" : "second" });
    await expect.poll(() => cluster.events("web")).toContain(event);
  });

  it("that recreates gives up a set that it took on, also if it was scaled meanwhile", async () => {
    await cluster.create("deployments", web("a:1", { strategy: { type: "Recreate" } }));
    await cluster.settled();
    await cluster.stop();
    const labels = { app: "web", left: "behind" };
    const template = { metadata: { labels }, spec: { containers: [{ name: "c", image: "a:0" }] } };
    const spec = { replicas: 2, selector: { matchLabels: labels }, template };
    await cluster.create("replicasets", { metadata: { ...ref, name: "left", labels }, spec });
    await patchSpec({ replicas: 5 });
    await cluster.restart();
    await cluster.settled();
    expect(await sets()).toEqual({ "a:0": 0, "a:1": 5 });
    expect((await deployment()).status).toMatchObject({ replicas: 5, updatedReplicas: 5, availableReplicas: 5 });
  });

  it("recreates: no new Pod before the last old one is gone", async () => {
    await cluster.create("deployments", web("a:1", { strategy: { type: "Recreate" } }));
    await cluster.settled();
    let both = false;
    cluster.nodes.onChange = (pods) => {
      both ||= new Set(pods.map(({ spec }) => spec?.containers[0]?.image)).size > 1;
    };
    cluster.nodes.terminates = () => false;
    await setImage("a:2");
    await cluster.settled();
    expect(await sets()).toEqual({ "a:1": 0 });
    cluster.nodes.terminates = () => true;
    for (const { metadata } of await cluster.list("pods"))
      await cluster.client.delete("pods", { namespace: "default", name: metadata.name }, { gracePeriodSeconds: 0 });
    await cluster.settled();
    expect(await sets()).toEqual({ "a:1": 0, "a:2": 3 });
    expect(both).toBe(false);
  });

  it("recreates: none either when paused before the last old one is gone", async () => {
    await cluster.create("deployments", web("a:1", { strategy: { type: "Recreate" } }));
    await cluster.settled();
    await setImage("a:2");
    await cluster.settled();
    cluster.nodes.terminates = () => false;
    await setImage("a:1");
    await cluster.settled();
    await patchSpec({ paused: true });
    await cluster.settled();
    expect(await sets()).toEqual({ "a:1": 0, "a:2": 0 });
    for (const { metadata } of await cluster.list("pods"))
      await cluster.client.delete("pods", { namespace: "default", name: metadata.name }, { gracePeriodSeconds: 0 });
    await cluster.settled();
    expect(await sets()).toEqual({ "a:1": 3, "a:2": 0 });
  });

  it("stands still while paused, but scales, and goes on when resumed", async () => {
    await cluster.create("deployments", web("a:1"));
    await cluster.settled();
    await patchSpec({ paused: true });
    await setImage("a:2");
    await patchSpec({ replicas: 5 });
    await cluster.settled();
    expect(await sets()).toEqual({ "a:1": 5 });
    expect(condition(await deployment(), "Progressing")).toMatchObject({
      status: "Unknown",
      reason: "DeploymentPaused",
    });
    await patchSpec({ paused: false });
    await cluster.settled();
    expect(await sets()).toEqual({ "a:1": 0, "a:2": 5 });
  });

  it("keeps both templates in proportion when it is scaled in the middle of a rollout", async () => {
    await cluster.create(
      "deployments",
      web("a:1", {
        replicas: 10,
        strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } as never },
      }),
    );
    await cluster.settled();
    cluster.nodes.ready = ({ spec }) => spec?.containers[0]?.image === "a:1";
    await setImage("a:broken");
    await cluster.settled();
    expect(await sets()).toEqual({ "a:1": 8, "a:broken": 5 });
    await patchSpec({ replicas: 15 });
    await cluster.settled();
    expect(await sets()).toEqual({ "a:1": 11, "a:broken": 7 });
  });

  it("keeps as many old ReplicaSets as the history limit says", async () => {
    await cluster.create("deployments", web("a:1", { revisionHistoryLimit: 1 }));
    for (const image of ["a:2", "a:3", "a:4"]) {
      await cluster.settled();
      await setImage(image);
    }
    await cluster.settled();
    expect(await sets()).toEqual({ "a:3": 0, "a:4": 3 });
  });

  it("takes over ReplicaSets that match and belong to nobody", async () => {
    await cluster.create("deployments", web("a:1"));
    await cluster.settled();
    await cluster.client.delete("deployments", ref, { propagation: "Orphan" });
    await cluster.settled();
    expect((await cluster.list("replicasets"))[0]?.metadata.ownerReferences ?? []).toEqual([]);
    const again = await cluster.create("deployments", web("a:1"));
    await cluster.settled();
    const all = await cluster.list("replicasets");
    expect(all.map(({ metadata }) => metadata.ownerReferences?.[0]?.uid)).toEqual([again.metadata.uid]);
    expect(await cluster.list("pods")).toHaveLength(3);
  });

  it("finds another name when its ReplicaSet's is taken", async () => {
    await cluster.create("deployments", web("a:1"));
    await cluster.settled();
    const [set] = await cluster.list("replicasets");
    await cluster.client.delete("deployments", ref);
    await cluster.settled();
    const taken = { matchLabels: { other: "yes" } };
    await cluster.create("replicasets", {
      metadata: { namespace: "default", name: set!.metadata.name },
      spec: {
        replicas: 0,
        selector: taken,
        template: { metadata: { labels: { other: "yes" } }, spec: set!.spec!.template!.spec! },
      },
    });
    await cluster.create("deployments", web("a:1"));
    await cluster.settled();
    const { status } = await deployment();
    expect(status).toMatchObject({ collisionCount: 1, readyReplicas: 3 });
  });

  it("completes a rollout that was interrupted by kills of the controllers at any step", async () => {
    await cluster.create("deployments", web("a:1", { replicas: 6 }));
    await cluster.settled();
    let most = 0;
    cluster.nodes.onChange = (pods) => {
      most = Math.max(most, pods.filter(({ metadata }) => !metadata.deletionTimestamp).length);
    };
    await setImage("a:2");
    for (let turns = 0; turns < 25; turns++) {
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      await cluster.stop();
      await cluster.restart();
    }
    await cluster.settled();
    expect(await sets()).toEqual({ "a:1": 0, "a:2": 6 });
    expect(most).toBeLessThanOrEqual(8);
  });

  it("goes with everything it made when it is deleted", async () => {
    await cluster.create("deployments", web("a:1"));
    await cluster.settled();
    await cluster.client.delete("deployments", ref, { propagation: "Background" });
    await cluster.settled();
    expect(await cluster.list("replicasets")).toEqual([]);
    expect(await cluster.list("pods")).toEqual([]);
  });
});
