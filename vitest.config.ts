/**
 * Projects: "unit" and "apart" lie beside the source and need nothing installed; "e2e" and "computer" start real clusters;
 * "vm" starts virtual machines, by a command of its own.
 *
 * Files of "unit" share a process, for no module has state that changes: nothing is loaded and compiled twice. Those of
 * "apart" have one each: they run containers, or must replay to the letter. Files of "apart" and "e2e" run side by side,
 * each on a machine of its own (e2e/harness/machine-pool.ts); "computer" has what must see this computer itself.
 */
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./e2e/harness/longest-first.ts";
import { machinePool } from "./e2e/harness/machine-pool.ts";

const BESIDE_THE_SOURCE = ["{machinery,apiserver,controllers,scheduler,kubelet,kubectl,e2e}/**/*.test.ts"];
const APART = ["kubelet/real-*.test.ts", "kubelet/runtime/containerd/*.test.ts", "e2e/simulator/**/*.test.ts"];
/** One at most may run containers: the bridge and the nftables tables have fixed names. The others take programs from outside. */
const ON_THIS_COMPUTER = ["e2e/kills.e2e.ts", "e2e/clients/**/*.e2e.ts"];
/** They wait more than they compute. */
const SIDE_BY_SIDE = 3;

const beside = {
  testTimeout: 60_000,
  hookTimeout: 120_000,
  // On a machine that others load, a time may be missed once; what fails twice is broken.
  retry: process.env["CI"] ? 1 : 0,
};
/** Hundreds of processes of k8ts are started, in homes of their own: none compiles what another has. */
const env = { NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules", ".cache", "compiled") };
const clusters = {
  env,
  maxWorkers: SIDE_BY_SIDE,
  testTimeout: 300_000,
  hookTimeout: 300_000,
  globalSetup: ["e2e/harness/images-built.ts"],
};

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    teardownTimeout: 60_000,
    slowTestThreshold: 10_000,
    projects: [
      {
        test: {
          name: "unit",
          include: BESIDE_THE_SOURCE,
          exclude: ["**/node_modules/**", ...APART],
          isolate: false,
          env,
          ...beside,
        },
      },
      {
        test: {
          name: "apart",
          include: APART,
          pool: machinePool,
          maxWorkers: SIDE_BY_SIDE,
          env,
          ...beside,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["e2e/**/*.e2e.ts"],
          exclude: ["**/node_modules/**", ...ON_THIS_COMPUTER],
          pool: machinePool,
          ...clusters,
        },
      },
      {
        test: {
          name: "computer",
          include: ON_THIS_COMPUTER,
          ...clusters,
        },
      },
      {
        test: {
          name: "vm",
          include: ["e2e/vm/**/*.vm.ts"],
          fileParallelism: false,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
