/** Indexed Jobs against the real API server: enough is enough, growing and shrinking, one Pod an index. */
import { afterEach, describe, expect, it } from "vitest";
import { type Controlled, type ControlledOptions, startControlled } from "../e2e/harness/controlled.ts";
import { WORK as ref, workIn } from "../e2e/harness/jobs.ts";
import type { Job } from "../machinery/objects/kinds.ts";
import { formatIndexes, indexOf } from "./job-indexes.ts";
import { draftPod, podNamePrefix } from "./job-pods.ts";

let cluster: Controlled;
afterEach(() => cluster.close());
const start = async (options: ControlledOptions = {}) => {
  cluster = await startControlled(options);
};

const { create, job, status, conditions } = workIn(() => cluster);
const createJob = (spec: Partial<NonNullable<Job["spec"]>>) =>
  create({ completionMode: "Indexed", completions: 4, parallelism: 4, ...spec });
const running = async () =>
  (await cluster.list("pods"))
    .filter((pod) => pod.status?.phase === "Running" && !pod.metadata.deletionTimestamp)
    .map(indexOf)
    .sort();
const succeeding = (...indexes: number[]) => {
  cluster.nodes.ends = (pod) => (indexes.includes(indexOf(pod) ?? -1) ? "Succeeded" : undefined);
};
let touches = 0;
const touch = async () => {
  const labels = { touched: String(++touches) };
  for (const { metadata } of await cluster.list("pods"))
    await cluster.client.patch("pods", { ...ref, name: metadata.name }, { metadata: { labels } });
  await cluster.settled();
};

describe("a policy for success", () => {
  it.each<[object[], number[], string | undefined]>([
    [[{ succeededIndexes: "1,3" }], [1, 3], "Matched rules at index 0"],
    [[{ succeededIndexes: "1,3" }], [0, 1, 2], undefined],
    [[{ succeededCount: 2 }], [0, 2], "Matched rules at index 0"],
    [[{ succeededCount: 3 }], [0, 2], undefined],
    [[{ succeededIndexes: "0-2", succeededCount: 2 }], [1, 2], "Matched rules at index 0"],
    [[{ succeededIndexes: "0-2", succeededCount: 2 }], [2, 3], undefined],
    [[{ succeededIndexes: "0" }, { succeededCount: 1 }], [3], "Matched rules at index 1"],
  ])("%j with %j done says %s", async (rules, done, met) => {
    await start();
    succeeding(...done);
    await createJob({ successPolicy: { rules } });
    const expected = met ? [`SuccessCriteriaMet SuccessPolicy: ${met}`, `Complete SuccessPolicy: ${met}`] : [];
    expect(await conditions()).toEqual(expected);
    expect(await running()).toHaveLength(met ? 0 : 4 - done.length);
    expect(await status()).toMatchObject({
      succeeded: done.length,
      completedIndexes: formatIndexes(done),
      terminating: 0,
    });
    expect((await status())?.failed).toBeUndefined();
    if (met) expect((await status())?.completionTime).toBeDefined();
  });

  it("is not met before the Pods that it stops have ended", async () => {
    await start();
    cluster.nodes.terminates = () => false;
    succeeding(0);
    await createJob({ successPolicy: { rules: [{ succeededCount: 1 }] } });
    expect(await conditions()).toEqual(["SuccessCriteriaMet SuccessPolicy: Matched rules at index 0"]);
    expect(await status()).toMatchObject({ terminating: 3, succeeded: 1 });
    cluster.nodes.terminates = () => true;
    await touch();
    expect((await conditions()).at(-1)).toBe("Complete SuccessPolicy: Matched rules at index 0");
  });
});

describe("an Indexed Job", () => {
  it("grows and shrinks, with its highest indexes first to go, and forgets what they did", async () => {
    await start();
    await createJob({});
    expect(await running()).toEqual([0, 1, 2, 3]);
    await cluster.client.patch("jobs", ref, { spec: { completions: 6, parallelism: 6 } });
    await cluster.settled();
    expect(await running()).toEqual([0, 1, 2, 3, 4, 5]);
    succeeding(0, 5);
    await touch();
    expect(await status()).toMatchObject({ succeeded: 2, completedIndexes: "0,5", active: 4 });
    await cluster.client.patch("jobs", ref, { spec: { completions: 3, parallelism: 3 } });
    await cluster.settled();
    expect(await running()).toEqual([1, 2]);
    expect(await status()).toMatchObject({ succeeded: 1, completedIndexes: "0", active: 2 });
    expect((await status())?.failed).toBeUndefined();
    succeeding(1, 2);
    await touch();
    expect((await conditions()).at(-1)).toBe("Complete CompletionsReached: Reached expected number of succeeded pods");
  });

  it("keeps one Pod of an index that has two, and none without an index", async () => {
    await start();
    await createJob({ completions: 2, parallelism: 2 });
    await cluster.stop();
    const { finalizers: _finalizers, ...metadata } = draftPod(await job(), 1, "work-1-other").metadata;
    const { spec } = draftPod(await job(), 1, "work-1-other");
    await cluster.create("pods", { metadata, spec: spec! });
    const { annotations: _annotations, ...bare } = { ...metadata, name: "work-none" };
    const labels = Object.fromEntries(Object.entries(bare.labels ?? {}).filter(([key]) => !key.includes("index")));
    await cluster.create("pods", { metadata: { ...bare, labels }, spec: spec! });
    await cluster.restart();
    await cluster.settled();
    expect(await running()).toEqual([0, 1]);
    expect((await status())?.failed).toBeUndefined();
  });

  it("never runs an index again that is done, whatever lags", async () => {
    const done = new Set<number>();
    const again: number[] = [];
    let lag = 0;
    await start({
      between: (transport) => ({
        ...transport,
        async *watch(request) {
          for await (const batch of transport.watch(request)) {
            lag = (lag * 7 + 3) % 31;
            await new Promise((resolve) => setTimeout(resolve, lag));
            yield batch;
          }
        },
      }),
    });
    cluster.nodes.ends = (pod) => {
      done.add(indexOf(pod) ?? -1);
      return "Succeeded";
    };
    const seen = new Set<string>();
    cluster.nodes.onChange = (pods) => {
      for (const pod of pods) {
        const { uid } = pod.metadata;
        if (!seen.has(uid) && done.has(indexOf(pod) ?? -1)) again.push(indexOf(pod) ?? -1);
        seen.add(uid);
      }
    };
    await createJob({ completions: 25, parallelism: 7 });
    await expect.poll(conditions, { timeout: 15_000 }).toHaveLength(2);
    expect(again).toEqual([]);
    expect(seen.size).toBe(25);
  });

  it("names its Pods so that a long name loses no index", () => {
    const long = { metadata: { name: "x".repeat(63) } } as Job;
    expect(podNamePrefix(long, 12)).toBe(`${"x".repeat(54)}-12-`);
    expect(podNamePrefix(long, undefined)).toBe(`${"x".repeat(57)}-`);
  });
});

describe("a Job in other hands", () => {
  it("is left alone, with its Pods", async () => {
    await start();
    await createJob({ managedBy: "example.com/queue" });
    expect(await cluster.list("pods")).toEqual([]);
    expect(await status()).toEqual({});
  });
});
