/** Shims that a killed containerd left: which of them are ended, and when. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../machinery/process/clock.ts";
import { fakeClock } from "../../../machinery/process/fake-clock.ts";
import { createLogger } from "../../../machinery/process/logging.ts";
import { lostShims } from "./lost-shims.ts";

const LONG_MS = 120_000;
const clock = fakeClock();
const log = createLogger({ component: "test", clock, level: "error", write: () => undefined });
let state: string;
let started: ChildProcess[];

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), "k8ts-shims-"));
  started = [];
});
afterEach(() => {
  for (const child of started) child.kill("SIGKILL");
  rmSync(state, { recursive: true, force: true });
});

const tasks = () => join(state, "io.containerd.runtime.v2.task", "k8s.io");

/** Runs in the directory of its sandbox, as a shim does. */
async function shim(sandbox: string, program = "containerd-shim-runc-v2"): Promise<ChildProcess> {
  const cwd = join(tasks(), sandbox);
  mkdirSync(cwd, { recursive: true });
  const child = spawn("/bin/sleep", ["600"], { cwd, argv0: program, stdio: "ignore" });
  started.push(child);
  await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
  return child;
}

const forget = (sandbox: string) => rmSync(join(tasks(), sandbox), { recursive: true });

async function ended(child: ChildProcess): Promise<boolean> {
  if (child.exitCode === null && child.signalCode === null)
    await Promise.race([new Promise((resolve) => child.once("exit", resolve)), systemClock.sleep(300)]);
  return child.signalCode === "SIGKILL";
}

test.skipIf(process.platform !== "linux")(
  "a shim without its directory is ended at the second look, all others live",
  async () => {
    const [known, lost, other] = [await shim("known"), await shim("lost"), await shim("other", "runc")];
    forget("lost");
    forget("other");
    const shims = lostShims({ state }, clock, log);
    shims.look();
    expect(await ended(lost)).toBe(false); // it may be about to end
    shims.look();
    expect(await ended(lost)).toBe(false); // too soon for another look
    await clock.advance(LONG_MS);
    shims.look();
    expect(await ended(lost)).toBe(true);
    expect([await ended(known), await ended(other)]).toEqual([false, false]);
  },
);
