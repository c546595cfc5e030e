/** Revisions of StatefulSets and DaemonSets where something is in their way. */
import { afterEach, describe, expect, it } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";

let cluster: Controlled;
afterEach(() => cluster.close());

const labels = { app: "web" };
const template = (image: string) => ({ metadata: { labels }, spec: { containers: [{ name: "c", image }] } });
const make = (resource: "statefulsets" | "daemonsets", namespace = "default") =>
  cluster.create(resource, {
    metadata: { namespace, name: "web", annotations: { note: "kept" } },
    spec: { selector: { matchLabels: labels }, template: template("a:1") },
  } as never);
const revisions = async () => (await cluster.list("controllerrevisions")).toSorted((a, b) => a.revision - b.revision);

describe.each(["statefulsets", "daemonsets"] as const)("revisions of %s", (resource) => {
  it("say what is needed to put a template back", async () => {
    cluster = await startControlled();
    const owner = await make(resource);
    await cluster.settled();
    const { spec } = await cluster.client.get(resource, { namespace: "default", name: "web" });
    expect(await revisions()).toMatchObject([
      {
        metadata: {
          labels,
          annotations: { note: "kept" },
          ownerReferences: [{ uid: owner.metadata.uid, controller: true, blockOwnerDeletion: true }],
        },
        data: { spec: { template: { ...spec?.template, $patch: "replace" } } },
        revision: 1,
      },
    ]);
  });

  it("are adopted by a successor of the same name", async () => {
    cluster = await startControlled();
    await make(resource);
    await cluster.settled();
    const [before] = await revisions();
    await cluster.client.delete(resource, { namespace: "default", name: "web" }, { propagation: "Orphan" });
    await cluster.settled();
    const successor = await make(resource);
    await cluster.settled();
    const after = await revisions();
    expect(after.map(({ metadata }) => metadata.uid)).toEqual([before?.metadata.uid]);
    expect(after[0]?.metadata.ownerReferences).toMatchObject([{ uid: successor.metadata.uid }]);
    expect(await cluster.list("pods")).toHaveLength(1);
  });

  it("are made again where somebody deleted them", async () => {
    cluster = await startControlled();
    await make(resource);
    await cluster.settled();
    const [first] = await revisions();
    await cluster.client.delete("controllerrevisions", { namespace: "default", name: first!.metadata.name });
    await expect
      .poll(async () => (await revisions()).map(({ metadata }) => metadata.name))
      .toEqual([first?.metadata.name]);
    expect(await cluster.list("pods")).toHaveLength(1);
  });

  it("go with their owner, and with its namespace", async () => {
    cluster = await startControlled();
    await cluster.create("namespaces", { metadata: { name: "team" } });
    await make(resource, "team");
    await cluster.settled();
    await cluster.client.patch(
      resource,
      { namespace: "team", name: "web" },
      { metadata: { finalizers: ["example.com/wait"] } },
    );
    await cluster.client.delete("namespaces", { name: "team" });
    await expect.poll(revisions).toEqual([]);
    await cluster.client.patch(resource, { namespace: "team", name: "web" }, { metadata: { finalizers: null } });
    await expect.poll(() => cluster.client.find("namespaces", { name: "team" }), { timeout: 10_000 }).toBeUndefined();
    const name = resource === "daemonsets" ? "daemonset-controller" : "statefulset-controller";
    await expect.poll(() => cluster.running().stats()[name]?.retrying, { timeout: 10_000 }).toBe(0);
  });
});
