import { describe, expect, test } from "vitest";
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions } from "./discovery.ts";
import { builtinResources as rows } from "./table.ts";

type Loose = Record<string, unknown>;
const list = (value: unknown): Loose[] => value as Loose[];

describe("discovery", () => {
  test("names the core version and the server's address", () => {
    expect(apiVersions(rows, "10.0.0.1:6443")).toEqual({
      kind: "APIVersions",
      versions: ["v1"],
      serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: "10.0.0.1:6443" }],
    });
  });

  test("lists groups with the newest version preferred", () => {
    const old = { ...rows.find(({ group }) => group === "apps")!, version: "v1beta2" };
    const { groups } = apiGroupList([old, ...rows]) as { groups: Loose[] };
    expect(groups.find(({ name }) => name === "apps")).toMatchObject({
      versions: [{ version: "v1" }, { version: "v1beta2" }],
      preferredVersion: { groupVersion: "apps/v1", version: "v1" },
    });
    expect(groups.some(({ name }) => name === "")).toBe(false);
    expect(apiGroup(rows, "nowhere")).toBeUndefined();
  });

  test("lists a version's resources with their subresources", () => {
    const { resources, ...rest } = apiResourceList(rows, "apps", "v1") as { resources: Loose[] };
    expect(rest).toEqual({ kind: "APIResourceList", apiVersion: "v1", groupVersion: "apps/v1" });
    expect(resources.map(({ name }) => name).filter((name) => String(name).startsWith("deployments"))).toEqual([
      "deployments",
      "deployments/scale",
      "deployments/status",
    ]);
    expect(resources.find(({ name }) => name === "deployments/scale")).toEqual({
      name: "deployments/scale",
      singularName: "",
      namespaced: true,
      group: "autoscaling",
      version: "v1",
      kind: "Scale",
      verbs: ["get", "patch", "update"],
    });
    expect(apiResourceList(rows, "apps", "v9")).toBeUndefined();
  });

  test("describes Pods exactly as Kubernetes does", () => {
    const { resources } = apiResourceList(rows, "", "v1") as { resources: Loose[] };
    expect(resources.find(({ name }) => name === "pods")).toEqual({
      name: "pods",
      singularName: "pod",
      namespaced: true,
      kind: "Pod",
      verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
      shortNames: ["po"],
      categories: ["all"],
      storageVersionHash: "xPOwRZ+Yhw8=",
    });
    expect(resources.find(({ name }) => name === "pods/eviction")).toMatchObject({
      group: "policy",
      version: "v1",
      kind: "Eviction",
    });
  });

  test("aggregated says the same", () => {
    const { items } = aggregatedDiscovery(rows, "groups") as { items: Loose[] };
    const apps = items.find(({ metadata }) => (metadata as Loose)["name"] === "apps")!;
    const [version] = list(apps["versions"]);
    const deployments = list(version!["resources"]).find(({ resource }) => resource === "deployments")!;
    expect(deployments).toMatchObject({
      responseKind: { group: "apps", version: "v1", kind: "Deployment" },
      scope: "Namespaced",
      singularResource: "deployment",
      shortNames: ["deploy"],
      categories: ["all"],
    });
    expect(list(deployments["subresources"]).map(({ subresource }) => subresource)).toEqual(["scale", "status"]);
    const core = aggregatedDiscovery(rows, "core") as { items: Loose[] };
    expect(core.items).toHaveLength(1);
  });
});
