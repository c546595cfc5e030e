/** ReplicationControllers against the real API server: what they share with ReplicaSets, and what they do not. */
import { afterEach, describe, expect, it } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import { isActive } from "./pod-state.ts";

let cluster: Controlled;
afterEach(() => cluster.close());

const ref = { namespace: "default", name: "web" };
const labels = { app: "web" };
const template = { metadata: { labels }, spec: { containers: [{ name: "c", image: "a:1" }] } };
const alive = async () => (await cluster.list("pods")).filter(isActive);

describe("a ReplicationController", () => {
  it("keeps as many Pods as wanted, and says so in its status", async () => {
    cluster = await startControlled();
    await cluster.create("replicationcontrollers", {
      metadata: { ...ref, labels: { team: "a" } },
      spec: { replicas: 3, selector: labels, template },
    });
    await cluster.settled();
    const [first] = await alive();
    expect(first?.metadata).toMatchObject({
      generateName: "web-",
      ownerReferences: [{ apiVersion: "v1", kind: "ReplicationController", name: "web", controller: true }],
    });
    await cluster.client.delete("pods", { namespace: "default", name: first!.metadata.name });
    await cluster.settled();
    expect(await alive()).toHaveLength(3);
    await cluster.client.patch("replicationcontrollers", ref, { spec: { replicas: 2 } });
    await cluster.settled();
    expect(await alive()).toHaveLength(2);
    const { status, metadata } = await cluster.client.get("replicationcontrollers", ref);
    expect(metadata.labels).toEqual({ team: "a" });
    expect(status).toEqual({
      replicas: 2,
      readyReplicas: 2,
      availableReplicas: 2,
      fullyLabeledReplicas: 2,
      observedGeneration: 2,
    });
    expect((await cluster.events("web")).filter((text) => text.startsWith("Normal SuccessfulCreate"))).toHaveLength(4);
    await expectQuiet();
  });

  it("adopts and releases Pods by its map of labels", async () => {
    cluster = await startControlled();
    await cluster.create("pods", { metadata: { namespace: "default", name: "orphan", labels }, spec: template.spec });
    await cluster.create("replicationcontrollers", { metadata: ref, spec: { replicas: 1, template } });
    await cluster.settled();
    const orphan = { namespace: "default", name: "orphan" };
    expect(await alive()).toHaveLength(1);
    await cluster.client.patch("pods", orphan, { metadata: { labels: { app: "other" } } });
    await cluster.settled();
    expect((await cluster.client.get("pods", orphan)).metadata.ownerReferences ?? []).toEqual([]);
    expect(await alive()).toHaveLength(2);
  });
});

/** Whatever is touched from here on, nothing else is written. */
async function expectQuiet(): Promise<void> {
  await cluster.client.patch("replicationcontrollers", ref, { metadata: { annotations: { touched: "1" } } });
  const { resourceVersion } = (await cluster.client.get("replicationcontrollers", ref)).metadata;
  await cluster.settled();
  expect((await cluster.client.get("replicationcontrollers", ref)).metadata.resourceVersion).toBe(resourceVersion);
}
