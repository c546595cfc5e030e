/** Who may do what: RBAC, the node authorizer, impersonation, anonymous clients, through the whole pipeline. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const admin = (method: string, path: string, body?: unknown) =>
  pipeline.send({ method, path, ...(body === undefined ? {} : { body }) });
const as = (user: string, groups: readonly string[], path: string, method = "GET", body?: unknown) =>
  pipeline.send({ user, groups, path, method, ...(body === undefined ? {} : { body }) });
const rule = (verbs: string[], resources: string[], more: object = {}) => ({
  verbs,
  apiGroups: [""],
  resources,
  ...more,
});
const bind = (kind: string, role: string, subjects: object[]) => ({
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind, name: role },
  subjects,
});
const USER = (name: string) => ({ kind: "User", apiGroup: "rbac.authorization.k8s.io", name });
const GROUP = (name: string) => ({ kind: "Group", apiGroup: "rbac.authorization.k8s.io", name });

describe("anonymous clients", () => {
  test.each([
    ["/healthz", 200],
    ["/livez", 200],
    ["/readyz", 200],
    ["/version", 200],
    ["/api", 403],
    ["/api/v1/pods", 403],
    ["/metrics", 403],
    ["/openapi/v2", 403],
    ["/k8ts/v1/history/api/v1/namespaces/default", 403],
    ["/k8ts/v1/history/metrics", 403],
    ["/k8ts/v1/history/healthz", 403],
    ["/k8ts/v1/tunnel", 403],
    ["/readyz/store", 403],
    ["/openid/v1/jwks", 403],
    ["/nothing", 403],
    ["//metrics", 403],
    ["/api//v1/namespaces/default/secrets", 403],
  ])("%s is answered %i", async (path, expected) => {
    const { status, value } = await pipeline.send({ path, peer: { kind: "anonymous" } });
    expect(status).toBe(expected);
    if (status === 403) expect(value.message).toContain('User "system:anonymous" cannot');
  });

  test("learn in which words they are refused", async () => {
    const { value } = await pipeline.send({ path: "/api", peer: { kind: "anonymous" } });
    expect(value.message).toBe('forbidden: User "system:anonymous" cannot get path "/api"');
  });
});

describe("roles", () => {
  beforeAll(async () => {
    await admin("POST", `${RBAC}/namespaces/default/roles`, {
      metadata: { name: "reader" },
      rules: [rule(["get", "list"], ["pods"]), rule(["get"], ["configmaps"], { resourceNames: ["one"] })],
    });
    await admin("POST", `${RBAC}/namespaces/default/rolebindings`, {
      metadata: { name: "readers" },
      ...bind("Role", "reader", [
        USER("ann"),
        GROUP("devs"),
        { kind: "ServiceAccount", name: "robot", namespace: "default" },
      ]),
    });
    await admin("POST", `${RBAC}/namespaces/default/rolebindings`, {
      metadata: { name: "edit-kim" },
      ...bind("ClusterRole", "edit", [USER("kim")]),
    });
  });
  const PODS = "/api/v1/namespaces/default/pods";

  test.each([
    ["ann", [], PODS, 200],
    ["x", ["devs"], PODS, 200],
    ["system:serviceaccount:default:robot", [], PODS, 200],
    ["bob", [], PODS, 403],
    ["ann", [], "/api/v1/pods", 403],
    ["ann", [], "/api/v1/namespaces/kube-system/pods", 403],
    ["ann", [], `${PODS}?watch=true`, 403],
    ["ann", [], "/api/v1/namespaces/default/configmaps/one", 404],
    ["ann", [], "/api/v1/namespaces/default/configmaps/two", 403],
    ["ann", [], "/api/v1/namespaces/default/configmaps", 403],
    ["ann", [], `${PODS}/x/log`, 403],
    ["kim", [], "/apis/apps/v1/namespaces/default/deployments", 200],
    ["kim", [], "/apis/apps/v1/namespaces/kube-system/deployments", 403],
    ["kim", [], `${RBAC}/namespaces/default/roles`, 403],
    ["system:kube-scheduler", [], "/api/v1/nodes", 200],
    ["system:kube-scheduler", [], "/api/v1/secrets", 403],
    ["system:kube-controller-manager", [], "/api/v1/secrets", 200],
    ["system:k8ts:dns", [], "/api/v1/services", 200],
    ["system:k8ts:dns", [], "/api/v1/secrets", 403],
    ["system:kube-proxy", [], "/apis/discovery.k8s.io/v1/endpointslices", 200],
  ])("%s %j %s is answered %i", async (user, groups, path, expected) => {
    expect((await as(user, groups, path)).status).toBe(expected);
  });

  test("of single names do not open lists by a comma that separates nothing", async () => {
    const list = (selector: string) =>
      as("ann", [], `/api/v1/namespaces/default/configmaps?fieldSelector=${encodeURIComponent(selector)}`);
    await admin("POST", `${RBAC}/namespaces/default/roles`, {
      metadata: { name: "list-one" },
      rules: [rule(["list"], ["configmaps"], { resourceNames: ["one"] })],
    });
    await admin("POST", `${RBAC}/namespaces/default/rolebindings`, {
      metadata: { name: "list-one" },
      ...bind("Role", "list-one", [USER("ann")]),
    });
    expect((await list("metadata.name=one")).status).toBe(200);
    expect((await list("metadata.namespace!=a\\,metadata.name=one")).status).toBe(403);
  });

  test("take effect and end at once", async () => {
    const path = `${RBAC}/clusterrolebindings`;
    await admin("POST", path, { metadata: { name: "late" }, ...bind("ClusterRole", "view", [USER("late")]) });
    expect((await as("late", [], "/api/v1/pods")).status).toBe(200);
    await admin("DELETE", `${path}/late`);
    expect((await as("late", [], "/api/v1/pods")).status).toBe(403);
  });

  test("aggregate", async () => {
    await admin("POST", `${RBAC}/clusterroles`, {
      metadata: { name: "widgets", labels: { "rbac.authorization.k8s.io/aggregate-to-view": "true" } },
      rules: [{ verbs: ["list"], apiGroups: [""], resources: ["nodes"] }],
    });
    await admin("POST", `${RBAC}/clusterrolebindings`, {
      metadata: { name: "v" },
      ...bind("ClusterRole", "view", [USER("viewer")]),
    });
    expect((await as("viewer", [], "/api/v1/nodes")).status).toBe(200);
  });

  test("are refused in Kubernetes' words", async () => {
    const list = await as("bob", [], PODS);
    expect(list.value).toMatchObject({
      code: 403,
      reason: "Forbidden",
      details: { kind: "pods" },
      message: 'pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default"',
    });
    const scale = await as("bob", [], "/apis/apps/v1/namespaces/default/deployments/d/scale", "PATCH", {});
    expect(scale.value.message).toBe(
      'deployments.apps "d" is forbidden: User "bob" cannot patch resource "deployments/scale" in API group "apps" in the namespace "default"',
    );
    const nodes = await as("bob", [], "/api/v1/nodes");
    expect(nodes.value.message).toBe(
      'nodes is forbidden: User "bob" cannot list resource "nodes" in API group "" at the cluster scope',
    );
  });
});

describe("escalation", () => {
  beforeAll(async () => {
    await admin("POST", `${RBAC}/namespaces/default/rolebindings`, {
      metadata: { name: "admin-eve" },
      ...bind("ClusterRole", "admin", [USER("eve")]),
    });
  });
  const roles = `${RBAC}/namespaces/default/roles`;
  const bindings = `${RBAC}/namespaces/default/rolebindings`;

  test("nobody grants what they do not have", async () => {
    const body = { metadata: { name: "power" }, rules: [rule(["get"], ["nodes"])] };
    const { value } = await as("eve", [], roles, "POST", body);
    expect(value.code).toBe(403);
    expect(value.message).toContain("is attempting to grant RBAC permissions not currently held:");
    expect(value.message).toContain('{APIGroups:[""], Resources:["nodes"], Verbs:["get"]}');
  });
  test("what they have they may grant", async () => {
    const body = { metadata: { name: "little" }, rules: [rule(["get", "list"], ["pods", "pods/log"])] };
    expect((await as("eve", [], roles, "POST", body)).status).toBe(201);
  });
  test("nobody binds a role with more", async () => {
    const binding = (role: string) => ({
      metadata: { generateName: "b-" },
      ...bind("ClusterRole", role, [USER("eve")]),
    });
    expect((await as("eve", [], bindings, "POST", binding("cluster-admin"))).status).toBe(403);
    expect((await as("eve", [], bindings, "POST", binding("view"))).status).toBe(201);
    expect((await as("eve", [], bindings, "POST", binding("nothing"))).status).toBe(404);
  });
});

describe("impersonation", () => {
  const call = (user: string, headers: Record<string, string>) =>
    pipeline.send({
      path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
      method: "POST",
      body: {},
      user,
      groups: user === "root" ? ["system:masters"] : [],
      headers: { "content-type": "application/json", ...headers },
    });

  test("acts as another", async () => {
    const { value } = await call("root", {
      "impersonate-user": "bob",
      "impersonate-group": "devs\nops, all",
      "impersonate-extra-scopes": "a",
    });
    expect(value.status.userInfo).toEqual({
      username: "bob",
      groups: ["devs", "ops, all", "system:authenticated"],
      extra: { scopes: ["a"] },
    });
  });
  test("as a service account brings its groups", async () => {
    const { value } = await call("root", { "impersonate-user": "system:serviceaccount:default:robot" });
    expect(value.status.userInfo.groups).toEqual([
      "system:serviceaccounts",
      "system:serviceaccounts:default",
      "system:authenticated",
    ]);
  });
  test("has to be allowed", async () => {
    const { value } = await call("bob", { "impersonate-user": "root" });
    expect(value.message).toBe(
      'users "root" is forbidden: User "bob" cannot impersonate resource "users" in API group "" at the cluster scope',
    );
  });
  test("of a group alone is a bad request", async () => {
    expect((await call("root", { "impersonate-group": "x" })).status).toBe(400);
  });
});

describe("nodes", () => {
  const NODE = ["system:nodes"];
  const PODS = "/api/v1/namespaces/default/pods";
  beforeAll(async () => {
    for (const name of ["n1", "n2"])
      await as(`system:node:${name}`, NODE, "/api/v1/nodes", "POST", { metadata: { name } });
    const pod = (name: string, node: string, secret: string) => ({
      metadata: { name },
      spec: {
        nodeName: node,
        containers: [{ name: "c", image: "i:1", envFrom: [{ configMapRef: { name: `${secret}-env` } }] }],
        volumes: [{ name: "v", secret: { secretName: secret } }],
      },
    });
    const volume = (claim: string, secret: string) => ({
      metadata: { name: `pv-${claim}` },
      spec: {
        capacity: { storage: "1Gi" },
        accessModes: ["ReadWriteOnce"],
        claimRef: { namespace: "default", name: claim },
        csi: { driver: "d", volumeHandle: "h", nodeStageSecretRef: { namespace: "kube-system", name: secret } },
      },
    });
    await admin("POST", "/api/v1/persistentvolumes", volume("data", "csi"));
    await admin("POST", "/api/v1/persistentvolumes", volume("other", "csi-other"));
    for (const name of ["data", "other"])
      await admin("POST", "/api/v1/namespaces/default/persistentvolumeclaims", {
        metadata: { name },
        spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
      });
    for (const name of ["csi", "csi-other"])
      await admin("POST", "/api/v1/namespaces/kube-system/secrets", { metadata: { name } });
    await admin("POST", PODS, {
      metadata: { name: "with-claim" },
      spec: {
        nodeName: "n1",
        containers: [{ name: "c", image: "i:1" }],
        volumes: [{ name: "v", persistentVolumeClaim: { claimName: "data" } }],
      },
    });
    await admin("POST", PODS, {
      metadata: { name: "mirror", annotations: { "kubernetes.io/config.mirror": "x" } },
      spec: {
        nodeName: "n1",
        containers: [{ name: "c", image: "i:1" }],
        volumes: [{ name: "v", secret: { secretName: "s-mirror" } }],
      },
    });
    await admin("POST", PODS, pod("gone", "n2", "s2"));
    await admin("DELETE", `${PODS}/gone?gracePeriodSeconds=0`);
    await admin("POST", PODS, pod("p1", "n1", "s1"));
    await admin("POST", PODS, pod("p2", "n2", "s2"));
    for (const name of ["s1", "s2"]) {
      await admin("POST", "/api/v1/namespaces/default/secrets", { metadata: { name } });
      await admin("POST", "/api/v1/namespaces/default/configmaps", { metadata: { name: `${name}-env` } });
    }
  });

  test.each([
    ["GET", "/api/v1/nodes/n1", 200],
    ["GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", 200],
    ["GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn2", 403],
    ["GET", "/api/v1/pods", 403],
    ["GET", `${PODS}/p1`, 200],
    ["GET", `${PODS}/p2`, 403],
    ["GET", "/api/v1/namespaces/default/secrets/s1", 200],
    ["GET", "/api/v1/namespaces/default/secrets/s2", 403],
    ["GET", "/api/v1/namespaces/default/secrets", 403],
    ["GET", "/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%3Ds1", 200],
    ["GET", "/api/v1/namespaces/default/configmaps/s1-env", 200],
    ["GET", "/api/v1/namespaces/default/configmaps/s2-env", 403],
    ["GET", "/api/v1/services", 200],
    ["GET", "/apis/apps/v1/deployments", 403],
    ["GET", "/api/v1/nodes", 403],
    ["GET", "/api/v1/nodes?fieldSelector=metadata.name%3Dn1", 200],
    ["GET", "/api/v1/nodes?fieldSelector=metadata.name%3Dn1&watch=0", 200],
    ["GET", "/api/v1/nodes/n1/status", 403],
    ["GET", `${PODS}/p1/status`, 403],
    ["GET", `${PODS}/p2/status`, 403],
    ["GET", `${PODS}/gone`, 403],
    ["GET", "/k8ts/v1/history/api/v1/namespaces/default/pods/p1", 200],
    ["GET", "/k8ts/v1/history/api/v1/namespaces/default/pods/p2", 403],
    ["GET", "/k8ts/v1/history/api/v1/namespaces/default/pods/gone", 403],
    ["GET", "/api/v1/namespaces", 403],
    ["GET", "/api/v1/namespaces/default/pods?fieldSelector=metadata.name%3Dp1", 200],
    ["GET", "/api/v1/namespaces/default/pods?fieldSelector=metadata.name%3Dp2", 403],
    ["GET", "/api/v1/namespaces/default/secrets/s-mirror", 403],
    ["GET", "/api/v1/namespaces/default/persistentvolumeclaims/data", 200],
    ["GET", "/api/v1/namespaces/default/persistentvolumeclaims/other", 403],
    ["GET", "/api/v1/persistentvolumes/pv-data", 200],
    ["GET", "/api/v1/persistentvolumes/pv-other", 403],
    ["GET", "/api/v1/namespaces/kube-system/secrets/csi", 200],
    ["GET", "/api/v1/namespaces/kube-system/secrets/csi-other", 403],
    ["GET", "/apis/storage.k8s.io/v1/csinodes/n1", 404],
    ["GET", "/apis/storage.k8s.io/v1/csinodes/n2", 403],
    ["GET", "/metrics", 403],
  ])("%s %s is answered %i", async (method, path, expected) => {
    expect((await as("system:node:n1", NODE, path, method)).status).toBe(expected);
  });

  test.each([
    ["its own node's status", "PATCH", "/api/v1/nodes/n1/status", { status: { phase: "Running" } }, 200],
    ["another node's status", "PATCH", "/api/v1/nodes/n2/status", { status: { phase: "Running" } }, 403],
    ["its own taints", "PATCH", "/api/v1/nodes/n1", { spec: { taints: [{ key: "a", effect: "NoSchedule" }] } }, 403],
    ["its Pod's status", "PATCH", `${PODS}/p1/status`, { status: { message: "m" } }, 200],
    ["another's Pod's status", "PATCH", `${PODS}/p2/status`, { status: { message: "m" } }, 403],
    ["its Pod's spec", "PATCH", `${PODS}/p1`, { metadata: { labels: { a: "b" } } }, 403],
    ["another's Pod's end", "DELETE", `${PODS}/p2`, undefined, 403],
    [
      "its lease",
      "POST",
      "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
      { metadata: { name: "n1" } },
      201,
    ],
    [
      "another's lease",
      "POST",
      "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
      { metadata: { name: "n2" } },
      403,
    ],
    [
      "a lease elsewhere",
      "POST",
      "/apis/coordination.k8s.io/v1/namespaces/default/leases",
      { metadata: { name: "n1" } },
      403,
    ],
    [
      "a Pod",
      "POST",
      PODS,
      { metadata: { name: "mine" }, spec: { nodeName: "n1", containers: [{ name: "c", image: "i:1" }] } },
      403,
    ],
    [
      "a token that is bound to no Pod",
      "POST",
      "/api/v1/namespaces/default/serviceaccounts/default/token",
      { spec: {} },
      403,
    ],
    [
      "a token of a strange account",
      "POST",
      "/api/v1/namespaces/kube-system/serviceaccounts/default/token",
      { spec: {} },
      403,
    ],
    [
      "an event",
      "POST",
      "/api/v1/namespaces/default/events",
      { metadata: { name: "e" }, involvedObject: { namespace: "default" } },
      201,
    ],
  ])("writes %s: %s %s is answered", async (_what, method, path, body, expected) => {
    const headers = { "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json" };
    const { status } = await pipeline.send({
      user: "system:node:n1",
      groups: NODE,
      path,
      method,
      headers,
      ...(body ? { body } : {}),
    });
    expect(status).toBe(expected);
  });

  test("learn in whose words they may not read another Node", async () => {
    const { value } = await as("system:node:n1", NODE, "/api/v1/nodes/n2");
    expect(value.message).toBe(
      `nodes "n2" is forbidden: User "system:node:n1" cannot get resource "nodes" in API group "" at the cluster scope: node 'n1' cannot read 'n2', only its own Node object`,
    );
  });

  test("a name alone makes no node", async () => {
    expect((await as("system:node:n1", [], "/api/v1/nodes/n1")).status).toBe(403);
  });
});
