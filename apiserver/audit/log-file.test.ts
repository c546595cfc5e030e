import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../machinery/process/clock.ts";
import { createLogger, silent } from "../../machinery/process/logging.ts";
import { type AuditLogOptions, openAuditLog } from "./log-file.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "audit-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const optionsOf = (more: Partial<AuditLogOptions> = {}): AuditLogOptions => ({
  path: join(directory, "audit.log"),
  maxBytes: 0,
  maxBackups: 0,
  maxAgeDays: 0,
  clock: systemClock,
  log: silent,
  ...more,
});

test("every line is there after it was closed, in order", async () => {
  const sink = await openAuditLog(optionsOf());
  for (let index = 0; index < 5_000; index++) sink.write(`${index}\n`);
  await sink.close();
  const lines = readFileSync(join(directory, "audit.log"), "utf8").trim().split("\n");
  expect(lines).toEqual(Array.from({ length: 5_000 }, (_, index) => String(index)));
  expect(sink.lost).toBe(0);
});

test("a file that is full makes room, and only so many old ones are kept", async () => {
  let now = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  const clock = { ...systemClock, now: () => now };
  const sink = await openAuditLog(optionsOf({ maxBytes: 10, maxBackups: 2, clock }));
  for (const line of ["first\n", "second\n", "third\n", "fourth\n"]) {
    sink.write(line);
    await expect.poll(() => readFileSync(join(directory, "audit.log"), "utf8")).toBe(line);
    now += 1000;
  }
  await sink.close();
  expect(readdirSync(directory).toSorted()).toEqual([
    "audit-2026-01-02T03-04-07.678.log",
    "audit-2026-01-02T03-04-08.678.log",
    "audit.log",
  ]);
});

test("what the disk refuses is counted and said", async () => {
  const said: string[] = [];
  const log = createLogger({
    component: "test",
    clock: systemClock,
    level: "info",
    write: (line) => void said.push(line),
  });
  const sink = await openAuditLog(optionsOf({ path: "/dev/full", log }));
  sink.write("lost\n");
  await expect.poll(() => sink.lost).toBe(1);
  await sink.close();
  expect(said.join("")).toContain("audit events are lost");
});

test("a buffer that is full loses lines instead of growing", async () => {
  const sink = await openAuditLog(optionsOf());
  const line = `${"x".repeat(1024 * 1024)}\n`;
  for (let index = 0; index < 40; index++) sink.write(line);
  await sink.close();
  expect(sink.lost).toBeGreaterThan(0);
  expect(sink.lost).toBeLessThan(40);
});

test("a directory that cannot be made is an error at once", async () => {
  await expect(openAuditLog(optionsOf({ path: "/dev/null/audit.log" }))).rejects.toThrow("/dev/null");
});
