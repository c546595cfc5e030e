/** A process of the table whose record cannot be written, as on a full disk. */
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../process/clock.ts";
import { type HomePaths, homePaths } from "../process/home.ts";
import { silent } from "../process/logging.ts";
import { livingRecord } from "./process-record.ts";
import { recordPath, superviseProcess } from "./supervised-process.ts";

describe("a process that cannot be recorded", () => {
  let paths: HomePaths;
  let refused: string;
  let stop: AbortController;
  let watching: Promise<void>;
  beforeEach(() => {
    paths = homePaths(mkdtempSync(join(tmpdir(), "k8ts-supervised-")));
    for (const directory of [paths.run, paths.logs]) mkdirSync(directory, { recursive: true });
    refused = `${recordPath(paths, "one")}.new`;
    mkdirSync(refused);
    stop = new AbortController();
    const starts = join(paths.root, "starts");
    const spec = { name: "one", command: "sh", args: ["-c", `echo $$ >> ${starts}; exec sleep 1000`] };
    watching = superviseProcess({ spec, paths, clock: systemClock, log: silent, signal: stop.signal });
  });
  afterEach(async () => {
    stop.abort(new Error("over"));
    await watching;
    const left = livingRecord(recordPath(paths, "one"));
    if (left) process.kill(left.pid, "SIGKILL");
    rmSync(paths.root, { recursive: true, force: true });
  });

  const started = () => readFileSync(join(paths.root, "starts"), "utf8").trim().split("\n").map(Number);
  const alive = (pid: number) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };

  it("runs on, once, and is recorded when there is room", async () => {
    await expect.poll(started).toHaveLength(1);
    await systemClock.sleep(600); // a second one would have come after 200 ms
    expect(started()).toHaveLength(1);
    rmdirSync(refused);
    await expect.poll(() => livingRecord(recordPath(paths, "one"))?.pid, { timeout: 5_000 }).toBe(started()[0]);
  });

  it("ends with its supervisor, for nobody would find it", async () => {
    await expect.poll(started).toHaveLength(1);
    stop.abort(new Error("stopped"));
    await watching;
    await expect.poll(() => started().some(alive)).toBe(false);
  });
});
