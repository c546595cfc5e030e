/** Jobs against the real API server: how they end, and that each end is counted once. */
import { afterEach, describe, expect, it } from "vitest";
import { type Controlled, type ControlledOptions, startControlled } from "../e2e/harness/controlled.ts";
import type { Job } from "../machinery/objects/kinds.ts";
import { systemClock } from "../machinery/process/clock.ts";

let cluster: Controlled;
afterEach(() => cluster.close());

const start = async (options?: ControlledOptions) => {
  cluster = await startControlled(options);
};
const ref = { namespace: "default", name: "work" };

const createJob = (spec: Partial<NonNullable<Job["spec"]>> = {}, restartPolicy = "Never") =>
  cluster.create("jobs", {
    metadata: { ...ref },
    spec: { template: { spec: { restartPolicy, containers: [{ name: "c", image: "a:1" }] } }, ...spec },
  });
const job = () => cluster.client.get("jobs", ref);
const conditions = async () =>
  (await job()).status?.conditions
    ?.filter(({ status }) => status === "True")
    .map(({ type, reason }) => `${type} ${reason}`);
const eventually = (check: () => Promise<void>, timeout = 3_000) =>
  expect.poll(() => check().then(() => true), { timeout }).toBe(true);

describe("a Job", () => {
  it("completes when its Pod has succeeded, and says so as Kubernetes does", async () => {
    await start();
    cluster.nodes.ends = () => "Succeeded";
    await createJob();
    await cluster.settled();
    const { status, spec } = await job();
    expect(status).toMatchObject({ succeeded: 1, ready: 0, terminating: 0, uncountedTerminatedPods: {} });
    expect(status?.active).toBeUndefined();
    expect(status?.completionTime).toBeDefined();
    expect(await conditions()).toEqual(["SuccessCriteriaMet CompletionsReached", "Complete CompletionsReached"]);
    const [pod] = await cluster.list("pods");
    expect(pod?.metadata.finalizers ?? []).toEqual([]);
    expect(pod?.metadata.labels).toMatchObject({
      "batch.kubernetes.io/job-name": "work",
      "batch.kubernetes.io/controller-uid": spec?.selector?.matchLabels?.["batch.kubernetes.io/controller-uid"],
    });
    expect(await cluster.events("work")).toEqual([
      `Normal SuccessfulCreate Created pod: ${pod?.metadata.name}`,
      "Normal Completed Job completed",
    ]);
  });

  it("completes also where the clock was set back meanwhile", async () => {
    let back = 0;
    await start({ clock: { ...systemClock, now: () => systemClock.now() - back } });
    await createJob();
    await cluster.settled();
    back = 3_600_000;
    cluster.nodes.ends = () => "Succeeded";
    const [pod] = await cluster.list("pods");
    const { name = "" } = pod?.metadata ?? {};
    await cluster.client.patch("pods", { ...ref, name }, { metadata: { labels: { touched: "yes" } } });
    await cluster.settled();
    expect(await conditions()).toContain("Complete CompletionsReached");
    expect((await job()).status?.completionTime).toBe((await job()).status?.startTime);
  });

  it("runs as many at a time as parallelism says, until completions are reached", async () => {
    await start();
    let most = 0;
    cluster.nodes.onChange = (pods) => {
      most = Math.max(most, pods.filter(({ status }) => status?.phase !== "Succeeded").length);
    };
    cluster.nodes.ends = () => "Succeeded";
    await createJob({ completions: 7, parallelism: 3 });
    await cluster.settled();
    expect((await job()).status?.succeeded).toBe(7);
    expect(await cluster.list("pods")).toHaveLength(7);
    expect(most).toBeLessThanOrEqual(3);
  });

  it("fails when it has failed more often than backoffLimit allows", async () => {
    await start();
    cluster.nodes.ends = () => "Failed";
    await createJob({ backoffLimit: 0 });
    await cluster.settled();
    expect((await job()).status).toMatchObject({ failed: 1 });
    expect(await conditions()).toEqual(["FailureTarget BackoffLimitExceeded", "Failed BackoffLimitExceeded"]);
    expect(await cluster.events("work")).toContain(
      "Warning BackoffLimitExceeded Job has reached the specified backoff limit",
    );
    expect(await cluster.list("pods")).toHaveLength(1);
  });

  it("waits before it tries again after a failure", async () => {
    await start();
    cluster.nodes.ends = () => "Failed";
    await createJob({ backoffLimit: 3 });
    await cluster.settled();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await cluster.list("pods")).toHaveLength(1);
    expect((await job()).status).toMatchObject({ failed: 1 });
  });

  it("fails at its deadline and stops what runs", async () => {
    await start();
    await createJob({ activeDeadlineSeconds: 1, parallelism: 2 });
    await eventually(async () => expect(await conditions()).toContain("Failed DeadlineExceeded"), 5_000);
    await cluster.settled();
    expect(await cluster.list("pods")).toEqual([]);
  });

  it("gives each Pod an index where it is indexed", async () => {
    await start();
    cluster.nodes.ends = ({ metadata }) =>
      metadata.labels?.["batch.kubernetes.io/job-completion-index"] === "1" ? undefined : "Succeeded";
    await createJob({ completions: 4, parallelism: 4, completionMode: "Indexed" });
    await cluster.settled();
    expect((await job()).status).toMatchObject({ completedIndexes: "0,2,3", succeeded: 3, active: 1 });
    const pods = [...(await cluster.list("pods"))].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    expect(pods.map(({ spec }) => spec?.hostname)).toEqual(["work-0", "work-1", "work-2", "work-3"]);
    expect(pods[1]?.metadata.name).toMatch(/^work-1-[a-z0-9]{5}$/);
    expect(pods[1]?.spec?.containers[0]?.env).toEqual([
      {
        name: "JOB_COMPLETION_INDEX",
        valueFrom: {
          fieldRef: { apiVersion: "v1", fieldPath: "metadata.labels['batch.kubernetes.io/job-completion-index']" },
        },
      },
    ]);
  });

  it("lets its Pods go while suspended, without counting them, and starts again", async () => {
    await start();
    await createJob({ parallelism: 2, completions: 2 });
    await cluster.settled();
    await cluster.client.patch("jobs", ref, { spec: { suspend: true } });
    await cluster.settled();
    expect(await cluster.list("pods")).toEqual([]);
    expect((await job()).status?.failed).toBeUndefined();
    expect((await job()).status?.startTime).toBeDefined();
    expect(await conditions()).toEqual(["Suspended JobSuspended"]);
    cluster.nodes.ends = () => "Succeeded";
    await cluster.client.patch("jobs", ref, { spec: { suspend: false } });
    await cluster.settled();
    expect(await conditions()).toEqual(["SuccessCriteriaMet CompletionsReached", "Complete CompletionsReached"]);
    const events = await cluster.events("work");
    expect(events).toContain("Normal Suspended Job suspended");
    expect(events).toContain("Normal Resumed Job resumed");
  });

  it("counts each end once, however often the controllers are killed", async () => {
    await start();
    cluster.nodes.ends = () => "Succeeded";
    await createJob({ completions: 10, parallelism: 2 });
    for (let turns = 0; turns < 15; turns++) {
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      await cluster.stop();
      await cluster.restart();
    }
    await cluster.settled();
    expect((await job()).status?.succeeded).toBe(10);
    expect(await cluster.list("pods")).toHaveLength(10);
    expect(await conditions()).toContain("Complete CompletionsReached");
  });

  it("makes no Pod too many while its caches lag", async () => {
    await start({
      between: (transport) => ({
        ...transport,
        async *watch(request) {
          const late = request.path.endsWith("/pods") ? 30 : request.path.endsWith("/jobs") ? 45 : 0;
          for await (const batch of transport.watch(request)) {
            if (late) await new Promise((resolve) => setTimeout(resolve, late));
            yield batch;
          }
        },
      }),
    });
    cluster.nodes.ends = () => "Succeeded";
    await createJob({ completions: 4, parallelism: 2 });
    await eventually(async () => expect(await conditions()).toContain("Complete CompletionsReached"), 8_000);
    expect(await cluster.list("pods")).toHaveLength(4);
    expect((await job()).status?.succeeded).toBe(4);
  });

  it("goes with its Pods some time after it finished", async () => {
    await start();
    cluster.nodes.ends = () => "Succeeded";
    await createJob({ ttlSecondsAfterFinished: 3 });
    await cluster.settled();
    expect(await cluster.list("jobs")).toHaveLength(1);
    await eventually(async () => expect(await cluster.list("jobs")).toEqual([]), 15_000);
    await cluster.settled();
    expect(await cluster.list("pods")).toEqual([]);
  });

  it("leaves no held Pod behind when it is deleted while it runs", async () => {
    await start();
    await createJob({ parallelism: 3 });
    await cluster.settled();
    await cluster.client.delete("jobs", ref, { propagation: "Background" });
    await eventually(async () => expect(await cluster.list("pods")).toEqual([]));
    await createJob({ parallelism: 2 });
    await cluster.settled();
    await cluster.client.delete("jobs", ref, { propagation: "Foreground" });
    await eventually(async () =>
      expect([...(await cluster.list("pods")), ...(await cluster.list("jobs"))]).toEqual([]),
    );
  });
});
