/**
 * Projects: "unit" and "apart" lie beside the source and need nothing installed; "e2e" starts real clusters, one after
 * the other; "vm" starts virtual machines, by a command of its own.
 *
 * Files of "unit" share a process, for no module has state that changes: nothing is loaded and compiled twice. Those of
 * "apart" have one each: they run on this computer's containers, or must replay to the letter.
 */
import { defineConfig } from "vitest/config";

const BESIDE_THE_SOURCE = ["{machinery,apiserver,controllers,scheduler,kubelet,kubectl,e2e}/**/*.test.ts"];
const APART = ["kubelet/real-*.test.ts", "kubelet/runtime/containerd/*.test.ts", "e2e/simulator/**/*.test.ts"];
const beside = {
  testTimeout: 30_000,
  hookTimeout: 60_000,
  // On a machine that others load, a time may be missed once; what fails twice is broken.
  retry: process.env["CI"] ? 1 : 0,
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: BESIDE_THE_SOURCE,
          exclude: ["**/node_modules/**", ...APART],
          isolate: false,
          ...beside,
        },
      },
      {
        test: {
          name: "apart",
          include: APART,
          fileParallelism: false,
          ...beside,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["e2e/**/*.e2e.ts"],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
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
