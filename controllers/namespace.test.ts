/** Namespaces: what each gets, and that a deleted one goes with everything in it, and only then. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";

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
});
