/** Namespaces: what each gets, and that a deleted one goes with everything in it, and only then. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import { conditionsOf, type Left } from "./namespace.ts";

let cluster: Controlled;
beforeEach(async () => {
  cluster = await startControlled({ rootCa: "PEM" });
});
afterEach(() => cluster.close());

const eventually = (check: () => Promise<void>, timeout = 5_000) =>
  expect.poll(() => check().then(() => true), { timeout }).toBe(true);
const gone = (name: string) =>
  eventually(async () => expect(await cluster.client.find("namespaces", { name })).toBeUndefined());

describe("a namespace", () => {
  it("gets the account default and the cluster's CA, again when they were deleted or changed", async () => {
    const namespace = "team";
    await cluster.create("namespaces", { metadata: { name: namespace } });
    await cluster.settled();
    const account = { namespace, name: "default" };
    const ca = { namespace, name: "kube-root-ca.crt" };
    expect((await cluster.client.get("configmaps", ca)).data).toEqual({ "ca.crt": "PEM" });
    await cluster.client.delete("serviceaccounts", account);
    await cluster.client.patch("configmaps", ca, { data: { "ca.crt": "other", more: "x" } });
    await cluster.settled();
    expect(await cluster.client.find("serviceaccounts", account)).toBeDefined();
    expect((await cluster.client.get("configmaps", ca)).data).toEqual({ "ca.crt": "PEM" });
  });

  it("goes with everything in it when it is deleted", async () => {
    const namespace = "team";
    await cluster.create("namespaces", { metadata: { name: namespace } });
    await cluster.settled();
    const labels = { app: "web" };
    await cluster.create("deployments", {
      metadata: { namespace, name: "web" },
      spec: {
        replicas: 3,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: "c", image: "a:1" }] } },
      },
    });
    await cluster.create("services", {
      metadata: { namespace, name: "web" },
      spec: { selector: labels, ports: [{ port: 80 }] },
    });
    await cluster.create("secrets", { metadata: { namespace, name: "s" } });
    await cluster.settled();
    expect(await cluster.list("pods", namespace)).toHaveLength(3);
    await cluster.client.delete("namespaces", { name: namespace });
    await gone(namespace);
    await cluster.settled();
    for (const resource of [
      "pods",
      "deployments",
      "replicasets",
      "services",
      "secrets",
      "endpointslices",
      "events",
    ] as const)
      expect(await cluster.list(resource, namespace), resource).toEqual([]);
  });

  it("stays and says why while something in it is held", async () => {
    const namespace = "held";
    await cluster.create("namespaces", { metadata: { name: namespace } });
    const name = "c";
    await cluster.create("configmaps", { metadata: { namespace, name, finalizers: ["example.com/hold"] } });
    await cluster.client.delete("namespaces", { name: namespace });
    const conditions = async () =>
      Object.fromEntries(
        (await cluster.client.get("namespaces", { name: namespace })).status?.conditions?.map(({ type, message }) => [
          type,
          message,
        ]) ?? [],
      );
    await eventually(async () =>
      expect(await conditions()).toMatchObject({
        NamespaceContentRemaining: "Some resources are remaining: configmaps. has 1 resource instances",
        NamespaceFinalizersRemaining:
          "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
        NamespaceDeletionDiscoveryFailure: "All resources successfully discovered",
      }),
    );
    await cluster.client.patch("configmaps", { namespace, name }, { metadata: { finalizers: null } });
    await gone(namespace);
  });

  it("says which Pods outlive their time, and waits for the rest until they are gone", async () => {
    const namespace = "slow";
    await cluster.create("namespaces", { metadata: { name: namespace } });
    await cluster.settled();
    cluster.nodes.terminates = () => false;
    await cluster.create("pods", {
      metadata: { namespace, name: "p" },
      spec: { terminationGracePeriodSeconds: 1, containers: [{ name: "c", image: "a:1" }] },
    });
    await cluster.create("configmaps", { metadata: { namespace, name: "used" } });
    await cluster.settled();
    await cluster.client.delete("namespaces", { name: namespace });
    const condition = async (type: string) =>
      (await cluster.client.get("namespaces", { name: namespace })).status?.conditions?.find(
        (one) => one.type === type,
      );
    await eventually(async () =>
      expect(await condition("NamespaceDeletionContentFailure")).toMatchObject({
        status: "True",
        reason: "ContentDeletionFailed",
        message:
          "Failed to delete all resource types, 1 remaining: unexpected items still remain in namespace: slow for gvr: /v1, Resource=pods",
      }),
    );
    expect(await cluster.client.find("configmaps", { namespace, name: "used" })).toBeDefined();
    await cluster.client.delete("pods", { namespace, name: "p" }, { gracePeriodSeconds: 0 });
    await gone(namespace);
  });
});

describe("conditions of a namespace that goes", () => {
  const none = { remaining: new Map(), finalizers: new Map(), failures: { discovery: [], content: [] } };
  const told = (left: Left) =>
    Object.fromEntries(conditionsOf([], left, "T").map(({ type, reason, message }) => [type, `${reason} ${message}`]));

  it("say what was deleted", () => {
    expect(told(none)).toEqual({
      NamespaceDeletionDiscoveryFailure: "ResourcesDiscovered All resources successfully discovered",
      NamespaceDeletionGroupVersionParsingFailure: "ParsedGroupVersions All legacy kube types successfully parsed",
      NamespaceDeletionContentFailure:
        "ContentDeleted All content successfully deleted, may be waiting on finalization",
      NamespaceContentRemaining: "ContentRemoved All content successfully removed",
      NamespaceFinalizersRemaining: "ContentHasNoFinalizers All content-preserving finalizers finished",
    });
  });

  it("say what could not be asked", () => {
    const failures = { discovery: ["a.io/v1: stale", "b.io/v1: stale"], content: ["two", "one"] };
    expect(told({ ...none, failures })).toMatchObject({
      NamespaceDeletionDiscoveryFailure:
        "DiscoveryFailed Discovery failed for some groups, 2 failing: unable to retrieve the complete list of server APIs: a.io/v1: stale, b.io/v1: stale",
      NamespaceDeletionContentFailure:
        "ContentDeletionFailed Failed to delete all resource types, 2 remaining: one, two",
    });
  });

  it("keep the time since when they hold", () => {
    const before = conditionsOf([], none, "T1");
    expect(conditionsOf(before, none, "T2")).toEqual(before);
    const held = conditionsOf(before, { ...none, remaining: new Map([["pods.", 2]]) }, "T3");
    expect(held.map(({ type, lastTransitionTime }) => `${type} ${lastTransitionTime}`)).toContain(
      "NamespaceContentRemaining T3",
    );
    expect(held.filter(({ lastTransitionTime }) => lastTransitionTime === "T1")).toHaveLength(4);
  });
});
