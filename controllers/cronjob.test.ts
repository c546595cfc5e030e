/** CronJobs against the real API server under virtual time: what is started when, and what is told of it. */
import { afterEach, describe, expect, it } from "vitest";
import { type Controlled, type ControlledOptions, startControlled } from "../e2e/harness/controlled.ts";
import type { CronJob, Job } from "../machinery/objects/kinds.ts";
import { ApiError } from "../machinery/objects/status.ts";
import { type FakeClock, fakeClock } from "../machinery/process/fake-clock.ts";
import { timesOf } from "./cronjob-times.ts";

const START = Date.UTC(2026, 0, 1, 12, 0, 30);
const MINUTE = 60_000;
const ref = { namespace: "default", name: "tick" };

let cluster: Controlled;
let clock: FakeClock;
afterEach(() => cluster.close());

const start = async (options: ControlledOptions = {}) => {
  clock = fakeClock(START);
  cluster = await startControlled({ clock, ...options });
};
const pass = async (ms: number) => {
  await clock.advance(ms);
  await cluster.settled();
};
const jobTemplate = {
  spec: { template: { spec: { restartPolicy: "Never", containers: [{ name: "c", image: "a:1" }] } } },
};
const createCronJob = async (spec: Partial<NonNullable<CronJob["spec"]>> = {}) => {
  await cluster.create("cronjobs", { metadata: ref, spec: { schedule: "*/5 * * * *", jobTemplate, ...spec } });
  await cluster.settled();
};
const cronJob = () => cluster.client.get("cronjobs", ref);
const jobs = async () => [...(await cluster.list("jobs"))].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
const names = async () => (await jobs()).map(({ metadata }) => metadata.name);
const named = (text: string) => `tick-${Date.parse(text) / MINUTE}`;
const active = async () => ((await cronJob()).status?.active ?? []).map(({ name }) => name);

describe("a CronJob", () => {
  it("starts a Job at its time, and says what became of it", async () => {
    await start();
    await createCronJob({ jobTemplate: { metadata: { labels: { a: "b" }, annotations: { c: "d" } }, ...jobTemplate } });
    await pass(4 * MINUTE);
    expect(await names()).toEqual([]);
    await pass(MINUTE);
    const [job] = await jobs();
    expect(job?.metadata).toMatchObject({
      name: named("2026-01-01T12:05:00Z"),
      labels: { a: "b" },
      annotations: { c: "d", "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-01-01T12:05:00Z" },
      ownerReferences: [
        { apiVersion: "batch/v1", kind: "CronJob", name: "tick", controller: true, blockOwnerDeletion: true },
      ],
    });
    expect((await cronJob()).status).toMatchObject({
      lastScheduleTime: "2026-01-01T12:05:00Z",
      active: [{ kind: "Job", apiVersion: "batch/v1", namespace: "default", name: job?.metadata.name }],
    });
    cluster.nodes.ends = () => "Succeeded";
    await cluster.client.patch("pods", await firstPod(), { metadata: { labels: { touched: "yes" } } });
    await pass(1_000);
    const { status } = await cronJob();
    expect(status?.active).toBeUndefined();
    expect(status?.lastSuccessfulTime).toBe((await jobs())[0]?.status?.completionTime);
    expect(await cluster.events("tick")).toEqual([
      `Normal SuccessfulCreate Created job ${job?.metadata.name}`,
      `Normal SawCompletedJob Saw completed job: ${job?.metadata.name}, condition: Complete`,
    ]);
  });

  it("runs by the clock of its time zone", async () => {
    await start();
    await createCronJob({ schedule: "0 14 * * *", timeZone: "Europe/Berlin" });
    await pass(60 * MINUTE);
    const [job] = await jobs();
    expect(job?.metadata.name).toBe(named("2026-01-01T13:00:00Z"));
    expect(job?.metadata.annotations?.["batch.kubernetes.io/cronjob-scheduled-timestamp"]).toBe(
      "2026-01-01T14:00:00+01:00",
    );
  });

  it("keeps as many ended Jobs as its history limits say", async () => {
    await start();
    cluster.nodes.ends = ({ metadata }) =>
      (Number(metadata.labels?.["job-name"]?.split("-")[1]) / 5) % 2 === 0 ? "Succeeded" : "Failed";
    const failing = { spec: { ...jobTemplate.spec, backoffLimit: 0 } };
    await createCronJob({ jobTemplate: failing, successfulJobsHistoryLimit: 2, failedJobsHistoryLimit: 1 });
    for (let i = 0; i < 9; i++) await pass(5 * MINUTE);
    const ends = (await jobs()).map(({ metadata, status }) => [metadata.name, status?.conditions?.at(-1)?.type]);
    expect(ends).toEqual([
      [named("2026-01-01T12:30:00Z"), "Complete"],
      [named("2026-01-01T12:40:00Z"), "Complete"],
      [named("2026-01-01T12:45:00Z"), "Failed"],
    ]);
    expect(await cluster.events("tick")).toContain(
      `Normal SuccessfulDelete Deleted job ${named("2026-01-01T12:05:00Z")}`,
    );
  });

  it.each([
    ["Allow", ["12:05", "12:10", "12:15"], ["12:05", "12:10", "12:15"], []],
    [
      "Forbid",
      ["12:05"],
      ["12:05"],
      ["Normal JobAlreadyActive Not starting job because prior execution is running and concurrency policy is Forbid"],
    ],
    ["Replace", ["12:15"], ["12:15"], [`Normal SuccessfulDelete Deleted job ${named("2026-01-01T12:10:00Z")}`]],
  ])("whose Jobs still run when the next is due, with %s, has %j", async (concurrencyPolicy, there, running, told) => {
    await start();
    await createCronJob({ concurrencyPolicy });
    for (let i = 0; i < 3; i++) await pass(5 * MINUTE);
    const at = (times: readonly string[]) => times.map((time) => named(`2026-01-01T${time}:00Z`));
    expect(await names()).toEqual(at(there));
    expect(await active()).toEqual(at(running));
    expect(await cluster.events("tick")).toEqual(expect.arrayContaining(told));
  });

  it("starts late what Forbid kept back, once the Job before has ended", async () => {
    await start();
    await createCronJob({ concurrencyPolicy: "Forbid" });
    await pass(5 * MINUTE);
    await pass(7 * MINUTE);
    expect(await names()).toEqual([named("2026-01-01T12:05:00Z")]);
    cluster.nodes.ends = () => "Succeeded";
    await cluster.client.patch("pods", await firstPod(), { metadata: { labels: { touched: "yes" } } });
    await pass(1_000);
    expect(await names()).toEqual([named("2026-01-01T12:05:00Z"), named("2026-01-01T12:10:00Z")]);
  });

  it("starts nothing while it is suspended, and then the latest that it missed", async () => {
    await start();
    await createCronJob({ suspend: true });
    await pass(23 * MINUTE);
    expect(await names()).toEqual([]);
    await cluster.client.patch("cronjobs", ref, { spec: { suspend: false } });
    await pass(1_000);
    expect(await names()).toEqual([named("2026-01-01T12:20:00Z")]);
  });

  it("does not start at once what a new schedule would have had before", async () => {
    await start();
    await createCronJob({ schedule: "0 0 * * *" });
    await pass(8 * MINUTE);
    await cluster.client.patch("cronjobs", ref, { spec: { schedule: "5 * * * *" } });
    await pass(10 * MINUTE);
    expect(await names()).toEqual([]);
    await pass(47 * MINUTE);
    expect(await names()).toEqual([named("2026-01-01T13:05:00Z")]);
  });

  it("whose day never comes says so", async () => {
    await start();
    await createCronJob({ schedule: "0 0 30 2 *" });
    expect(await cluster.events("tick")).toEqual([
      "Warning InvalidSchedule invalid schedule: 0 0 30 2 * : time difference between two schedules is less than 1 second",
    ]);
  });

  it.each([
    ["*/5 * * * 8", undefined, 'UnparseableSchedule unparseable schedule: "*/5 * * * 8" : end of range (8)'],
    ["0 0 * * *", "Mars/Olympus", 'UnknownTimeZone invalid timeZone: "Mars/Olympus": unknown time zone Mars/Olympus'],
  ])("with %j in zone %s has no times", (schedule, timeZone, fault) => {
    const spec = { schedule, timeZone };
    const times = timesOf({ metadata: { creationTimestamp: "2026-01-01T00:00:00Z" }, spec } as CronJob, START);
    expect("reason" in times && `${times.reason} ${times.message}`).toContain(fault);
  });
});

describe("a wall clock that jumps", () => {
  it("is noticed at the next tick, long before timers would", async () => {
    const system = fakeClock(START);
    let jump = 0;
    let tick: (() => void) | undefined;
    clock = { ...system, now: () => system.now() + jump };
    cluster = await startControlled({
      clock,
      nodeMonitorGraceMs: 36_000_000,
      ticks(call) {
        tick = call;
        return () => {
          tick = undefined;
        };
      },
    });
    expect(tick).toBeUndefined();
    await createCronJob({ schedule: "0 * * * *" });
    tick?.();
    await cluster.settled();
    expect(await names()).toEqual([]);
    jump = 2 * 60 * MINUTE;
    tick?.();
    await cluster.settled();
    expect(await names()).toEqual([named("2026-01-01T14:00:00Z")]);
    await cluster.stop();
    expect(tick).toBeUndefined();
  });
});

describe("after a time in which nobody looked", () => {
  const away = async (ms: number) => {
    await cluster.stop();
    await clock.advance(ms);
    await cluster.restart();
    await pass(1_000);
  };

  it("only the latest time is started", async () => {
    await start();
    await createCronJob();
    await away(63 * MINUTE);
    expect(await names()).toEqual([named("2026-01-01T13:00:00Z")]);
    expect(await cluster.events("tick")).toHaveLength(1);
    await pass(2 * MINUTE);
    expect(await names()).toEqual([named("2026-01-01T13:00:00Z"), named("2026-01-01T13:05:00Z")]);
  });

  it("more than a hundred missed times are told", async () => {
    await start();
    await createCronJob();
    await away(600 * MINUTE);
    expect(await names()).toEqual([named("2026-01-01T22:00:00Z")]);
    expect(await cluster.events("tick")).toContain(
      "Warning TooManyMissedTimes too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew",
    );
  });

  it("what is past its deadline is not started", async () => {
    await start();
    await createCronJob({ startingDeadlineSeconds: 60 });
    await away(63 * MINUTE);
    expect(await names()).toEqual([]);
    expect(await cluster.events("tick")).toEqual([
      "Warning MissSchedule Missed scheduled time to start a job: Thu, 01 Jan 2026 13:00:00 +0000",
    ]);
    await pass(2 * MINUTE);
    expect(await names()).toEqual([named("2026-01-01T13:05:00Z")]);
  });

  it("what is just within its deadline is started, and many misses before it are not told", async () => {
    await start();
    await createCronJob({ startingDeadlineSeconds: 240 });
    await away(603 * MINUTE);
    expect(await names()).toEqual([named("2026-01-01T22:00:00Z")]);
    expect((await cluster.events("tick")).filter((text) => text.includes("TooMany"))).toEqual([]);
  });

  it("a Job that is gone from the list of active ones is told", async () => {
    await start();
    await createCronJob();
    await pass(5 * MINUTE);
    await cluster.stop();
    await cluster.client.delete("jobs", { ...ref, name: named("2026-01-01T12:05:00Z") });
    await cluster.restart();
    await pass(1_000);
    expect(await active()).toEqual([]);
    expect(await cluster.events("tick")).toContain(
      `Normal MissingJob Active job went missing: ${named("2026-01-01T12:05:00Z")}`,
    );
    expect(await names()).toEqual([]);
  });
});

describe("a Job that somebody else made", () => {
  const other = async (name: string) => {
    const { uid } = (await cronJob()).metadata;
    const owner = { apiVersion: "batch/v1", kind: "CronJob", name: "tick", uid, controller: true };
    await cluster.create("jobs", {
      metadata: { namespace: "default", name, ownerReferences: [owner] },
      ...jobTemplate,
    });
    await cluster.settled();
  };

  it("for the CronJob is told, and does not count as active", async () => {
    await start();
    await createCronJob({ concurrencyPolicy: "Forbid" });
    await other("by-hand");
    expect(await active()).toEqual([]);
    expect(await cluster.events("tick")).toContain(
      "Warning UnexpectedJob Saw a job that the controller did not create or forgot: by-hand",
    );
    await pass(5 * MINUTE);
    expect(await names()).toContain(named("2026-01-01T12:05:00Z"));
  });

  it("under the next name takes that time's place, without an end of trying", async () => {
    await start();
    await createCronJob();
    await cluster.create("jobs", { metadata: { ...ref, name: named("2026-01-01T12:05:00Z") }, ...jobTemplate });
    await pass(10 * MINUTE);
    expect(await names()).toEqual([named("2026-01-01T12:05:00Z"), named("2026-01-01T12:10:00Z")]);
  });
});

describe("a time never starts two Jobs", () => {
  it("however often the controllers are killed between two writes", async () => {
    let writes = 0;
    let limit = Number.POSITIVE_INFINITY;
    await start({
      between: (transport) => ({
        ...transport,
        async request(request) {
          const ours = request.method !== "GET" && /cronjobs|jobs/.test(request.path);
          if (ours && ++writes > limit) throw new ApiError("ServiceUnavailable", "killed");
          const answer = await transport.request(request);
          // the write went through, and its answer got lost
          if (ours && writes === limit) throw new ApiError("ServiceUnavailable", "killed");
          return answer;
        },
      }),
    });
    await createCronJob({ concurrencyPolicy: "Replace" });
    const seen = new Map<string, Job>();
    for (let round = 1; round <= 8; round++) {
      limit = writes + (round % 4);
      await clock.advance(5 * MINUTE);
      await cluster.stop();
      limit = Number.POSITIVE_INFINITY;
      await cluster.restart();
      await pass(2_000);
      for (const job of await jobs()) {
        const { name, uid } = job.metadata;
        expect(seen.get(name)?.metadata.uid ?? uid).toBe(uid);
        seen.set(name, job);
      }
      expect(await active()).toEqual(await names());
    }
    expect(seen.size).toBe(8);
  });
});

async function firstPod() {
  const [pod] = await cluster.list("pods");
  return { namespace: "default", name: pod?.metadata.name ?? "" };
}
