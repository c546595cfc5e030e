/** Bootstrap: what a cluster has from its first moment, and that a restart writes nothing. */
import { expect, test } from "vitest";
import { startPipeline } from "../e2e/harness/pipeline.ts";

test("a new cluster has its namespaces, roles, classes and its own Service", async () => {
  const pipeline = await startPipeline({ advertiseAddress: "192.0.2.7", port: 7443 });
  const client = pipeline.client();
  const namesOf = async (resource: "namespaces" | "clusterroles" | "priorityclasses") =>
    (await client.list(resource)).items.map(({ metadata }) => metadata.name);
  expect(await namesOf("namespaces")).toEqual(["default", "kube-node-lease", "kube-public", "kube-system"]);
  expect(await namesOf("clusterroles")).toEqual(expect.arrayContaining(["admin", "cluster-admin", "edit", "view"]));
  expect(await namesOf("priorityclasses")).toEqual(["system-cluster-critical", "system-node-critical"]);
  const ref = { namespace: "default", name: "kubernetes" };
  expect((await client.get("services", ref)).spec?.clusterIP).toBe("10.43.0.1");
  const slice = await client.get("endpointslices", ref);
  expect(slice.endpoints?.[0]?.addresses).toEqual(["192.0.2.7"]);
  expect(slice.ports?.[0]?.port).toBe(7443);
  await pipeline.close();
});

test("a restart writes nothing, and a changed address is told", async () => {
  const first = await startPipeline();
  const revision = await first.store.revision();
  await first.apiserver.close();
  const second = await startPipeline({ store: first.store });
  expect(await first.store.revision()).toBe(revision);
  await second.apiserver.close();
  const moved = await startPipeline({ store: first.store, advertiseAddress: "192.0.2.99" });
  const slice = await moved.client().get("endpointslices", { namespace: "default", name: "kubernetes" });
  expect(slice.endpoints?.[0]?.addresses).toEqual(["192.0.2.99"]);
  await moved.close();
});

test("what people took from a role comes back, and what they added stays", async () => {
  const first = await startPipeline();
  const client = first.client();
  const role = await client.get("clusterroles", { name: "system:kube-scheduler" });
  const own = { verbs: ["get"], apiGroups: ["example.com"], resources: ["things"] };
  await client.update("clusterroles", { ...role, rules: [own] });
  await first.apiserver.close();
  const second = await startPipeline({ store: first.store });
  const now = await second.client().get("clusterroles", { name: "system:kube-scheduler" });
  expect(now.rules).toContainEqual(own);
  expect((await second.client("system:kube-scheduler", []).list("nodes")).items).toEqual([]);
  await second.close();
});
