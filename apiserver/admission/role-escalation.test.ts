/** Role escalation: every way by which somebody might grant themselves what they do not have. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";

let pipeline: Pipeline;
const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const ROLES = `${RBAC}/clusterroles`;
const BINDINGS = `${RBAC}/clusterrolebindings`;
const API_GROUP = "rbac.authorization.k8s.io";

/** Mallory may write all roles and bindings, and read nothing but ConfigMaps. */
beforeAll(async () => {
  pipeline = await startPipeline();
  const rules = [
    { verbs: ["*"], apiGroups: [API_GROUP], resources: ["clusterroles", "clusterrolebindings"] },
    { verbs: ["get"], apiGroups: [""], resources: ["configmaps"] },
  ].map((rule) => ({ ...rule, verbs: rule.verbs.flatMap((verb) => (verb === "*" ? WRITES : [verb])) }));
  await admin("POST", ROLES, { metadata: { name: "role-writer" }, rules });
  await admin("POST", BINDINGS, { metadata: { name: "mallory" }, ...bound("role-writer") });
});
afterAll(() => pipeline.close());

const WRITES = ["create", "update", "patch", "delete", "get", "list"];
const bound = (role: string, user = "mallory") => ({
  roleRef: { apiGroup: API_GROUP, kind: "ClusterRole", name: role },
  subjects: [{ kind: "User", apiGroup: API_GROUP, name: user }],
});
const send = (user: string, groups: string[], method: string, path: string, body?: unknown) =>
  pipeline.send({
    user,
    groups,
    method,
    path,
    headers: { "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json" },
    ...(body ? { body } : {}),
  });
const admin = (method: string, path: string, body?: unknown) => send("root", ["system:masters"], method, path, body);
const mallory = (method: string, path: string, body?: unknown) => send("mallory", [], method, path, body);
const aggregate = { clusterRoleSelectors: [{ matchLabels: { "kubernetes.io/bootstrapping": "rbac-defaults" } }] };

test("a role that aggregates others is for those who have everything", async () => {
  const made = await mallory("POST", ROLES, { metadata: { name: "all" }, aggregationRule: aggregate, rules: [] });
  expect([made.status, made.value.message]).toEqual([
    403,
    'clusterroles.rbac.authorization.k8s.io "all" is forbidden: must have cluster-admin privileges to use an aggregationRule',
  ]);
  await mallory("POST", ROLES, { metadata: { name: "plain" }, rules: [] });
  expect((await mallory("PATCH", `${ROLES}/plain`, { aggregationRule: aggregate })).status).toBe(403);
  expect((await admin("POST", ROLES, { metadata: { name: "ours" }, aggregationRule: aggregate })).status).toBe(201);
  await admin("DELETE", `${ROLES}/ours`);
});

test("what a role gathers counts when it is bound", async () => {
  const selectors = [{ matchLabels: { gathered: "yes" } }];
  await admin("POST", ROLES, { metadata: { name: "gather" }, aggregationRule: { clusterRoleSelectors: selectors } });
  await admin("POST", ROLES, {
    metadata: { name: "secret-reader", labels: { gathered: "yes" } },
    rules: [{ verbs: ["get"], apiGroups: [""], resources: ["secrets"] }],
  });
  const { status, value } = await mallory("POST", BINDINGS, { metadata: { name: "b1" }, ...bound("gather") });
  expect(status).toBe(403);
  expect(value.message).toContain('{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}');
});

test("a label may not carry a role's rules to where it is held", async () => {
  await admin("POST", ROLES, {
    metadata: { name: "secrets" },
    rules: [{ verbs: ["get"], apiGroups: [""], resources: ["secrets"] }],
  });
  const labels = { "rbac.authorization.k8s.io/aggregate-to-view": "true" };
  expect((await mallory("PATCH", `${ROLES}/secrets`, { metadata: { labels } })).status).toBe(403);
});

test("what the garbage collector must change it may", async () => {
  const finalizers = ["example.org/kept"];
  await admin("POST", ROLES, {
    metadata: { name: "held", finalizers },
    rules: [{ verbs: ["get"], apiGroups: [""], resources: ["secrets"] }],
  });
  await admin("POST", BINDINGS, { metadata: { name: "held", finalizers }, ...bound("held", "someone") });
  expect((await mallory("PATCH", `${ROLES}/held`, { metadata: { finalizers: null } })).status).toBe(200);
  expect((await mallory("PATCH", `${BINDINGS}/held`, { metadata: { finalizers: null } })).status).toBe(200);
});

test("a subject may not be added to a role that has more", async () => {
  await admin("POST", BINDINGS, { metadata: { name: "operators" }, ...bound("cluster-admin", "olga") });
  const { subjects } = bound("cluster-admin");
  expect((await mallory("PATCH", `${BINDINGS}/operators`, { subjects })).status).toBe(403);
});

test("a role that is not there cannot be bound", async () => {
  const { status, value } = await mallory("POST", BINDINGS, { metadata: { name: "b2" }, ...bound("nowhere") });
  expect([status, value.message]).toEqual([404, 'clusterroles.rbac.authorization.k8s.io "nowhere" not found']);
});

test("selectors of an aggregation may be expressions", async () => {
  const clusterRoleSelectors = [{ matchExpressions: [{ key: "expressed", operator: "In", values: ["a", "b"] }] }];
  await admin("POST", ROLES, { metadata: { name: "expr" }, aggregationRule: { clusterRoleSelectors } });
  await admin("POST", ROLES, {
    metadata: { name: "expressed", labels: { expressed: "b" } },
    rules: [{ verbs: ["list"], apiGroups: [""], resources: ["nodes"] }],
  });
  await admin("POST", BINDINGS, { metadata: { name: "expr" }, ...bound("expr", "eve") });
  expect((await send("eve", [], "GET", "/api/v1/nodes")).status).toBe(200);
});
