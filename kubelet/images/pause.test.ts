import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { architectureOf, pauseProgram } from "./pause.ts";

const runs = process.platform === "linux" && ["x64", "arm64"].includes(process.arch);
const isolates = runs && process.getuid?.() === 0;

describe("pause program", () => {
  const directory = mkdtempSync(join(tmpdir(), "pause-"));
  const file = join(directory, "pause");
  beforeAll(() => {
    if (runs) writeFileSync(file, pauseProgram(architectureOf(process.arch)), { mode: 0o755 });
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  test.each(["amd64", "arm64"] as const)("is a small static ELF for %s", (architecture) => {
    const program = pauseProgram(architecture);
    expect(program.subarray(0, 4).toString("latin1")).toBe("\x7fELF");
    expect(program.readUInt16LE(18)).toBe({ amd64: 62, arm64: 183 }[architecture]);
    expect(program.length).toBeLessThan(300);
    expect(program.readBigUInt64LE(96)).toBe(BigInt(program.length));
  });

  test.skipIf(!runs).each(["SIGTERM", "SIGINT"] as const)("waits until %s, and ends with 0", async (signal) => {
    const child = spawn(file, { stdio: "ignore" });
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    await expect.poll(() => stateOf(child.pid), { timeout: 5_000 }).toBe("S");
    child.kill("SIGHUP"); // any other signal is taken and forgotten
    await expect.poll(() => stateOf(child.pid), { timeout: 5_000 }).toBe("S");
    child.kill(signal);
    expect(await ended).toBe(0);
  });

  test.skipIf(!isolates)("reaps what is orphaned to it as process 1, and still ends on SIGTERM", async () => {
    // the shell starts a child of its own, then becomes pause: the child ends as pause's
    const script = `sleep 0.2 & sleep 0.2 & exec ${file}`;
    const child = spawn("unshare", ["--pid", "--fork", "--kill-child", "sh", "-c", script], { stdio: "ignore" });
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    const one = () => childrenOf(child.pid)[0];
    await expect.poll(() => childrenOf(one()).length, { timeout: 5_000 }).toBe(2);
    await expect.poll(() => childrenOf(one()).length, { timeout: 5_000 }).toBe(0);
    process.kill(one() ?? 0, "SIGTERM");
    expect(await ended).toBe(0);
  });
});

function stateOf(pid: number | undefined): string | undefined {
  return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.[0];
}

function childrenOf(pid: number | undefined): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
}
