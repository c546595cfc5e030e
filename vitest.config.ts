/**
 * Projects: "unit" lies beside the source and needs nothing installed; "e2e" starts real clusters, one after the other;
 * "vm" starts virtual machines, by a command of its own.
 */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["{machinery,apiserver,controllers,scheduler,kubelet,kubectl,e2e}/**/*.test.ts"],
          exclude: ["**/node_modules/**"],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          // On a machine that others load, a time may be missed once; what fails twice is broken.
          retry: process.env["CI"] ? 1 : 0,
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
