/** Durability of the embedded store: what was acknowledged survives kill -9, and was synced before. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../machinery/process/clock.ts";
import { silent } from "../../../machinery/process/logging.ts";
import { range } from "../store-steps.ts";
import type { CrashWriting } from "./crash-writer.ts";
import { openLmdbStore } from "./lmdb-store.ts";

const WRITER = join(import.meta.dirname, "crash-writer.ts");
const ROUNDS = 20;

const running = (writing: CrashWriting): string[] => [WRITER, JSON.stringify(writing)];

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "k8ts-durability-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test(`writes of 64 writers acknowledged before one of ${ROUNDS} kills -9 at a random point are all there`, async () => {
  const acknowledged = new Set<string>();
  let revision = 0;
  for (const round of range(ROUNDS)) {
    const before = acknowledged.size;
    await killedWriter(round * 1_000_000, acknowledged);
    expect(acknowledged.size, `round ${round} acknowledged nothing`).toBeGreaterThan(before);

    const store = await openLmdbStore({ directory, clock: systemClock, log: silent });
    const objects = await namesUnder(store, "/object/");
    const lost = [...acknowledged].filter((name) => !objects.has(name));
    expect(lost, `lost in round ${round}`).toEqual([]);
    expect(await namesUnder(store, "/internal/"), "a commit happened in part").toEqual(objects);
    expect(await store.revision()).toBeGreaterThanOrEqual(revision + acknowledged.size - before);
    revision = await store.revision();
    await store.close();
  }
}, 120_000);

test("write is answered after an fdatasync, one after the other and in groups", async (context) => {
  if (spawnSync("strace", ["-V"]).status !== 0) return context.skip("there is no strace on this machine");
  for (const [writers, commits] of [
    [1, 20],
    [16, 5],
  ] as const) {
    const trace = join(directory, `trace-${writers}`);
    const calls = "trace=fdatasync,fsync,msync,write";
    const writing = { directory: join(directory, `store-${writers}`), first: 0, writers, commits };
    const args = ["-f", "-s", "64", "-e", calls, "-o", trace, process.execPath, ...running(writing)];
    const run = spawnSync("strace", args, { encoding: "utf8" });
    expect(run.status, run.stderr).toBe(0);
    const { answered, unsynced } = answersIn(readFileSync(trace, "utf8"));
    expect(answered).toBe(writers * commits);
    expect(unsynced).toEqual([]);
  }
}, 60_000);

/** Lets a writer run for a random while after its first acknowledgement, then kills it; collects what it said. */
async function killedWriter(first: number, acknowledged: Set<string>): Promise<void> {
  const child = spawn(process.execPath, running({ directory, first, writers: 64 }), {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let rest = "";
  let doomed = false;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) acknowledged.add(line.replace("acked ", ""));
    if (doomed) return;
    doomed = true;
    systemClock.after(systemClock.random() * 150, () => child.kill("SIGKILL"));
  });
  const ended = once(child.stdout, "end");
  await Promise.all([exited, ended]);
}

async function namesUnder(store: Awaited<ReturnType<typeof openLmdbStore>>, prefix: string): Promise<Set<string>> {
  const { entries } = await store.list({ prefix });
  return new Set(entries.map(({ key }) => key.slice(prefix.length)));
}

/** Answers in a trace, and those that no fdatasync preceded since their write began. */
function answersIn(trace: string): { answered: number; unsynced: string[] } {
  const began = new Map<string, number>();
  const unsynced: string[] = [];
  let syncs = 0;
  let answered = 0;
  for (const line of trace.split("\n")) {
    if (/fdatasync(\(| resumed).*= 0/.test(line)) syncs++;
    const [, what, name = ""] = /write\(1, "(begin|acked) ([^\\]+)/.exec(line) ?? [];
    if (what === "begin") began.set(name, syncs);
    if (what !== "acked") continue;
    answered++;
    if (syncs <= (began.get(name) ?? Number.POSITIVE_INFINITY)) unsynced.push(name);
  }
  return { answered, unsynced };
}
