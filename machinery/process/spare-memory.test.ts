import { describe, expect, test } from "vitest";
import { fakeClock } from "./fake-clock.ts";
import { giveBackWhenQuiet } from "./spare-memory.ts";

describe("spare memory", () => {
  test("what a busy time left is given back once the process is quiet", async () => {
    const clock = fakeClock();
    const spare = giveBackWhenQuiet(clock);
    const heap = () => process.memoryUsage().heapTotal;
    let busy: object[] | undefined = Array.from({ length: 1_000_000 }, (_, index) => ({ index, text: [index] }));
    const full = heap();
    expect(busy.length).toBe(1_000_000);
    busy = undefined;
    // a minute of the clock's, in which next to nothing was done
    await clock.advance(60_000);
    expect(full - heap()).toBeGreaterThan(32 * 1024 * 1024);
    spare.cancel();
  });
});
