/** NodeRestriction: what a kubelet's own identity may not write, through the whole pipeline. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";

let pipeline: Pipeline;
let uid: string;
const PODS = "/api/v1/namespaces/default/pods";
const TYPES: Readonly<Record<string, string>> = { PATCH: "application/merge-patch+json" };

const admin = (method: string, path: string, body?: unknown) =>
  pipeline.send({ method, path, ...(body === undefined ? {} : { body }) });
const node = (method: string, path: string, body?: unknown, name = "n1") =>
  pipeline.send({
    user: `system:node:${name}`,
    groups: ["system:nodes"],
    method,
    path,
    headers: { "content-type": TYPES[method] ?? "application/json" },
    ...(body === undefined ? {} : { body }),
  });
const refusal = async (...call: Parameters<typeof node>) => {
  const { status, value } = await node(...call);
  return [status, value.message];
};
const containers = [{ name: "c", image: "i:1" }];

beforeAll(async () => {
  pipeline = await startPipeline();
  for (const name of ["n1", "n2"]) {
    await node("POST", "/api/v1/nodes", { metadata: { name } }, name);
    await admin("POST", PODS, { metadata: { name: `p-${name}` }, spec: { nodeName: name, containers } });
  }
  uid = (await admin("GET", "/api/v1/nodes/n1")).value.metadata.uid;
});
afterAll(() => pipeline.close());

describe("labels of its Node", () => {
  const label = (key: string) => refusal("PATCH", "/api/v1/nodes/n1", { metadata: { labels: { [key]: "y" } } });

  test.each([
    "node-role.kubernetes.io/x",
    "node-restriction.kubernetes.io/x",
    "a.node-restriction.kubernetes.io/x",
    "kubernetes.io/x",
    "k8s.io/x",
    "deep.down.k8s.io/x",
  ])("%s may not be set", async (key) => {
    expect(await label(key)).toEqual([403, `nodes "n1" is forbidden: is not allowed to modify labels: ${key}`]);
  });

  test.each(["own.example.org/x", "plain", "notkubernetes.io/x", "kubelet.kubernetes.io/x", "a.node.kubernetes.io/x"])(
    "%s may be set",
    async (key) => {
      expect((await label(key))[0]).toBe(200);
    },
  );

  test.each(["kubernetes.io/hostname", "beta.kubernetes.io/arch", "topology.kubernetes.io/zone"])(
    "%s may be reported",
    async (key) => expect((await label(key))[0]).toBe(200),
  );

  test("that an administrator set may not be changed or removed", async () => {
    const path = "/api/v1/nodes/n1";
    await pipeline.send({
      method: "PATCH",
      path,
      headers: { "content-type": "application/merge-patch+json" },
      body: { metadata: { labels: { "node-role.kubernetes.io/b": "", "node-role.kubernetes.io/a": "" } } },
    });
    const labels = { "node-role.kubernetes.io/b": null, "node-role.kubernetes.io/a": "z" };
    expect(await refusal("PATCH", path, { metadata: { labels } })).toEqual([
      403,
      'nodes "n1" is forbidden: is not allowed to modify labels: node-role.kubernetes.io/a, node-role.kubernetes.io/b',
    ]);
    expect((await node("PATCH", `${path}/status`, { metadata: { labels } }))?.status).toBe(403);
    expect((await node("PATCH", `${path}/status`, { status: { phase: "Running" } }))?.status).toBe(200);
  });

  test("are judged at registration too", async () => {
    const metadata = { name: "n3", labels: { "node-role.kubernetes.io/x": "", "kubernetes.io/os": "linux" } };
    expect(await refusal("POST", "/api/v1/nodes", { metadata }, "n3")).toEqual([
      403,
      'nodes "n3" is forbidden: node "n3" is not allowed to set the following labels: node-role.kubernetes.io/x',
    ]);
  });
});

describe("Nodes", () => {
  test("of others are not its to write", async () => {
    const words = 'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"';
    expect(await refusal("PATCH", "/api/v1/nodes/n2", { metadata: { labels: { a: "b" } } })).toEqual([403, words]);
    expect(await refusal("PATCH", "/api/v1/nodes/n2/status", { status: {} })).toEqual([403, words]);
    expect((await refusal("POST", "/api/v1/nodes", { metadata: { name: "n9" } }))[0]).toBe(403);
  });
  test("register with taints and never change them", async () => {
    const spec = { taints: [{ key: "a", effect: "NoSchedule" }] };
    expect((await node("POST", "/api/v1/nodes", { metadata: { name: "n4" }, spec }, "n4")).status).toBe(201);
    expect(await refusal("PATCH", "/api/v1/nodes/n4", { spec: { taints: [] } }, "n4")).toEqual([
      403,
      'nodes "n4" is forbidden: node "n4" is not allowed to modify taints',
    ]);
  });
});

describe("Pods", () => {
  const owner = () => ({ apiVersion: "v1", kind: "Node", name: "n1", uid, controller: true });
  const mirror = (metadata: object = {}, spec: object = {}) => ({
    metadata: {
      generateName: "mirror-",
      annotations: { "kubernetes.io/config.mirror": "x" },
      ownerReferences: [owner()],
      ...metadata,
    },
    spec: { nodeName: "n1", containers, ...spec },
  });
  const words = async (body: unknown) => (await refusal("POST", PODS, body))[1];

  test("may be mirrors of its own", async () => {
    const { status, value } = await node("POST", PODS, mirror());
    expect([status, value.spec?.serviceAccountName, value.message]).toEqual([201, undefined, undefined]);
    expect((await node("DELETE", `${PODS}/${value.metadata.name}`)).status).toBe(200);
  });

  test.each([
    [
      "no mirror",
      { annotations: {} },
      {},
      /does not have "kubernetes.io\/config.mirror" annotation, node "n1" can only/,
    ],
    ["elsewhere", {}, { nodeName: "n2" }, /can only create pods with spec.nodeName set to itself/],
    ["owned by nobody", { ownerReferences: [] }, {}, /with an owner reference set to itself/],
    ["with an account", {}, { serviceAccountName: "default" }, /can not create pods that reference a service account/],
    [
      "with a secret",
      {},
      { volumes: [{ name: "v", secret: { secretName: "s" } }] },
      /can not create pods that reference secrets/,
    ],
    [
      "with a ConfigMap",
      {},
      { containers: [{ name: "c", image: "i:1", envFrom: [{ configMapRef: { name: "s" } }] }] },
      /can not create pods that reference configmaps/,
    ],
    [
      "with a claim",
      {},
      { volumes: [{ name: "v", persistentVolumeClaim: { claimName: "s" } }] },
      /can not create pods that reference persistentvolumeclaims/,
    ],
  ])("are refused: %s", async (_what, metadata, spec, message) => {
    expect(await words(mirror(metadata, spec))).toMatch(message);
  });

  test("owned by another Node, or by an earlier one of that name, are refused", async () => {
    const owned = (change: object) => words(mirror({ ownerReferences: [{ ...owner(), ...change }] }));
    expect(await owned({ name: "n2" })).toContain("with an owner reference set to itself");
    expect(await owned({ controller: false })).toContain("with a controller owner reference set to itself");
    expect(await owned({ blockOwnerDeletion: true })).toContain("must not set blockOwnerDeletion");
    expect(await owned({ uid: "old" })).toContain("node n1 UID mismatch: expected old got");
  });

  test("have a status that only their own node writes", async () => {
    expect((await node("PATCH", `${PODS}/p-n1/status`, { status: { message: "m" } })).status).toBe(200);
    expect(await refusal("PATCH", `${PODS}/p-n2/status`, { status: { message: "m" } })).toEqual([
      403,
      'pods "p-n2" is forbidden: node "n1" can only update pod status for pods with spec.nodeName set to itself',
    ]);
    expect((await refusal("PATCH", `${PODS}/p-n1/status`, { metadata: { labels: { a: "b" } } }))[1]).toBe(
      'pods "p-n1" is forbidden: node "n1" cannot update labels through pod status',
    );
  });

  test("of others are neither deleted nor evicted by it", async () => {
    expect(await refusal("DELETE", `${PODS}/p-n2`)).toEqual([
      403,
      'pods "p-n2" is forbidden: node "n1" can only delete pods with spec.nodeName set to itself',
    ]);
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "p-n2" } };
    expect(await refusal("POST", `${PODS}/p-n2/eviction`, eviction)).toEqual([
      403,
      'pods "p-n2" is forbidden: node n1 can only evict pods with spec.nodeName set to itself',
    ]);
    expect((await admin("GET", `${PODS}/p-n2`)).value.metadata.deletionTimestamp).toBeUndefined();
  });
});

describe("tokens", () => {
  const bound = async (name: string, more: object = {}, audiences: string[] = []) => {
    const found = (await admin("GET", `${PODS}/${name}`)).value.metadata.uid;
    const boundObjectRef = { apiVersion: "v1", kind: "Pod", name, uid: found, ...more };
    return { spec: { audiences, boundObjectRef } };
  };
  const ask = (body: unknown) => refusal("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", body);

  test("are for Pods of its own", async () => {
    expect((await ask(await bound("p-n1")))[0]).toBe(201);
    expect((await ask(await bound("p-n2")))[1]).toBe(
      'serviceaccounts "default" is forbidden: node requested token bound to a pod scheduled on a different node',
    );
  });
  test("are never without a Pod", async () => {
    expect(await ask({ spec: {} })).toEqual([
      403,
      'serviceaccounts "default" is forbidden: node requested token not bound to a pod',
    ]);
    expect((await ask(await bound("p-n1", { uid: "" })))[1]).toContain("with a pod binding without a uid");
    expect((await ask(await bound("p-n1", { uid: "old" })))[1]).toContain("does not match the UID in record");
  });
  test("are for audiences that the Pod asks for", async () => {
    expect((await ask(await bound("p-n1", {}, ["vault"])))[1]).toContain(
      'audience "vault" not found in pod spec volume',
    );
    expect((await ask(await bound("p-n1", {}, ["a", "b"])))[1]).toContain("node may only request 0 or 1 audiences");
  });
});

test("a CSINode and a lease are its own", async () => {
  const csi = (name: string) => ({ metadata: { name }, spec: { drivers: [] } });
  const path = "/apis/storage.k8s.io/v1/csinodes";
  expect((await node("POST", path, csi("n1"))).status).toBe(201);
  expect(await refusal("POST", path, csi("n2"))).toEqual([
    403,
    'csinodes.storage.k8s.io "n2" is forbidden: can only access CSINode with the same name as the requesting node',
  ]);
  const leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
  expect((await node("POST", leases, { metadata: { name: "n1" } })).status).toBe(201);
  expect((await refusal("POST", leases, { metadata: { name: "n2" } }))[0]).toBe(403);
});
