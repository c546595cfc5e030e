/** The client: which request each call makes. */
import { expect, it } from "vitest";
import { notFound } from "../objects/status.ts";
import { createClient } from "./create-client.ts";
import type { RequestRecord } from "./transport/contract.ts";
import { directTransport } from "./transport/direct.ts";

function recorded(answer: unknown = {}, status = 200) {
  const seen: RequestRecord[] = [];
  const transport = directTransport({
    user: "me",
    groups: [],
    handler: async (request) => {
      seen.push(request);
      return { status, headers: {}, body: { kind: "object", value: () => answer } };
    },
  });
  return { client: createClient(transport), seen };
}

const shown = ({ method, path, query }: RequestRecord) => `${method} ${path}${query.size ? `?${query}` : ""}`;

it("addresses core and grouped, namespaced and cluster-scoped resources", async () => {
  const { client, seen } = recorded();
  await client.get("pods", { namespace: "a", name: "b" });
  await client.get("nodes", { name: "n" });
  await client.list("deployments");
  await client.list("leases", { namespace: "kube-node-lease", labelSelector: "a=b", limit: 5 });
  await client.createSub("pods", { namespace: "a", name: "b" }, "binding", {});
  await client.delete("namespaces", { name: "x" });
  expect(seen.map(shown)).toEqual([
    "GET /api/v1/namespaces/a/pods/b",
    "GET /api/v1/nodes/n",
    "GET /apis/apps/v1/deployments",
    "GET /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases?labelSelector=a%3Db&limit=5",
    "POST /api/v1/namespaces/a/pods/b/binding",
    "DELETE /api/v1/namespaces/x",
  ]);
});

it("writes apiVersion and kind without touching what it was given", async () => {
  const { client, seen } = recorded();
  const draft = Object.freeze({ metadata: Object.freeze({ name: "a", namespace: "b" }), data: { x: "1" } });
  await client.create("configmaps", draft);
  await client.updateStatus("jobs", Object.freeze({ metadata: draft.metadata }));
  expect(seen.map(shown)).toEqual([
    "POST /api/v1/namespaces/b/configmaps",
    "PUT /apis/batch/v1/namespaces/b/jobs/a/status",
  ]);
  expect(seen[0]?.body).toEqual({ kind: "object", value: { ...draft, apiVersion: "v1", kind: "ConfigMap" } });
});

it("sends the cause with writes only, whatever kind they are", async () => {
  const { client, seen } = recorded();
  const because = client.because({ revision: "42", controller: "deployment-controller" });
  await because.get("pods", { namespace: "a", name: "b" });
  await because.patch("pods", { namespace: "a", name: "b" }, {}, { type: "strategic", subresource: "status" });
  await because.delete("pods", { namespace: "a", name: "b" });
  await because.raw({ method: "PUT", path: "/x", body: {} });
  expect(seen.map(({ headers }) => headers["k8ts-cause-revision"])).toEqual([undefined, "42", "42", "42"]);
  expect(seen[1]?.headers).toMatchObject({
    "content-type": "application/strategic-merge-patch+json",
    "k8ts-cause-controller": "deployment-controller",
  });
});

it("finds nothing where there is nothing, and throws other failures", async () => {
  const missing = recorded(notFound("pods", "b").toStatus(), 404);
  expect(await missing.client.find("pods", { namespace: "a", name: "b" })).toBeUndefined();
  const broken = recorded({ reason: "InternalError" }, 500);
  await expect(broken.client.find("pods", { namespace: "a", name: "b" })).rejects.toMatchObject({ code: 500 });
});

it("gives items of a list their kind where the server left it out", async () => {
  const { client } = recorded({ metadata: {}, items: [{ metadata: { name: "a" } }] });
  expect((await client.list("deployments")).items[0]).toMatchObject({ apiVersion: "apps/v1", kind: "Deployment" });
});
