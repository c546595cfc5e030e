/** The work queue: each key once, never twice at a time, with the cause that matters. */
import { describe, expect, it } from "vitest";
import { fakeClock } from "../process/fake-clock.ts";
import { createWorkQueue, type QueueItem } from "./work-queue.ts";

const never = new AbortController().signal;

async function take(queue: ReturnType<typeof createWorkQueue>): Promise<QueueItem> {
  const item = await queue.next(never);
  if (!item) throw new Error("the queue ended");
  return item;
}

describe("work queue", () => {
  it("hands out a key once, however often it was added", async () => {
    const queue = createWorkQueue(fakeClock());
    queue.add("a");
    queue.add("b");
    queue.add("a");
    expect([(await take(queue)).key, (await take(queue)).key]).toEqual(["a", "b"]);
    expect(queue.length).toBe(0);
  });

  it("holds a key back while it is worked on, and brings it again afterwards", async () => {
    const queue = createWorkQueue(fakeClock());
    queue.add("a", { revision: "1" });
    const first = await take(queue);
    queue.add("a", { revision: "2" });
    expect(queue.length).toBe(0);
    queue.finish(first);
    expect(await take(queue)).toMatchObject({ key: "a", cause: { revision: "2" } });
  });

  it("keeps the first cause, unless a later change is one of what is wanted", async () => {
    const queue = createWorkQueue(fakeClock());
    queue.add("status", { revision: "1" });
    queue.add("status", { revision: "2" });
    queue.add("spec", { revision: "3" });
    queue.add("spec", { revision: "4", wanted: true });
    queue.add("spec", { revision: "5", wanted: true });
    expect((await take(queue)).cause.revision).toBe("1");
    expect((await take(queue)).cause.revision).toBe("4");
  });

  it("brings a key again after the time asked for, with its cause", async () => {
    const clock = fakeClock();
    const queue = createWorkQueue(clock);
    queue.add("a", { revision: "7" });
    queue.finish(await take(queue), { after: 1_000 });
    await clock.advance(999);
    expect(queue.length).toBe(0);
    await clock.advance(1);
    expect((await take(queue)).cause.revision).toBe("7");
  });

  it("forgets an appointment when a later reconcile did not ask for one", async () => {
    const clock = fakeClock();
    const queue = createWorkQueue(clock);
    queue.add("a");
    queue.finish(await take(queue), { after: 1_000 });
    queue.add("a");
    queue.finish(await take(queue));
    expect(queue.delayed).toBe(0);
    await clock.advance(10_000);
    expect(queue.length).toBe(0);
  });

  it("waits longer after each failure, up to the limit, and starts over after a success", async () => {
    const clock = fakeClock();
    const queue = createWorkQueue(clock);
    queue.add("a");
    const waits: number[] = [];
    for (let i = 0; i < 16; i++) {
      const wait = queue.retry(await take(queue));
      waits.push(wait);
      await clock.advance(wait);
    }
    expect(waits.slice(0, 4)).toEqual([5, 10, 20, 40]);
    expect(Math.max(...waits)).toBe(60_000);
    const item = await take(queue);
    expect(queue.retry(item, 1_000)).toBe(1_000);
    await clock.advance(1_000);
    queue.finish(await take(queue));
    expect(queue.failures("a")).toBe(0);
    queue.add("a");
    expect(queue.retry(await take(queue))).toBe(5);
  });

  it("waits at least as long as it is told", async () => {
    const queue = createWorkQueue(fakeClock());
    queue.add("a");
    expect(queue.retry(await take(queue), undefined, 50)).toBe(50);
  });

  it("a failed key that changes meanwhile comes at once", async () => {
    const queue = createWorkQueue(fakeClock());
    queue.add("a");
    const item = await take(queue);
    queue.add("a", { revision: "2" });
    queue.retry(item);
    expect((await take(queue)).cause.revision).toBe("2");
  });

  it("lets a key rest, and takes all changes meanwhile as one", async () => {
    const clock = fakeClock();
    const queue = createWorkQueue(clock);
    queue.add("a");
    queue.finish(await take(queue), { rest: 50 });
    expect(queue.length).toBe(0);
    queue.add("a", { revision: "1" });
    queue.add("a", { revision: "2" });
    expect([queue.length, queue.active]).toEqual([1, 0]);
    let taken: QueueItem | undefined;
    queue.next(never).then((item) => (taken = item));
    await clock.advance(49);
    expect(taken).toBeUndefined();
    await clock.advance(1);
    expect(taken).toMatchObject({ key: "a", cause: { revision: "1" } });
    expect(queue.length).toBe(0);
  });

  it("wakes one waiting worker for each key and all when it is stopped", async () => {
    const queue = createWorkQueue(fakeClock());
    const stop = new AbortController();
    const results: (string | undefined)[] = [];
    const workers = [1, 2, 3].map(() => queue.next(stop.signal).then((item) => results.push(item?.key)));
    queue.add("a");
    queue.add("b");
    await new Promise((resolve) => setImmediate(resolve));
    expect(results).toEqual(["a", "b"]);
    stop.abort();
    await Promise.all(workers);
    expect(results).toEqual(["a", "b", undefined]);
  });
});
