import { appendFile, mkdtemp, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../machinery/process/clock.ts";
import { silent } from "../machinery/process/logging.ts";
import { type LogOptions, parseEntry, readLog } from "./container-log.ts";
import { rotateOne } from "./log-rotation.ts";

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "k8ts-log-"));
  path = join(directory, "0.log");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, "0")}.000000001Z`;
const entry = (second: number, text: string, tag = "F", stream = "stdout") =>
  `${at(second)} ${stream} ${tag} ${text}\n`;

async function read(options: LogOptions = {}): Promise<string> {
  const source = { path, clock: systemClock, signal: new AbortController().signal, isRunning: async () => false };
  const chunks: Uint8Array[] = [];
  for await (const chunk of readLog(source, options)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe("reading", () => {
  beforeEach(() =>
    writeFile(
      path,
      entry(1, "one") + entry(2, "tw", "P") + entry(2, "o") + entry(3, "three", "F", "stderr") + entry(4, ""),
    ),
  );

  const cases: readonly [string, LogOptions, string][] = [
    ["everything, parts joined", {}, "one\ntwo\nthree\n\n"],
    ["the last lines", { tailLines: 2 }, "three\n\n"],
    ["no lines", { tailLines: 0 }, ""],
    ["more lines than there are", { tailLines: 100 }, "one\ntwo\nthree\n\n"],
    ["what is new enough", { since: Date.parse(at(3)) }, "three\n\n"],
    ["one stream", { stream: "stderr" }, "three\n"],
    ["so many bytes", { limitBytes: 6 }, "one\ntw"],
    ["with timestamps", { timestamps: true, tailLines: 2 }, `${at(3)} three\n${at(4)} \n`],
  ];
  it.each(cases)("%s", async (_name, options, wanted) => {
    expect(await read(options)).toBe(wanted);
  });

  it("the end of a file larger than a block", async () => {
    const lines = Array.from({ length: 5_000 }, (_, index) => entry(1, `line ${index}`));
    await writeFile(path, lines.join(""));
    expect(await read({ tailLines: 3_000 })).toBe(
      Array.from({ length: 3_000 }, (_, index) => `line ${index + 2_000}\n`).join(""),
    );
    expect((await read()).split("\n")).toHaveLength(5_001);
  });

  it("as many lines as were asked for, though more are written meanwhile", async () => {
    const lines = Array.from({ length: 5_000 }, (_, index) => entry(1, `line ${index}`));
    await writeFile(path, lines.join(""));
    const source = { path, clock: systemClock, signal: new AbortController().signal, isRunning: async () => true };
    let text = "";
    for await (const chunk of readLog(source, { tailLines: 4_000 })) {
      text += Buffer.from(chunk).toString();
      await appendFile(path, entry(2, "later"));
    }
    expect(text).toBe(Array.from({ length: 4_000 }, (_, index) => `line ${index + 1_000}\n`).join(""));
  });

  it("leaves out what is no entry", async () => {
    await writeFile(path, `nonsense\n${entry(1, "one")}`);
    expect(await read()).toBe("one\n");
    expect(parseEntry(Buffer.from("x"))).toBeUndefined();
  });
});

describe("following", () => {
  it("goes on over rotations without losing or doubling a line", async () => {
    await writeFile(path, "");
    let running = true;
    const source = { path, clock: systemClock, signal: new AbortController().signal, isRunning: async () => running };
    const chunks: Uint8Array[] = [];
    const reading = (async () => {
      for await (const chunk of readLog(source, { follow: true })) chunks.push(chunk);
    })();
    let written = path;
    for (let line = 0; line < 200; line++) {
      await appendFile(written, entry(1, `line ${line}`));
      if (line % 40 === 20) {
        await rename(path, `${path}.${line}`);
        written = `${path}.${line}`; // the runtime still has the old file open
      }
      if (line % 40 === 25) {
        await writeFile(path, "");
        written = path;
      }
      if (line % 10 === 0) await systemClock.sleep(5);
    }
    await systemClock.sleep(100);
    running = false;
    await reading;
    expect(Buffer.concat(chunks).toString()).toBe(Array.from({ length: 200 }, (_, line) => `line ${line}\n`).join(""));
  });

  it("ends when its reader goes", async () => {
    await writeFile(path, entry(1, "one"));
    const stop = new AbortController();
    const source = { path, clock: systemClock, signal: stop.signal, isRunning: async () => true };
    const reading = readLog(source, { follow: true });
    expect(Buffer.from((await reading.next()).value ?? []).toString()).toBe("one\n");
    const next = reading.next();
    stop.abort();
    expect((await next).done).toBe(true);
  });
});

describe("rotation", () => {
  it("puts a large log aside, has a new one opened and keeps the newest", async () => {
    let reopened = 0;
    const cri = {
      async reopenContainerLog() {
        reopened++;
        await writeFile(path, "");
        return {};
      },
    };
    let now = Date.UTC(2026, 0, 1);
    const clock = { ...systemClock, now: () => now };
    const rotation = {
      cri: cri as never,
      clock,
      log: silent,
      signal: new AbortController().signal,
      running: () => [],
      maxBytes: 10,
      maxFiles: 3,
    };
    for (let round = 0; round < 4; round++) {
      await writeFile(path, "x".repeat(20));
      await rotateOne("id", path, rotation);
      now += 1_000;
    }
    expect(reopened).toBe(4);
    expect((await readdir(directory)).sort()).toEqual(["0.log", "0.log.20260101-000002", "0.log.20260101-000003"]);
    await rotateOne("id", path, rotation);
    expect(reopened).toBe(4);
    expect((await stat(path)).size).toBe(0);
  });

  it("is made up for where a kubelet died before the new log was opened", async () => {
    let reopened = 0;
    const rotation = {
      cri: {
        async reopenContainerLog() {
          reopened++;
          await writeFile(path, "");
          return {};
        },
      },
      clock: systemClock,
      log: silent,
      signal: new AbortController().signal,
      running: () => [],
    };
    await rotateOne("id", path, rotation);
    expect(reopened).toBe(0); // a container that has not written anything yet
    await writeFile(`${path}.20260101-000000`, "put aside");
    await rotateOne("id", path, rotation);
    await rotateOne("id", path, rotation);
    expect(reopened).toBe(1);
  });
});
