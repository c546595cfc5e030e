/** Event series against the real API server: what is written when something repeats, and what is not. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import type { Pod } from "../objects/kinds.ts";
import { type FakeClock, fakeClock } from "../process/fake-clock.ts";
import { silent } from "../process/logging.ts";
import type { EventReporter } from "./event-series.ts";
import { createEvents, type Events } from "./events-recorder.ts";

let pipeline: Pipeline;
let clock: FakeClock;
let events: Events;
let report: EventReporter;
let stop: AbortController;
beforeEach(async () => {
  clock = fakeClock();
  pipeline = await startPipeline({ clock });
  stop = new AbortController();
  events = createEvents({ client: pipeline.client(), clock, log: silent, signal: stop.signal });
  report = events.reporter("default-scheduler", "default-scheduler-here");
});
afterEach(async () => {
  stop.abort(new Error("stopped"));
  await pipeline.close();
});

const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { namespace: "default", name: "web", uid: "u1", resourceVersion: "7", creationTimestamp: "" },
} as Pod;
const failed = (note = "0/1 nodes are available.", about = pod) =>
  report({ about, type: "Warning", reason: "FailedScheduling", action: "Scheduling", note });
const written = async () => {
  await events.flushed();
  return (await pipeline.client().list("events", { namespace: "default" })).items;
};
const counts = async () => (await written()).map(({ series }) => series?.count ?? 1);

it("is an Event at first, which says who, what and about whom", async () => {
  failed();
  expect(await written()).toMatchObject([
    {
      involvedObject: { kind: "Pod", name: "web", uid: "u1" },
      reason: "FailedScheduling",
      message: "0/1 nodes are available.",
      type: "Warning",
      action: "Scheduling",
      reportingComponent: "default-scheduler",
      reportingInstance: "default-scheduler-here",
      eventTime: expect.stringMatching(/\.\d{6}Z$/),
    },
  ]);
  expect((await written())[0]).not.toHaveProperty("series");
});

it("is a series from the second time on, whatever the note; further times are not written one by one", async () => {
  failed();
  failed("another note");
  expect(await counts()).toEqual([2]);
  const { resourceVersion } = (await written())[0]!.metadata;
  for (let i = 0; i < 20; i++) failed();
  expect((await written())[0]?.metadata.resourceVersion).toBe(resourceVersion);
  await clock.advance(7 * 60_000);
  await clock.advance(7 * 60_000);
  expect(await counts()).toEqual([22]);
  failed();
  expect((await counts()).sort()).toEqual([1, 22]);
});

it("is written from time to time while it goes on", async () => {
  for (let minute = 0; minute < 70; minute++) {
    failed();
    await clock.advance(60_000);
  }
  const [count = 0] = await counts();
  expect(count).toBeGreaterThan(60);
  expect(await written()).toHaveLength(1);
});

it("is made anew where the Event has gone meanwhile", async () => {
  failed();
  const [event] = await written();
  await pipeline.client().delete("events", { namespace: "default", name: event!.metadata.name });
  failed();
  expect(await counts()).toEqual([2]);
});

it("is one for each object, and a note is cut to what the server takes", async () => {
  failed("ä".repeat(2_000));
  failed("x", { ...pod, metadata: { ...pod.metadata, name: "other", uid: "u2" } });
  expect((await written()).map(({ involvedObject }) => involvedObject.name).sort()).toEqual(["other", "web"]);
});
