/** What nodes use: read from the kernel, or added up. */
import { expect, it } from "vitest";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { msToNanos } from "../cri/messages.ts";
import { interfacesOf } from "./file-systems.ts";
import { cpuNanoSeconds, machineUsage, memory, simulatedUsage } from "./node-usage.ts";

const container = (millicores: number, mebibytes: number) => ({
  attributes: { id: "a", metadata: { name: "a", attempt: 0 }, labels: {}, annotations: {} },
  cpu: { timestamp: msToNanos(0), usageNanoCores: { value: millicores * 1e6 } },
  memory: { timestamp: msToNanos(0), workingSetBytes: { value: mebibytes * 1024 * 1024 } },
});

it("counts what processors did, and neither idling nor waiting", () => {
  expect(cpuNanoSeconds("cpu  100 10 50 9000 800 5 5 70 0 0\ncpu0 1 1 1\n")).toBe(170 * 10_000_000);
});

it("leaves idle file pages out of the working set", () => {
  const meminfo = "MemTotal:  1000 kB\nMemFree:  400 kB\nAnonPages:  200 kB\nInactive(file):  100 kB\n";
  expect(memory(meminfo, "pgfault 7\npgmajfault 2\n")).toEqual({
    usageBytes: 600 * 1024,
    workingSetBytes: 500 * 1024,
    availableBytes: 500 * 1024,
    rssBytes: 200 * 1024,
    pageFaults: 7,
    majorPageFaults: 2,
  });
});

it("reads this machine", async () => {
  const usage = await machineUsage({ now: () => 5 })([]);
  expect(usage.cpuNanoSeconds).toBeGreaterThan(0);
  expect(usage.workingSetBytes).toBeGreaterThan(1024 * 1024);
});

it("adds up a simulated node's containers, and never counts back when one ends", async () => {
  const clock = fakeClock();
  const usage = simulatedUsage(clock, 1024 ** 3);
  const first = await usage([container(500, 100)]);
  await clock.advance(10_000);
  const second = await usage([container(500, 100)]);
  expect(second.cpuNanoSeconds - first.cpuNanoSeconds).toBe(10 * (500e6 + 20e6));
  expect(second.workingSetBytes).toBe(250 * 1024 * 1024);
  await clock.advance(10_000);
  const third = await usage([]);
  expect(third.cpuNanoSeconds).toBeGreaterThanOrEqual(second.cpuNanoSeconds);
});

it("tells of the machine's interfaces without those of Pods", () => {
  const text = `Inter-|   Receive
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0
  eth0: 1000 10 1 0 0 0 0 0 2000 20 2 0 0 0 0 0
veth12: 5 5 0 0 0 0 0 0 5 5 0 0 0 0 0 0`;
  expect(interfacesOf(text)).toEqual([{ name: "eth0", rxBytes: 1000, rxErrors: 1, txBytes: 2000, txErrors: 2 }]);
});
