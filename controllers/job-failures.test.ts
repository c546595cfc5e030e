/** Failures of Jobs against the real API server under virtual time: which count, for what, and what they end. */
import { afterEach, describe, expect, it } from "vitest";
import { type Controlled, type ControlledOptions, startControlled } from "../e2e/harness/controlled.ts";
import { WORK as ref, workIn } from "../e2e/harness/jobs.ts";
import type { Job, Pod } from "../machinery/objects/kinds.ts";
import { type FakeClock, fakeClock } from "../machinery/process/fake-clock.ts";
import { indexOf } from "./job-indexes.ts";
import { verdictOn } from "./job-policies.ts";

type Spec = NonNullable<Job["spec"]>;

let cluster: Controlled;
let clock: FakeClock;
afterEach(() => cluster.close());
const start = async (options: ControlledOptions = {}) => {
  clock = fakeClock();
  cluster = await startControlled({ clock, nodeMonitorGraceMs: 3_600_000, ...options });
};
const pass = async (ms: number) => {
  await clock.advance(ms);
  await cluster.settled();
};

const { create: createJob, status, conditions } = workIn(() => cluster);
const pods = async () =>
  [...(await cluster.list("pods"))].sort((a, b) =>
    a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp),
  );
const exit = (exitCode: number, name = "main"): Partial<NonNullable<Pod["status"]>> => ({
  containerStatuses: [
    { name, image: "a:1", imageID: "", ready: false, restartCount: 0, state: { terminated: { exitCode } } },
  ],
});
const held = async () => (await pods()).filter(({ metadata }) => metadata.finalizers?.length).length;

describe("a rule for failures", () => {
  const on = (rules: NonNullable<Spec["podFailurePolicy"]>["rules"], podStatus: Pod["status"]) =>
    verdictOn(
      { spec: { podFailurePolicy: { rules } } } as Job,
      {
        metadata: { namespace: "default", name: "p" },
        status: podStatus,
      } as Pod,
    );
  const codes = (operator: string, values: number[], containerName?: string) => ({
    onExitCodes: { operator, values, ...(containerName ? { containerName } : {}) },
  });
  it.each([
    ["no rule counts", [], exit(1), { action: "Count" }],
    ["a code in the list", [{ action: "Ignore", ...codes("In", [1, 42]) }], exit(42), { action: "Ignore" }],
    ["a code not in the list", [{ action: "Ignore", ...codes("In", [1]) }], exit(42), { action: "Count" }],
    ["a code outside of it", [{ action: "FailIndex", ...codes("NotIn", [1]) }], exit(42), { action: "FailIndex" }],
    ["success is no failure", [{ action: "Ignore", ...codes("NotIn", [1]) }], exit(0), { action: "Count" }],
    [
      "another container's code",
      [{ action: "Ignore", ...codes("In", [42], "main") }],
      exit(42, "b"),
      { action: "Count" },
    ],
    [
      "the first rule that matches",
      [
        { action: "Count", ...codes("In", [42]) },
        { action: "Ignore", ...codes("In", [42]) },
      ],
      exit(42),
      { action: "Count" },
    ],
    [
      "a code that fails the Job",
      [
        { action: "Ignore", ...codes("In", [1]) },
        { action: "FailJob", ...codes("In", [42]) },
      ],
      exit(42),
      {
        action: "FailJob",
        message: "Container main for pod default/p failed with exit code 42 matching FailJob rule at index 1",
      },
    ],
    [
      "a condition",
      [{ action: "FailJob", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] }],
      { conditions: [{ type: "DisruptionTarget", status: "True" }] },
      { action: "FailJob", message: "Pod default/p has condition DisruptionTarget matching FailJob rule at index 0" },
    ],
    [
      "a condition of another status",
      [{ action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] }],
      { conditions: [{ type: "DisruptionTarget", status: "False" }] },
      { action: "Count" },
    ],
  ])("%s", async (_what, rules, podStatus, expected) => {
    await start({ stopped: true });
    expect(on(rules as never, podStatus as never)).toEqual(expected);
  });
});

describe("a Job with a policy for failures", () => {
  it("fails at once for what fails it, and lets the others go", async () => {
    await start();
    let first = "";
    cluster.nodes.ends = ({ metadata }) => {
      first ||= metadata.name;
      return metadata.name === first ? "Failed" : undefined;
    };
    cluster.nodes.tells = () => exit(42);
    const rule = { action: "FailJob", onExitCodes: { operator: "In", values: [42] } };
    await createJob({ parallelism: 3, completions: 3, podFailurePolicy: { rules: [rule] } });
    await pass(1_000);
    const why = `PodFailurePolicy: Container main for pod default/${first} failed with exit code 42 matching FailJob rule at index 0`;
    expect(await conditions()).toEqual([`FailureTarget ${why}`, `Failed ${why}`]);
    expect(await status()).toMatchObject({ failed: 3, terminating: 0, uncountedTerminatedPods: {} });
    expect(await cluster.events("work")).toContain(`Warning ${why.replace(":", "")}`);
    expect(await held()).toBe(0);
  });

  it("does not count what is ignored, and tries again after the usual wait", async () => {
    await start();
    cluster.nodes.ends = () => "Failed";
    cluster.nodes.tells = () => ({ conditions: [{ type: "DisruptionTarget", status: "True" }] });
    const rule = { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] };
    await createJob({ backoffLimit: 0, podFailurePolicy: { rules: [rule] } });
    expect(await pods()).toHaveLength(1);
    await pass(10_000);
    expect(await pods()).toHaveLength(2);
    expect((await status())?.failed).toBeUndefined();
    expect(await conditions()).toEqual([]);
    cluster.nodes.ends = () => "Succeeded";
    await pass(20_000);
    expect(await conditions()).toHaveLength(2);
    expect(await status()).toMatchObject({ succeeded: 1 });
  });

  it("waits for a Pod to end before it makes another", async () => {
    await start();
    cluster.nodes.terminates = () => false;
    await createJob({ podReplacementPolicy: "Failed" });
    const [pod] = await pods();
    await cluster.client.delete("pods", { namespace: "default", name: pod?.metadata.name ?? "" });
    await pass(30_000);
    expect(await pods()).toHaveLength(1);
    expect(await status()).toMatchObject({ terminating: 1 });
    const now = await cluster.client.get("pods", { namespace: "default", name: pod?.metadata.name ?? "" });
    await cluster.client.updateStatus("pods", { ...now, status: { ...now.status, phase: "Failed" } });
    await pass(60_000);
    expect(await status()).toMatchObject({ active: 1, failed: 1, terminating: 0 });
  });

  it("makes another at once where it need not wait", async () => {
    await start();
    cluster.nodes.terminates = () => false;
    await createJob({ podReplacementPolicy: "TerminatingOrFailed" });
    const [pod] = await pods();
    await cluster.client.delete("pods", { namespace: "default", name: pod?.metadata.name ?? "" });
    await pass(15_000);
    expect(await status()).toMatchObject({ active: 1, failed: 1, terminating: 1 });
  });
});

describe("a Job with a limit for each index", () => {
  const perIndex = (spec: Partial<Spec>): Partial<Spec> => ({
    completionMode: "Indexed",
    completions: 3,
    parallelism: 3,
    backoffLimitPerIndex: 1,
    ...spec,
  });
  const failing = (...indexes: number[]) => {
    cluster.nodes.ends = (pod) => (indexes.includes(indexOf(pod) ?? -1) ? "Failed" : "Succeeded");
  };
  const countsOf = async (index: number) =>
    (await pods())
      .filter((pod) => indexOf(pod) === index)
      .map(({ metadata }) => metadata.annotations?.["batch.kubernetes.io/job-index-failure-count"]);

  it("goes on with the others when one has failed too often, and fails in the end", async () => {
    await start();
    failing(1);
    await createJob(perIndex({}));
    expect(await status()).toMatchObject({ succeeded: 2, completedIndexes: "0,2", failedIndexes: "" });
    expect(await countsOf(1)).toEqual(["0"]);
    expect(await held()).toBe(1);
    await pass(10_000);
    expect(await countsOf(1)).toEqual(["0", "1"]);
    expect(await status()).toMatchObject({ succeeded: 2, failed: 2, completedIndexes: "0,2", failedIndexes: "1" });
    expect(await conditions()).toEqual([
      "FailureTarget FailedIndexes: Job has failed indexes",
      "Failed FailedIndexes: Job has failed indexes",
    ]);
    expect(await held()).toBe(0);
  });

  it("holds no failed Pod in a namespace that goes away", async () => {
    await start();
    failing(1);
    const namespace = "team";
    await cluster.create("namespaces", { metadata: { name: namespace } });
    const template = { spec: { restartPolicy: "Never", containers: [{ name: "main", image: "a:1" }] } };
    await cluster.create("jobs", {
      metadata: { ...ref, namespace },
      spec: { template, ...perIndex({ suspend: false }) },
    });
    await cluster.settled();
    await cluster.client.patch("jobs", { ...ref, namespace }, { spec: { suspend: true } });
    await cluster.settled();
    expect(await held()).toBe(1);
    await cluster.client.delete("namespaces", { name: namespace });
    await pass(60_000);
    await pass(60_000);
    expect(await cluster.client.find("namespaces", { name: namespace })).toBeUndefined();
  });

  it("fails when more indexes have failed than may", async () => {
    await start();
    cluster.nodes.ends = (pod) => ((indexOf(pod) ?? 0) < 2 ? "Failed" : undefined);
    await createJob(perIndex({ backoffLimitPerIndex: 0, maxFailedIndexes: 1, completions: 5, parallelism: 5 }));
    await pass(1_000);
    const why = "MaxFailedIndexesExceeded: Job has exceeded the specified maximal number of failed indexes";
    expect(await conditions()).toEqual([`FailureTarget ${why}`, `Failed ${why}`]);
    expect(await status()).toMatchObject({ failed: 5, failedIndexes: "0,1" });
  });

  it("fails an index at once for what fails it", async () => {
    await start();
    failing(0, 1);
    cluster.nodes.tells = (pod) => exit(indexOf(pod) === 0 ? 42 : 1);
    const rule = { action: "FailIndex", onExitCodes: { operator: "In", values: [42] } };
    await createJob(perIndex({ backoffLimitPerIndex: 5, podFailurePolicy: { rules: [rule] } }));
    expect(await status()).toMatchObject({ failedIndexes: "0", completedIndexes: "2" });
    await pass(10_000);
    expect(await countsOf(0)).toEqual(["0"]);
    expect(await countsOf(1)).toEqual(["0", "1"]);
  });

  it("remembers ignored failures for the wait, and does not count them", async () => {
    await start();
    failing(0);
    cluster.nodes.tells = () => exit(7);
    const rule = { action: "Ignore", onExitCodes: { operator: "In", values: [7] } };
    await createJob(perIndex({ backoffLimitPerIndex: 0, podFailurePolicy: { rules: [rule] } }));
    await pass(10_000);
    await pass(19_000);
    expect(await countsOf(0)).toEqual(["0", "0"]);
    await pass(1_500);
    expect(await countsOf(0)).toEqual(["0", "0", "0"]);
    expect((await pods()).at(-1)?.metadata.annotations).toMatchObject({
      "batch.kubernetes.io/job-index-ignored-failure-count": "2",
    });
    expect((await status())?.failedIndexes).toBe("");
  });

  it("counts each failure once and goes on where it was, however often the controllers are killed", async () => {
    await start();
    failing(1, 2);
    await createJob(perIndex({ backoffLimitPerIndex: 2 }));
    for (let turns = 0; turns < 24; turns++) {
      await cluster.restart().then(
        () => undefined,
        () => undefined,
      );
      for (let i = 0; i < turns % 7; i++) await clock.advance(1);
      await cluster.stop();
      await clock.advance(4_000);
    }
    await cluster.restart();
    await pass(60_000);
    expect(await status()).toMatchObject({ succeeded: 1, failed: 6, completedIndexes: "0", failedIndexes: "1,2" });
    expect(await countsOf(1)).toEqual(["0", "1", "2"]);
  });
});

describe("a Job whose restarts count", () => {
  it("fails when its containers were restarted too often", async () => {
    await start();
    await createJob({ backoffLimit: 3, parallelism: 2, completions: 2 }, "OnFailure");
    for (const pod of await pods()) {
      const [container] = exit(1).containerStatuses!;
      const restarted = { ...container!, state: {}, restartCount: 2 };
      await cluster.client.updateStatus("pods", { ...pod, status: { ...pod.status, containerStatuses: [restarted] } });
    }
    await pass(1_000);
    expect((await conditions()).at(-1)).toBe(
      "Failed BackoffLimitExceeded: Job has reached the specified backoff limit",
    );
  });
});

describe("the wait before the next Pod", () => {
  it("also follows Pods that somebody deleted, and grows with them", async () => {
    await start();
    await createJob({ podReplacementPolicy: "TerminatingOrFailed" });
    const deleteActive = async () => {
      const active = (await pods()).find(({ metadata }) => !metadata.deletionTimestamp);
      const { name = "" } = active?.metadata ?? {};
      await cluster.client.delete("pods", { namespace: "default", name }, { gracePeriodSeconds: 0 });
      await cluster.settled();
    };
    await deleteActive();
    expect(await pods()).toEqual([]);
    await pass(10_500);
    expect(await status()).toMatchObject({ active: 1, failed: 1 });
    await deleteActive();
    await pass(18_000);
    expect(await pods()).toEqual([]);
    await pass(3_000);
    expect(await status()).toMatchObject({ active: 1, failed: 2 });
  });

  it("does not follow Pods that were let go while the Job was suspended", async () => {
    await start();
    cluster.nodes.terminates = () => false;
    await createJob({ parallelism: 3, completions: 3 });
    await cluster.client.patch("jobs", ref, { spec: { suspend: true } });
    await pass(1_000);
    expect(await status()).toMatchObject({ terminating: 3 });
    await cluster.client.patch("jobs", ref, { spec: { suspend: false } });
    await pass(1_000);
    expect(await status()).toMatchObject({ active: 3, terminating: 3, startTime: "2026-01-01T00:00:01Z" });
    expect((await status())?.failed).toBeUndefined();
  });
});
