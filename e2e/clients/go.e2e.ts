/**
 * Go: client-go against the API server, with protobuf and nothing else: what controllers written in Go do.
 *
 * The program (go/main.go) is built from Go's modules; without Go or its modules the tests are skipped and say so.
 */
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { homePaths } from "../../machinery/process/home.ts";
import { type Pipeline, startPipeline } from "../harness/pipeline.ts";
import { type Served, serve } from "../harness/served.ts";

const run = promisify(execFile);
const source = join(import.meta.dirname, "go");
const missing = whyNot();

/** Undefined when the program can be built. */
function whyNot(): string | undefined {
  try {
    execFileSync("go", ["mod", "download"], { cwd: source, timeout: 120_000, stdio: "pipe" });
    return undefined;
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: Buffer };
    return code === "ENOENT" ? "Go is not installed" : `Go's modules cannot be had: ${String(stderr).slice(0, 200)}`;
  }
}

describe.skipIf(missing)(`client-go${missing ? ` (${missing})` : ""}`, () => {
  const directory = mkdtempSync(join(tmpdir(), "k8ts-go-"));
  const program = join(directory, "clients");
  let pipeline: Pipeline;
  let served: Served;

  beforeAll(async () => {
    await run("go", ["build", "-o", program, "."], { cwd: source });
    pipeline = await startPipeline();
    served = await serve(pipeline);
  }, 600_000);
  afterAll(async () => {
    await served?.close();
    await pipeline?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test("creates, reads, watches, patches and reviews in protobuf", async () => {
    const env = { ...process.env, KUBECONFIG: homePaths(served.directory).adminKubeconfig };
    const { stdout } = await run(program, [], { env, timeout: 120_000 });
    const lines = stdout.trim().split("\n");
    expect(lines.filter((line) => !line.startsWith("ok "))).toEqual([]);
    expect(lines).toHaveLength(10);
  });

  test("agrees on which fields are pointers", async () => {
    const { stdout } = await run(program, ["presence"], { maxBuffer: 16 * 1024 * 1024 });
    const go = JSON.parse(stdout) as Facts;
    const file = join(import.meta.dirname, "../../apiserver/schema/facts/presence.json");
    const ours = JSON.parse(readFileSync(file, "utf8")) as Facts;
    let compared = 0;
    for (const [home, messages] of Object.entries(ours)) {
      for (const [message, marks] of Object.entries(messages)) {
        const theirs = go[home]?.[message];
        if (theirs === undefined) continue; // of a package that client-go does not have
        expect(`${home}.${message}: ${withoutLists(marks)}`).toBe(`${home}.${message}: ${theirs}`);
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(250);
  });
});

type Facts = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Lists in messages of their own are no matter of presence. */
const withoutLists = (marks: string): string =>
  marks
    .split(" ")
    .filter((mark) => !mark.endsWith("*"))
    .join(" ");
