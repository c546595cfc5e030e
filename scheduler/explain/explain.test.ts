/** Explain: what the API server says when it is asked why a Pod has no node, with the real scheduler behind it. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { nodeDraft, podDraft, requesting, type Scheduled, startScheduled } from "../../e2e/harness/scheduled.ts";
import type { Kinds, PodSpec } from "../../machinery/objects/kinds.ts";
import type { SchedulingExplanation } from "../../machinery/objects/scheduling.ts";
import type { Draft } from "../../machinery/objects/wire.ts";
import { silent } from "../../machinery/process/logging.ts";
import { runScheduler, SCHEDULER_USER } from "../scheduler.ts";

let cluster: Scheduled;
afterEach(() => cluster?.close());

const why = async (name: string) =>
  (await cluster.pipeline.send({ path: `/k8ts/v1/why/api/v1/namespaces/default/pods/${name}` }))
    .value as SchedulingExplanation;

/** What is said of a Pod that was tried and fits nowhere. */
async function refusedPod(
  spec: Partial<PodSpec>,
  nodes: readonly Draft<Kinds["nodes"]>[],
): Promise<SchedulingExplanation> {
  cluster = await startScheduled(...nodes);
  cluster.run();
  await cluster.client.create("pods", podDraft("asked", spec));
  await vi.waitFor(async () => expect((await cluster.condition("asked"))?.status).toBe("False"));
  return why("asked");
}

const tainted = (name: string, key: string): Draft<Kinds["nodes"]> => ({
  ...nodeDraft(name),
  spec: { taints: [{ key, value: "yes", effect: "NoSchedule" }] },
});

describe("a Pod that fits nowhere", () => {
  const cases: readonly {
    readonly name: string;
    readonly spec: Partial<PodSpec>;
    readonly nodes: readonly Draft<Kinds["nodes"]>[];
    readonly first: { readonly node: string; readonly steps: readonly string[] };
  }[] = [
    {
      name: "asks for too much: the node with the most room needs the least",
      spec: requesting("3"),
      nodes: [nodeDraft("small", "1"), nodeDraft("large", "2500m")],
      first: {
        node: "large",
        steps: ["lower the cpu request from 3 to 2500m, or free 500m: large has 2500m of 2500m free"],
      },
    },
    {
      name: "a taint",
      spec: {},
      nodes: [tainted("a", "dedicated")],
      first: { node: "a", steps: ["tolerate the taint dedicated=yes:NoSchedule"] },
    },
    {
      name: "two plugins refuse: both are told",
      spec: { ...requesting("2"), nodeSelector: { disk: "ssd" } },
      nodes: [nodeDraft("a", "1", { disk: "hdd" })],
      first: {
        node: "a",
        steps: [
          "label the node (kubectl label node a disk=ssd --overwrite) or change nodeSelector: it has disk=hdd",
          "lower the cpu request from 2 to 1, or free 1: a has 1 of 1 free",
        ],
      },
    },
    {
      name: "a closed node",
      spec: {},
      nodes: [{ ...nodeDraft("a"), spec: { unschedulable: true } }],
      first: { node: "a", steps: ["open the node again: kubectl uncordon a"] },
    },
    {
      name: "spread too strictly",
      spec: {
        topologySpreadConstraints: [
          { maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule", labelSelector: {} },
        ],
      },
      nodes: [nodeDraft("a")],
      first: { node: "a", steps: ["label a with its zone"] },
    },
  ];

  test.each(cases)("$name", async ({ spec, nodes, first }) => {
    const { changes, now, attempts } = await refusedPod(spec, nodes);
    expect(changes[0]).toMatchObject(first);
    expect(now?.fitting).toBe(0);
    expect(now?.verdicts).toHaveLength(nodes.length);
    expect(attempts.at(-1)?.message).toMatch(/^0\/\d nodes are available/);
  });

  test("every change but what cannot be tried is checked by the plugins", async () => {
    const { changes } = await refusedPod(requesting("3"), [nodeDraft("a"), tainted("b", "dedicated")]);
    expect(changes.map(({ node, checked }) => [node, checked])).toEqual([
      ["a", true],
      ["b", true],
    ]);
  });

  test("no node at all", async () => {
    const { changes } = await refusedPod({}, []);
    expect(changes).toEqual([{ steps: ["add a node: there is none"], checked: false }]);
  });
});

test("a Pod that was placed: the scores of the nodes that it could have", async () => {
  cluster = await startScheduled(nodeDraft("a", "1"), nodeDraft("b", "8"));
  cluster.run();
  await cluster.client.create("pods", podDraft("asked", requesting("500m")));
  await vi.waitFor(async () => expect(await cluster.nodeOf("asked")).toBe("b"));
  const [attempt] = (await why("asked")).attempts;
  expect(attempt).toMatchObject({ node: "b", nodes: 2, fitting: 2, refusals: [] });
  expect(attempt?.verdicts.map(({ node }) => node)).toEqual(["b", "a"]);
  expect(attempt?.verdicts[0]?.scores).toHaveProperty("NodeResourcesFit");
});

test("a scheduler in a process of its own is asked through the server", async () => {
  cluster = await startScheduled(nodeDraft("a", "1"));
  const stop = new AbortController();
  const { clock } = cluster.pipeline;
  const client = cluster.pipeline.client(SCHEDULER_USER, []);
  const over = runScheduler({ client, clock, log: silent, signal: stop.signal, leadership: "none", answers: true });
  await cluster.client.create("pods", podDraft("asked", requesting("2")));
  await vi.waitFor(async () => expect((await cluster.condition("asked"))?.status).toBe("False"));
  expect((await why("asked")).changes).toMatchObject([{ node: "a", checked: true }]);
  stop.abort();
  await over;
});

test("nobody to ask: nothing is known, at once", async () => {
  cluster = await startScheduled();
  await cluster.client.create("pods", podDraft("asked"));
  expect(await why("asked")).toMatchObject({ scheduler: "default-scheduler", attempts: [], changes: [] });
});

test("who may not read the Pod may not ask", async () => {
  cluster = await startScheduled();
  await cluster.client.create("pods", podDraft("asked"));
  const path = "/k8ts/v1/why/api/v1/namespaces/default/pods/asked";
  expect((await cluster.pipeline.send({ path, user: "someone", groups: [] })).status).toBe(403);
  const questions = { path: "/k8ts/v1/scheduling/questions", user: "someone", groups: ["system:authenticated"] };
  expect((await cluster.pipeline.send(questions)).status).toBe(403);
});
