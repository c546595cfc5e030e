import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const MODULE = new URL("./garbage-collection.ts", import.meta.url).href;

/** A gigabyte of buffers that nobody keeps, beside a heap that is kept; prints how often all of it was marked. */
const PROGRAM = `
  import { PerformanceObserver } from "node:perf_hooks";
  const [module] = process.argv.slice(1);
  if (module) (await import(module)).countBuffersWithHeap();
  const kept = Array.from({ length: 500_000 }, (_, n) => ({ name: "n" + n, at: [n] }));
  let full = 0;
  const isFull = ({ detail }) => detail.kind === 4;
  new PerformanceObserver((list) => { full += list.getEntries().filter(isFull).length; }).observe({ entryTypes: ["gc"] });
  for (let n = 0; n < 16_000; n++) {
    Buffer.allocUnsafeSlow(64 * 1024);
    if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await new Promise((resolve) => setTimeout(resolve, 10));
  console.log(full, kept.length);
`;

async function marked(...args: readonly string[]): Promise<number> {
  const node = ["--max-semi-space-size=16", "--input-type=module", "-e", PROGRAM];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...node, ...args]);
  expect(stderr).toBe(""); // V8 says so where it does not know a flag
  return Number.parseInt(stdout, 10);
}

test("the heap is not marked for each few buffers that come and go", async () => {
  const [alone, counted] = [await marked(), await marked(MODULE)];
  expect(counted).toBeGreaterThan(0); // what buffers take is bounded all the same
  expect(2 * counted).toBeLessThan(alone);
});
