import { expect, test } from "vitest";
import type { Pod } from "../machinery/objects/kinds.ts";
import { fakeClock } from "../machinery/process/fake-clock.ts";
import { createSchedulingQueue } from "./queue.ts";

const pod = (name: string, priority = 0): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "default", uid: name, resourceVersion: "1", creationTimestamp: "", generation: 1 },
  spec: { containers: [], priority },
});

function start() {
  const clock = fakeClock();
  const queue = createSchedulingQueue(clock);
  const stop = new AbortController();
  const taken: string[] = [];
  const takeOne = () =>
    queue.take(stop.signal).then(
      (next) => taken.push(next.pod.metadata.name),
      () => taken.push("stopped"),
    );
  return { clock, queue, stop, taken, takeOne };
}

test("higher priority first, then the older", async () => {
  const { queue, taken, takeOne } = start();
  for (const one of [pod("old"), pod("new"), pod("urgent", 10)]) queue.put(one);
  await takeOne();
  await takeOne();
  await takeOne();
  expect(taken).toEqual(["urgent", "old", "new"]);
});

test("a Pod that failed waits until something happens, and for its back-off", async () => {
  const { clock, queue, taken, takeOne } = start();
  queue.put(pod("p"));
  await takeOne();
  queue.failed(pod("p"));
  void takeOne();
  await clock.advance(60_000);
  expect(taken).toEqual(["p"]);
  queue.wake("7");
  await clock.advance(0);
  expect(taken).toEqual(["p", "p"]);

  queue.failed(pod("p"));
  queue.wake("8");
  void takeOne();
  await clock.advance(1_900);
  expect(taken).toHaveLength(2);
  await clock.advance(200);
  expect(taken).toHaveLength(3);
});

test("a Pod that nothing helps is tried again after five minutes", async () => {
  const { clock, queue, taken, takeOne } = start();
  queue.put(pod("p"));
  await takeOne();
  queue.failed(pod("p"));
  void takeOne();
  await clock.advance(299_000);
  expect(taken).toHaveLength(1);
  await clock.advance(2_000);
  expect(taken).toHaveLength(2);
});

test("what happens while a Pod is tried is not missed", async () => {
  const { clock, queue, taken, takeOne } = start();
  queue.put(pod("p"));
  await takeOne();
  queue.wake("9");
  queue.failed(pod("p"));
  void takeOne();
  await clock.advance(1_100);
  expect(taken).toHaveLength(2);
});

test("a removed Pod does not come, and taking ends with the signal", async () => {
  const { queue, stop, taken, takeOne } = start();
  queue.put(pod("p"));
  queue.remove("default/p");
  const waiting = takeOne();
  stop.abort(new Error("stop"));
  await waiting;
  expect(taken).toEqual(["stopped"]);
});
