import { describe, expect, test } from "vitest";
import type { Pod } from "../machinery/objects/kinds.ts";
import { fakeClock } from "../machinery/process/fake-clock.ts";
import type { Happening } from "./happenings.ts";
import { prioritySort } from "./plugins/priority-sort.ts";
import { createSchedulingQueue, type SchedulingQueue } from "./queue.ts";

const pod = (name: string, priority = 0, change: Partial<Pod["metadata"]> = {}): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name,
    namespace: "default",
    uid: name,
    resourceVersion: "1",
    creationTimestamp: "",
    generation: 1,
    ...change,
  },
  spec: { containers: [], priority },
});

/** Here a plugin's only hint is a happening of its own name. */
function withHappenings(queue: SchedulingQueue) {
  const wake = (happenings: readonly Happening[], cause: string) =>
    queue.wake(
      happenings.map((what) => ({ what })),
      cause,
    );
  return Object.assign(Object.create(queue) as Omit<SchedulingQueue, "wake">, { wake });
}

function start() {
  const clock = fakeClock();
  const queue = withHappenings(
    createSchedulingQueue(clock, {
      before: (a, b) => prioritySort.queueSort?.(a, b) ?? false,
      gate: () => undefined,
      hints: (_, plugin) => [plugin as Happening],
      helps: () => false,
    }),
  );
  const takeAll = () => {
    const names: string[] = [];
    for (let next = queue.take(); next; next = queue.take()) names.push(next.info.pod.metadata.name);
    return names;
  };
  return { clock, queue, takeAll };
}

describe("which Pod is next", () => {
  test("the one of higher priority, then the older", () => {
    const { queue, takeAll } = start();
    for (const one of [pod("old"), pod("new"), pod("urgent", 10)]) queue.put(one);
    expect(takeAll()).toEqual(["urgent", "old", "new"]);
  });

  test("of many alike, the one that came first", () => {
    const { queue, takeAll } = start();
    const names = Array.from({ length: 50 }, (_, n) => `p${n}`);
    for (const name of names) queue.put(pod(name));
    expect(takeAll()).toEqual(names);
  });

  test("a new one before an old one that did not fit again and again", async () => {
    const { clock, queue, takeAll } = start();
    queue.put(pod("big"));
    takeAll();
    queue.refused("big", ["pod-gone"]);
    queue.put(pod("small"));
    queue.wake(["pod-gone"], "2");
    await clock.advance(1_000);
    expect(takeAll()).toEqual(["small", "big"]);
  });

  test("none twice while it is being tried, even when it changes", () => {
    const { queue, takeAll } = start();
    queue.put(pod("p"));
    takeAll();
    queue.put(pod("p", 0, { resourceVersion: "2", generation: 2 }));
    queue.wake(["node-added"], "3");
    expect(takeAll()).toEqual([]);
  });

  test("none that is gone; one of the same name that came after it stays", () => {
    const { queue, takeAll } = start();
    queue.put(pod("p", 0, { uid: "first" }));
    queue.put(pod("p", 0, { uid: "second" }));
    queue.remove("first");
    expect(takeAll()).toEqual(["p"]);
    expect(queue.length).toBe(0);
  });
});

describe("a Pod that did not fit", () => {
  test("waits for something that may help it, and for its back-off", async () => {
    const { clock, queue, takeAll } = start();
    queue.put(pod("p"));
    takeAll();
    queue.refused("p", ["pod-gone"]);
    await clock.advance(60_000);
    expect(takeAll()).toEqual([]);
    queue.wake(["pod-gone"], "7");
    expect(queue.take()).toMatchObject({ cause: "7" });

    queue.refused("p", ["pod-gone"]);
    queue.wake(["pod-gone"], "8");
    expect(queue.pending()).toMatchObject({ backoff: 1, active: 0 });
    await clock.advance(2_000);
    queue.put(pod("q"));
    expect(takeAll()).toEqual(["q", "p"]);
  });

  test("need not sit out its back-off where nothing else is to do", () => {
    const { queue, takeAll } = start();
    queue.put(pod("p"));
    takeAll();
    queue.refused("p", ["pod-gone"]);
    queue.wake(["pod-gone"], "7");
    expect(takeAll()).toEqual(["p"]);
  });

  test("is not woken by what cannot help it", async () => {
    const { clock, queue, takeAll } = start();
    queue.put(pod("p"));
    takeAll();
    queue.refused("p", ["node-added", "node-taints"]);
    queue.wake(["pod-gone", "node-labels"], "7");
    await clock.advance(60_000);
    expect(takeAll()).toEqual([]);
  });

  test("comes again after five minutes whatever happens", async () => {
    const { clock, queue, takeAll } = start();
    queue.put(pod("p"));
    takeAll();
    queue.refused("p", []);
    await clock.advance(299_000);
    expect(takeAll()).toEqual([]);
    await clock.advance(1_000);
    expect(takeAll()).toEqual(["p"]);
  });

  test.each([
    ["a happening that helps", true],
    ["one that does not", false],
  ])("%s while it was being tried is not forgotten", async (_, helps) => {
    const { clock, queue, takeAll } = start();
    queue.put(pod("p"));
    takeAll();
    queue.wake(["node-added"], "9");
    queue.refused("p", [helps ? "node-added" : "namespaces"]);
    await clock.advance(1_000);
    expect(takeAll()).toEqual(helps ? ["p"] : []);
  });

  test("is not woken by what happened before its last try", async () => {
    const { clock, queue, takeAll } = start();
    queue.put(pod("p"));
    takeAll();
    queue.wake(["node-added"], "9");
    queue.retry("p");
    await clock.advance(1_000);
    takeAll();
    queue.refused("p", ["node-added"]);
    await clock.advance(60_000);
    expect(takeAll()).toEqual([]);
  });

  test.each([
    ["spec", { generation: 2 }, true],
    ["labels", { labels: { app: "web" } }, true],
    ["status", {}, false],
  ])("comes again when its %s changed: %#", async (_, change, comes) => {
    const { clock, queue, takeAll } = start();
    queue.put(pod("p"));
    takeAll();
    queue.refused("p", []);
    queue.put(pod("p", 0, { resourceVersion: "5", ...change }));
    await clock.advance(1_000);
    expect(takeAll()).toEqual(comes ? ["p"] : []);
  });

  test("a failure of ours brings it again after its back-off, in growing steps of at most ten seconds", async () => {
    const { clock, queue, takeAll } = start();
    queue.put(pod("p"));
    for (const wait of [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]) {
      takeAll();
      queue.retry("p");
      await clock.advance(wait - 1);
      expect(takeAll()).toEqual([]);
      await clock.advance(1);
    }
    expect(takeAll()).toEqual(["p"]);
  });
});

test("what happens while a Pod waits for its first try is not its cause", () => {
  const { queue } = start();
  queue.put(pod("p", 0, { resourceVersion: "3" }));
  queue.wake(["node-added", "pod-gone"], "9");
  expect(queue.take()).toMatchObject({ cause: "3" });
});

describe("who waits for a Pod", () => {
  test("is told when one comes, when a back-off ends, and when the signal aborts", async () => {
    const { clock, queue, takeAll } = start();
    const stop = new AbortController();
    const seen: string[][] = [];
    const wait = () =>
      queue.ready(stop.signal).then(
        () => void seen.push(takeAll()),
        () => void seen.push(["stopped"]),
      );
    void wait();
    await clock.advance(0);
    queue.put(pod("p"));
    await clock.advance(0);
    expect(seen).toEqual([["p"]]);

    queue.retry("p");
    void wait();
    await clock.advance(1_000);
    expect(seen).toEqual([["p"], ["p"]]);
    expect(clock.pending()).toBe(0);

    void wait();
    stop.abort(new Error("stop"));
    await clock.advance(0);
    expect(seen.at(-1)).toEqual(["stopped"]);
  });
});

test("ten thousand Pods that wait do not slow the next one down", async () => {
  const { clock, queue, takeAll } = start();
  for (let n = 0; n < 10_000; n++) queue.put(pod(`p${n}`));
  for (const name of takeAll()) queue.refused(name, ["pod-gone"]);
  for (let n = 0; n < 10_000; n++) {
    queue.put(pod(`q${n}`));
    expect(queue.take()?.info.pod.metadata.name).toBe(`q${n}`);
    queue.wake(["pod-placed"], "1");
    queue.remove(`q${n}`);
  }
  queue.wake(["pod-gone"], "2");
  await clock.advance(1_000);
  expect(takeAll()).toHaveLength(10_000);
});
