/** Claims for devices against the real API server: made from templates, reserved for those who live, freed after them. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import { fakeClock } from "../machinery/process/fake-clock.ts";

let cluster: Controlled;
beforeEach(async () => {
  cluster = await startControlled({ clock: fakeClock(), nodeMonitorGraceMs: 3_600_000 });
});
afterEach(() => cluster.close());

const namespace = "default";
const devices = { requests: [{ name: "gpu", exactly: { deviceClassName: "gpus" } }] };
const createTemplate = () =>
  cluster.create("resourceclaimtemplates", {
    metadata: { namespace, name: "gpu" },
    spec: { metadata: { labels: { team: "blue" } }, spec: { devices } },
  } as never);
const createPod = (claim: object = { name: "gpu", resourceClaimTemplateName: "gpu" }) =>
  cluster.create("pods", {
    metadata: { namespace, name: "web" },
    spec: { containers: [{ name: "c", image: "a:1" }], resourceClaims: [claim] },
  } as never);
const claims = () => cluster.list("resourceclaims", namespace);
const pod = () => cluster.client.get("pods", { namespace, name: "web" });

test("a template becomes a claim that its Pod owns and is told of", async () => {
  await createTemplate();
  await createPod();
  await cluster.settled();
  const [claim, ...more] = await claims();
  expect(more).toEqual([]);
  expect(claim?.metadata).toMatchObject({
    name: expect.stringMatching(/^web-gpu-[0-9a-f]{5}$/),
    labels: { team: "blue" },
    annotations: { "resource.kubernetes.io/pod-claim-name": "gpu" },
    ownerReferences: [{ kind: "Pod", name: "web", controller: true, blockOwnerDeletion: true }],
  });
  expect(claim?.spec).toMatchObject({ devices: { requests: [{ name: "gpu" }] } });
  const told = [{ name: "gpu", resourceClaimName: claim?.metadata.name }];
  expect((await pod()).status?.resourceClaimStatuses).toEqual(told);

  await cluster.client.delete("resourceclaims", { namespace, name: claim?.metadata.name ?? "" });
  await cluster.settled();
  expect((await claims()).map(({ metadata }) => metadata.name)).toEqual([claim?.metadata.name]);

  await cluster.client.delete("pods", { namespace, name: "web" });
  await cluster.settled();
  expect(await claims()).toEqual([]);
});

test("a template that comes late is waited for", async () => {
  await createPod();
  await cluster.settled();
  expect(await cluster.events("web")).toContain(
    'Warning FailedResourceClaimCreation PodResourceClaim gpu: resource claim template "gpu": resourceclaimtemplate.resource.k8s.io "gpu" not found',
  );
  await createTemplate();
  await cluster.settled();
  expect(await claims()).toHaveLength(1);
});

test("a claim of a Pod that has ended goes, though the Pod stays", async () => {
  await createTemplate();
  await createPod();
  await cluster.settled();
  cluster.nodes.ends = () => "Succeeded";
  await cluster.client.patch("pods", { namespace, name: "web" }, { metadata: { labels: { now: "end" } } });
  await cluster.settled();
  expect((await pod()).status?.phase).toBe("Succeeded");
  expect(await claims()).toEqual([]);
});

test("a claim is free when all for whom it was reserved are gone", async () => {
  const made = await cluster.create("resourceclaims", {
    metadata: { namespace, name: "shared", finalizers: ["resource.kubernetes.io/delete-protection"] },
    spec: { devices },
  } as never);
  const { metadata } = await createPod({ name: "gpu", resourceClaimName: "shared" });
  await cluster.settled();
  const reserved = (name: string, uid: string) => ({ resource: "pods", name, uid });
  const status = {
    allocation: { devices: { results: [] } },
    reservedFor: [reserved("web", metadata.uid), reserved("gone", "1")],
  };
  await cluster.client.updateStatus("resourceclaims", { ...made, status } as never);
  await cluster.settled();
  const read = () => cluster.client.get("resourceclaims", { namespace, name: "shared" });
  expect((await read()).status).toMatchObject({ allocation: {}, reservedFor: [{ name: "web" }] });
  await cluster.client.delete("pods", { namespace, name: "web" });
  await cluster.settled();
  expect((await read()).status).toEqual({});
  expect((await read()).metadata.finalizers ?? []).toEqual([]);
});
