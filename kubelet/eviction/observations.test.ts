import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import type { Runtime } from "../cri/contract.ts";
import { machineUsage, simulatedUsage } from "../stats/node-usage.ts";
import { machineObservations, simulatedObservations } from "./observations.ts";

const clock = fakeClock();
const memoryBytes = 1000;

it("a machine tells of memory, disks and processes, and of images' disk where they have one", async () => {
  const directory = await mkdtemp(join(tmpdir(), "k8ts-observed-"));
  const looks = async (mountpoint: string) => {
    let asked = 0;
    const cri = {
      async imageFsInfo() {
        asked++;
        return { imageFilesystems: [{ fsId: { mountpoint } }] };
      },
    } as unknown as Runtime;
    const observe = machineObservations({ cri, directory, memoryBytes, nodeUsage: machineUsage(clock) });
    await observe();
    const seen = await observe();
    expect(asked).toBe(1);
    return seen;
  };
  const shared = await looks(directory);
  expect([...shared.keys()]).toEqual(expect.arrayContaining(["nodefs.available", "imagefs.available"]));
  expect(shared.get("imagefs.available")).toEqual(shared.get("nodefs.available"));
  if (process.platform === "linux") {
    expect([...shared.keys()]).toEqual(expect.arrayContaining(["memory.available", "pid.available"]));
    const own = await looks("/proc");
    expect(own.get("imagefs.available")).toEqual({ available: 0, capacity: 0 });
  }
  await rm(directory, { recursive: true, force: true });
});

it("a simulated node feels only what its containers say that they use, and is not asked when none does", async () => {
  let using = false;
  const attributes = { id: "a", metadata: { name: "a", attempt: 0 }, labels: {}, annotations: {} };
  const cri = {
    listContainerStats: async () => ({
      stats: [{ attributes, memory: { timestamp: "0", workingSetBytes: { value: 400 } } }],
    }),
  } as unknown as Runtime;
  const observe = simulatedObservations({ cri, memoryBytes: 1e9, nodeUsage: simulatedUsage(clock, 1e9) }, () => using);
  expect(await observe()).toEqual(new Map());
  using = true;
  const system = 150 * 1024 * 1024;
  expect((await observe()).get("memory.available")).toEqual({ available: 1e9 - system - 400, capacity: 1e9 });
});
