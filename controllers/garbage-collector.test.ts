/** Garbage collection against the real API server: three ways to delete an owner, and what must survive. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import type { ConfigMap } from "../machinery/objects/kinds.ts";
import type { OwnerReference } from "../machinery/objects/wire.ts";

let cluster: Controlled;
beforeEach(async () => {
  cluster = await startControlled();
});
afterEach(() => cluster.close());

const namespace = "default";
const eventually = (check: () => Promise<void>, timeout = 3_000) =>
  expect.poll(() => check().then(() => true), { timeout }).toBe(true);

const ownedBy = (...owners: readonly (ConfigMap | OwnerReference)[]): OwnerReference[] =>
  owners.map((owner) =>
    "metadata" in owner
      ? {
          apiVersion: "v1",
          kind: "ConfigMap",
          name: owner.metadata.name,
          uid: owner.metadata.uid,
          blockOwnerDeletion: true,
        }
      : owner,
  );
const create = (name: string, owners: OwnerReference[] = [], finalizers: string[] = []) =>
  cluster.create("configmaps", { metadata: { namespace, name, ownerReferences: owners, finalizers } });
const names = async () => (await cluster.list("configmaps", namespace)).map(({ metadata }) => metadata.name).sort();
const remove = (name: string, propagation: "Background" | "Foreground" | "Orphan") =>
  cluster.client.delete("configmaps", { namespace, name }, { propagation });

const elsewhere = (name: string, owners: OwnerReference[]) =>
  cluster.create("configmaps", { metadata: { namespace: "kube-public", name, ownerReferences: owners } });

describe("an owner in another namespace", () => {
  const isGone = async () =>
    (await cluster.client.find("configmaps", { namespace: "kube-public", name: "stray" })) === undefined;

  it("is none: its dependent goes and says why, whoever was seen first", async () => {
    const owner = await create("owner");
    await cluster.settled();
    await elsewhere("stray", ownedBy(owner));
    await expect.poll(isGone, { timeout: 3_000 }).toBe(true);
    const { uid } = owner.metadata;
    await expect
      .poll(() => cluster.events("stray"))
      .toEqual([
        `Warning OwnerRefInvalidNamespace ownerRef [v1/ConfigMap, namespace: kube-public, name: owner, uid: ${uid}] does not exist in namespace "kube-public"`,
      ]);
    expect(await names()).toEqual(["owner"]);
  });

  it("is none after a restart either", async () => {
    await cluster.stop();
    await elsewhere("stray", ownedBy(await create("owner")));
    await cluster.restart();
    await expect.poll(isGone, { timeout: 3_000 }).toBe(true);
    expect(await names()).toEqual(["owner"]);
  });

  it("does not take those along that name an owner of their own namespace", async () => {
    const owner = await create("owner");
    const own = await cluster.create("configmaps", { metadata: { namespace: "kube-public", name: "own" } });
    await elsewhere("stray", ownedBy(owner, own));
    await cluster.settled();
    await cluster.settled();
    expect(await isGone()).toBe(false);
    await remove("owner", "Background");
    await cluster.settled();
    expect(await isGone()).toBe(false);
  });

  it("keeps what has no namespace, which nobody can look up", async () => {
    const owner = await create("owner");
    await cluster.create("clusterroles", { metadata: { name: "role", ownerReferences: ownedBy(owner) }, rules: [] });
    await expect.poll(() => cluster.events("role")).toHaveLength(1);
    await cluster.settled();
    expect(await cluster.client.find("clusterroles", { name: "role" })).toBeDefined();
  });
});

it("an owner that is named wrongly is none, though its uid is right", async () => {
  const owner = await create("owner");
  await cluster.settled();
  await create("misled", [{ apiVersion: "v1", kind: "ConfigMap", name: "other", uid: owner.metadata.uid }]);
  await create("right", [{ apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: owner.metadata.uid }]);
  await eventually(async () => expect(await names()).toEqual(["owner", "right"]));
});

it("an absent owner is noticed although something without a namespace names it first", async () => {
  const reference = { apiVersion: "v1", kind: "ConfigMap", name: "never", uid: "00000000-0000-4000-8000-000000000001" };
  await cluster.create("clusterroles", { metadata: { name: "role", ownerReferences: [reference] }, rules: [] });
  await cluster.settled();
  await create("child", [reference]);
  await eventually(async () => expect(await names()).toEqual([]));
  expect(await cluster.client.find("clusterroles", { name: "role" })).toBeDefined();
});

describe("dependents", () => {
  it("go after their owner in the background, over generations", async () => {
    const owner = await create("owner");
    const child = await create("child", ownedBy(owner));
    await create("grandchild", ownedBy(child));
    await create("bystander");
    await cluster.settled();
    await remove("owner", "Background");
    await eventually(async () => expect(await names()).toEqual(["bystander"]));
  });

  it("go before their owner in the foreground", async () => {
    const owner = await create("owner");
    await create("child", ownedBy(owner), ["example.com/hold"]);
    await create("free", ownedBy(owner));
    await cluster.settled();
    await remove("owner", "Foreground");
    await eventually(async () => expect(await names()).toEqual(["child", "owner"]));
    await cluster.settled();
    expect((await cluster.client.get("configmaps", { namespace, name: "owner" })).metadata.finalizers).toEqual([
      "foregroundDeletion",
    ]);
    await cluster.client.patch("configmaps", { namespace, name: "child" }, { metadata: { finalizers: null } });
    await eventually(async () => expect(await names()).toEqual([]));
  });

  it("do not hold their owner where they do not block it", async () => {
    const owner = await create("owner");
    await create("child", [{ ...ownedBy(owner)[0]!, blockOwnerDeletion: false }], ["example.com/hold"]);
    await cluster.settled();
    await remove("owner", "Foreground");
    await eventually(async () => expect(await names()).toEqual(["child"]));
  });

  it("stay when they are orphaned, without the owner's name", async () => {
    const owner = await create("owner");
    await create("child", ownedBy(owner));
    await cluster.settled();
    await remove("owner", "Orphan");
    await eventually(async () => expect(await names()).toEqual(["child"]));
    await cluster.settled();
    expect(
      (await cluster.client.get("configmaps", { namespace, name: "child" })).metadata.ownerReferences ?? [],
    ).toEqual([]);
    expect(await names()).toEqual(["child"]);
  });

  it("are let go by an owner that is to orphan them after it was to wait for them", async () => {
    const owner = await create("owner");
    await create("child", ownedBy(owner), ["example.com/hold"]);
    await cluster.settled();
    await remove("owner", "Foreground");
    await cluster.settled();
    expect(await names()).toEqual(["child", "owner"]);
    await remove("owner", "Orphan");
    await eventually(async () => expect(await names()).toEqual(["child"]));
  });

  it("stay while one of several owners is there, and forget the others", async () => {
    const [one, other] = [await create("one"), await create("other")];
    await create("child", ownedBy(one, other));
    await cluster.settled();
    await remove("one", "Background");
    await cluster.settled();
    await eventually(async () => {
      const child = await cluster.client.get("configmaps", { namespace, name: "child" });
      expect(child.metadata.ownerReferences?.map(({ name }) => name)).toEqual(["other"]);
    });
  });

  it("whose owner never existed, or was replaced by one of the same name, go", async () => {
    const former = await create("owner");
    await remove("owner", "Background");
    await create("owner");
    await create("child", ownedBy(former));
    await create("lost", [
      { apiVersion: "apps/v1", kind: "Deployment", name: "never", uid: "00000000-0000-4000-8000-000000000000" },
    ]);
    await eventually(async () => expect(await names()).toEqual(["owner"]));
  });

  it("of owners of each other go in the foreground without waiting for ever", async () => {
    const a = await create("a");
    const b = await create("b", ownedBy(a));
    await cluster.client.patch("configmaps", { namespace, name: "a" }, { metadata: { ownerReferences: ownedBy(b) } });
    await cluster.settled();
    await remove("a", "Foreground");
    await eventually(async () => expect(await names()).toEqual([]));
  });

  it("whose owner's kind the server does not have stay", async () => {
    await create("child", [
      { apiVersion: "example.com/v1", kind: "Thing", name: "x", uid: "00000000-0000-4000-8000-000000000001" },
    ]);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await names()).toEqual(["child"]);
  });
});

describe("the collector", () => {
  it("finishes what was begun while it was away", async () => {
    const owner = await create("owner");
    await create("child", ownedBy(owner));
    const held = await create("held");
    await create("blocking", ownedBy(held));
    await cluster.settled();
    await cluster.stop();
    await remove("owner", "Background");
    await remove("held", "Foreground");
    expect(await names()).toEqual(["blocking", "child", "held"]);
    await cluster.restart();
    await eventually(async () => expect(await names()).toEqual([]));
  });

  it("does not delete what its cache wrongly takes for lost", async () => {
    await cluster.close();
    cluster = await startControlled({
      between: (transport) => ({
        ...transport,
        async *watch(request) {
          for await (const batch of transport.watch(request)) {
            // owners are shown long after their dependents
            const isOwner = batch.some(({ object }) => object.metadata.name?.startsWith("owner"));
            if (isOwner) await new Promise((resolve) => setTimeout(resolve, 100));
            yield batch;
          }
        },
      }),
    });
    const owner = await cluster.create("secrets", { metadata: { namespace, name: "owner" } });
    await create("child", [{ apiVersion: "v1", kind: "Secret", name: "owner", uid: owner.metadata.uid }]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await names()).toEqual(["child"]);
  });
});
