/** Eviction through the whole pipeline: what budgets let go, what they refuse and in which words. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import type { Pod, PodDisruptionBudget } from "../../machinery/objects/kinds.ts";

let pipeline: Pipeline;
let count = 0;
let app: string;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());
beforeEach(() => {
  app = `app-${++count}`;
});

const client = () => pipeline.client();
const ref = (name: string) => ({ namespace: "default", name: `${app}-${name}` });

async function pod(name: string, status: Pod["status"] = {}): Promise<Pod> {
  const made = await client().create("pods", {
    metadata: { ...ref(name), labels: { app } },
    spec: { nodeName: "n1", containers: [{ name: "c", image: "a:1" }] },
  });
  return client().updateStatus("pods", { ...made, status: { phase: "Running", ...status } });
}
const ready = { conditions: [{ type: "Ready", status: "True" }] };
const unready = { conditions: [{ type: "Ready", status: "False" }] };

async function budget(status: Partial<NonNullable<PodDisruptionBudget["status"]>>, spec: object = {}) {
  const made = await client().create("poddisruptionbudgets", {
    metadata: ref("budget"),
    spec: { minAvailable: 1, selector: { matchLabels: { app } }, ...spec },
  });
  const { generation = 1 } = made.metadata;
  const counts = { disruptionsAllowed: 0, currentHealthy: 2, desiredHealthy: 1, expectedPods: 2 };
  await client().updateStatus("poddisruptionbudgets", {
    ...made,
    status: { observedGeneration: generation, ...counts, ...status },
  });
}
const budgetStatus = async () => (await client().get("poddisruptionbudgets", ref("budget"))).status;

const evict = async (name: string, deleteOptions?: object, query = "") => {
  const path = `/api/v1/namespaces/default/pods/${app}-${name}/eviction${query}`;
  const body = {
    apiVersion: "policy/v1",
    kind: "Eviction",
    metadata: ref(name),
    ...(deleteOptions ? { deleteOptions } : {}),
  };
  const { status, value, headers } = await pipeline.send({ method: "POST", path, body });
  return { status, value: value as { message?: string; details?: { causes?: { message: string }[] } }, headers };
};
const why = ({ status, value }: Awaited<ReturnType<typeof evict>>) => [status, value.details?.causes?.[0]?.message];
const find = (name: string) => client().find("pods", ref(name));

describe("an eviction", () => {
  test("takes one from the budget, leaves the Pod's name there, and marks the Pod", async () => {
    await pod("a", ready);
    await budget({ disruptionsAllowed: 1 });
    expect((await evict("a")).status).toBe(201);
    const gone = await find("a");
    expect(gone?.metadata.deletionTimestamp).toBeDefined();
    expect(gone?.status?.conditions?.at(-1)).toMatchObject({
      type: "DisruptionTarget",
      status: "True",
      reason: "EvictionByEvictionAPI",
      message: "Eviction API: evicting",
    });
    const status = await budgetStatus();
    expect(status).toMatchObject({ disruptionsAllowed: 0, disruptedPods: { [`${app}-a`]: expect.any(String) } });
    expect(status?.conditions).toMatchObject([
      { type: "DisruptionAllowed", status: "False", reason: "InsufficientPods", observedGeneration: 1 },
    ]);
  });

  test("is refused where the budget has none left, without a time to come again", async () => {
    await pod("a", ready);
    await budget({});
    const answer = await evict("a");
    expect(why(answer)).toEqual([429, `The disruption budget ${app}-budget needs 1 healthy pods and has 2 currently`]);
    expect(answer.value.message).toBe("Cannot evict pod as it would violate the pod's disruption budget.");
    expect(answer.headers["retry-after"]).toBeUndefined();
    expect((await find("a"))?.status?.conditions).toHaveLength(1);
  });

  test("is refused while the controller has not seen the budget", async () => {
    await pod("a", ready);
    await budget({ disruptionsAllowed: 1, observedGeneration: 0 });
    const answer = await evict("a");
    expect(why(answer)).toEqual([429, `The disruption budget ${app}-budget is still being processed by the server.`]);
    expect(answer.headers["retry-after"]).toBe("10");
  });

  test("is refused with the reason for which the budget could not be reckoned", async () => {
    await pod("a", ready);
    const condition = {
      type: "DisruptionAllowed",
      status: "False",
      reason: "SyncFailed",
      message: "found no controllers",
    };
    await budget({ conditions: [{ ...condition, lastTransitionTime: "2026-01-01T00:00:00Z" }] });
    expect(why(await evict("a"))[1]).toBe(
      `The disruption budget ${app}-budget does not allow evicting pods currently because it failed sync: found no controllers`,
    );
  });

  test("of many at a time lets no more go than allowed", async () => {
    const names = ["a", "b", "c", "d", "e"];
    for (const name of names) await pod(name, ready);
    await budget({ disruptionsAllowed: 2 });
    const answers = await Promise.all(names.map((name) => evict(name)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 429, 429, 429]);
    expect(Object.keys((await budgetStatus())?.disruptedPods ?? {})).toHaveLength(2);
  });

  test("of a Pod of two budgets is an error", async () => {
    await pod("a", ready);
    await budget({ disruptionsAllowed: 1 });
    await client().create("poddisruptionbudgets", {
      metadata: ref("other"),
      spec: { selector: { matchLabels: { app } } },
    });
    const { status, value } = await evict("a");
    expect([status, value.message]).toEqual([
      500,
      "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    ]);
  });

  test.each([
    ["a Pod that is pending", { phase: "Pending" }],
    ["a Pod that has failed", { phase: "Failed" }],
    ["a Pod that has succeeded", { phase: "Succeeded" }],
  ])("of %s asks no budget", async (_what, status) => {
    await pod("a", status);
    await budget({});
    expect((await evict("a", { gracePeriodSeconds: 0 })).status).toBe(201);
    expect(await find("a")).toBeUndefined();
    expect((await budgetStatus())?.disruptedPods).toBeUndefined();
  });

  test.each([
    ["enough others are well", { currentHealthy: 2, desiredHealthy: 1 }, undefined, 201],
    ["too few others are well", { currentHealthy: 1, desiredHealthy: 2 }, undefined, 429],
    ["none need be well", { currentHealthy: 0, desiredHealthy: 0 }, undefined, 429],
    ["too few others are well, by IfHealthyBudget", { currentHealthy: 1, desiredHealthy: 2 }, "IfHealthyBudget", 429],
    ["too few others are well, by AlwaysAllow", { currentHealthy: 1, desiredHealthy: 2 }, "AlwaysAllow", 201],
  ])("of a Pod that is not well, where %s (%j, %s), answers %s", async (_what, counts, policy, expected) => {
    await pod("a", unready);
    await budget(counts, policy ? { unhealthyPodEvictionPolicy: policy } : {});
    expect((await evict("a")).status).toBe(expected);
    expect((await budgetStatus())?.disruptionsAllowed).toBe(0);
  });

  test("that is a rehearsal changes nothing", async () => {
    await pod("a", ready);
    await budget({ disruptionsAllowed: 1 });
    expect((await evict("a", undefined, "?dryRun=All")).status).toBe(201);
    expect((await evict("a", { dryRun: ["All"] })).status).toBe(201);
    expect((await find("a"))?.metadata.deletionTimestamp).toBeUndefined();
    expect((await find("a"))?.status?.conditions).toHaveLength(1);
    expect((await budgetStatus())?.disruptionsAllowed).toBe(1);
  });

  test("is understood in the version that older clients send", async () => {
    await pod("a", ready);
    const path = `/api/v1/namespaces/default/pods/${app}-a/eviction`;
    const body = { apiVersion: "policy/v1beta1", kind: "Eviction", metadata: ref("a") };
    expect((await pipeline.send({ method: "POST", path, body })).status).toBe(201);
    const other = { ...body, apiVersion: "policy/v2" };
    expect((await pipeline.send({ method: "POST", path, body: other })).status).toBe(400);
  });

  test("of a version that is not the Pod's any more is a conflict", async () => {
    const { metadata } = await pod("a", { phase: "Pending" });
    expect((await evict("a", { preconditions: { resourceVersion: "1" } })).status).toBe(409);
    expect((await evict("a", { preconditions: { uid: "other" } })).status).toBe(409);
    expect((await evict("a", { preconditions: { resourceVersion: metadata.resourceVersion } })).status).toBe(201);
  });
});
