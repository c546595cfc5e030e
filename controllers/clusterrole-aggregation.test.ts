/** Aggregation: an aggregated role has the rules of what it selects, no more and no fewer. */
import { afterEach, expect, it } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import type { PolicyRule } from "../machinery/objects/kinds.ts";

let cluster: Controlled;
afterEach(() => cluster.close());

const rule = (...resources: string[]): PolicyRule => ({ apiGroups: ["example.com"], resources, verbs: ["get"] });
const part = (name: string, rules: PolicyRule[], labels: Record<string, string> = { part: "yes" }) => ({
  metadata: { name, labels },
  rules,
});
const rulesOf = async (name: string) => (await cluster.client.get("clusterroles", { name })).rules ?? [];

it("gathers the rules of roles that come, change and go, each once", async () => {
  cluster = await startControlled();
  await cluster.create("clusterroles", {
    metadata: { name: "all" },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { part: "yes" } }] },
    rules: [rule("typed-by-hand")],
  });
  await expect.poll(() => rulesOf("all")).toEqual([]);

  await cluster.create("clusterroles", part("b", [rule("b"), rule("both")]));
  await cluster.create("clusterroles", part("a", [rule("a"), rule("both")]));
  await cluster.create("clusterroles", part("c", [rule("c")], {}));
  await expect.poll(() => rulesOf("all")).toEqual([rule("a"), rule("both"), rule("b")]);

  await cluster.client.patch("clusterroles", { name: "c" }, { metadata: { labels: { part: "yes" } } });
  await expect.poll(() => rulesOf("all")).toEqual([rule("a"), rule("both"), rule("b"), rule("c")]);
  await cluster.client.patch("clusterroles", { name: "b" }, { rules: [rule("d")] });
  await cluster.client.delete("clusterroles", { name: "a" });
  await expect.poll(() => rulesOf("all")).toEqual([rule("d"), rule("c")]);

  const { managedFields } = (await cluster.client.get("clusterroles", { name: "all" })).metadata;
  expect(managedFields?.map(({ manager, operation }) => [manager, operation])).toContainEqual([
    "clusterrole-aggregation-controller",
    "Apply",
  ]);
});

it("gathers through roles that are aggregated themselves, and lets two that select each other rest", async () => {
  cluster = await startControlled();
  const aggregate = (name: string, label: string, own: Record<string, string>) =>
    cluster.create("clusterroles", {
      metadata: { name, labels: own },
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [label]: "yes" } }] },
      rules: [],
    });
  await aggregate("one", "first", { second: "yes" });
  await aggregate("two", "second", { first: "yes" });
  await cluster.create("clusterroles", part("x", [rule("x")], { first: "yes" }));
  await expect.poll(() => rulesOf("two")).toEqual([rule("x")]);
  await cluster.settled();
  expect(await rulesOf("one")).toEqual([rule("x")]);
});

it("brings what is added to view into edit and admin, and writes nothing where all is well", async () => {
  cluster = await startControlled();
  await cluster.settled();
  const view = await cluster.client.get("clusterroles", { name: "view" });
  expect(view.rules?.length).toBeGreaterThan(5);
  await cluster.create(
    "clusterroles",
    part("crons", [rule("crons")], { "rbac.authorization.k8s.io/aggregate-to-view": "true" }),
  );
  for (const name of ["view", "edit", "admin"]) await expect.poll(() => rulesOf(name)).toContainEqual(rule("crons"));
  const before = await cluster.client.get("clusterroles", { name: "admin" });
  await cluster.stop();
  await cluster.restart();
  await cluster.settled();
  expect((await cluster.client.get("clusterroles", { name: "admin" })).metadata.resourceVersion).toBe(
    before.metadata.resourceVersion,
  );
});
