/** Ephemeral volumes against the real API server: the claim of a Pod's volume comes, comes again and goes with it. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";

const POD = { namespace: "default", name: "p" };
const CLAIM = { namespace: "default", name: "p-scratch" };
const claimSpec = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };

let cluster: Controlled;
beforeEach(async () => {
  cluster = await startControlled();
});
afterEach(() => cluster.close());

const createPod = () =>
  cluster.create("pods", {
    metadata: POD,
    spec: {
      containers: [{ name: "main", image: "busybox" }],
      volumes: [
        {
          name: "scratch",
          ephemeral: { volumeClaimTemplate: { metadata: { labels: { use: "scratch" } }, spec: claimSpec } },
        },
        { name: "other", emptyDir: {} },
      ],
    },
  });
const claims = async () => {
  await cluster.settled();
  return cluster.list("persistentvolumeclaims");
};

it("makes the claim that a Pod's volume asks for, owned by the Pod, and no other", async () => {
  const { metadata } = await createPod();
  expect(await claims()).toMatchObject([
    {
      metadata: {
        ...CLAIM,
        labels: { use: "scratch" },
        ownerReferences: [
          { apiVersion: "v1", kind: "Pod", name: "p", uid: metadata.uid, controller: true, blockOwnerDeletion: true },
        ],
      },
      spec: claimSpec,
    },
  ]);
});

it("makes a claim again that goes while its Pod stays", async () => {
  await createPod();
  const [first] = await claims();
  await cluster.client.delete("persistentvolumeclaims", CLAIM);
  await cluster.client.patch("persistentvolumeclaims", CLAIM, { metadata: { finalizers: null } });
  const [second] = await claims();
  expect(second?.metadata.name).toBe(first?.metadata.name);
  expect(second?.metadata.uid).not.toBe(first?.metadata.uid);
});

it("takes no claim of that name that belongs to somebody else, and says why", async () => {
  const theirs = await cluster.create("persistentvolumeclaims", { metadata: CLAIM, spec: claimSpec });
  await createPod();
  // it is tried again and again, so that nothing settles
  const events = async () => (await cluster.list("events")).map(({ type, reason, message }) => [type, reason, message]);
  const why = "PVC default/p-scratch was not created for pod default/p (pod is not owner)";
  await expect.poll(events).toContainEqual(["Warning", "FailedBinding", `ephemeral volume scratch: ${why}`]);
  const [claim, ...others] = await cluster.list("persistentvolumeclaims");
  expect(others).toEqual([]);
  expect(claim?.metadata.uid).toBe(theirs.metadata.uid);
  expect(claim?.metadata.ownerReferences).toBeUndefined();
});

it("the claim goes with its Pod", async () => {
  await createPod();
  expect(await claims()).toHaveLength(1);
  await cluster.client.delete("pods", POD, { gracePeriodSeconds: 0 });
  await expect.poll(claims).toEqual([]);
});
