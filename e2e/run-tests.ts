/**
 * Run tests: everything that a change must pass, in the order in which it fails fastest.
 *
 * Installs what the tests use, then lint and types, then unit and contract tests, which compute, beside those on real
 * containers and clusters, which wait. Each stage runs even when another failed, so that one run tells all.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { install, missing, nodePackages, samplePackages, testPackages } from "../machinery/cluster/packages.ts";
import { createProgress } from "../machinery/cluster/progress.ts";
import { defineComponent } from "../machinery/process/component.ts";

const root = join(import.meta.dirname, "..");
const bin = join(root, "node_modules", ".bin");

interface Stage {
  readonly name: string;
  readonly command: readonly string[];
  /** Where vitest leaves its counts. */
  readonly report?: string;
}

export const testCommand = defineComponent({
  name: "test",
  command: true,
  summary: "Runs every check and test.",
  flags: {
    "no-e2e": { type: "boolean", help: "leave out the tests that start real clusters" },
  },
  async run(flags, { clock }) {
    const progress = createProgress(clock, process.stderr);
    await installForTests(progress);
    const reports = mkdtempSync(join(tmpdir(), "k8ts-tests-"));
    const vitest = (name: string, projects: readonly string[], ...options: readonly string[]): Stage => {
      const report = join(reports, `${name}.json`);
      const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
      const chosen = projects.flatMap((project) => ["--project", project]);
      return { name, command: [join(bin, "vitest"), "run", ...chosen, ...reporters, ...options], report };
    };
    const total = { passed: 0, failed: 0, skipped: 0 };
    const lint = { name: "lint", command: [join(bin, "biome"), "check", "."] };
    const types = { name: "types", command: [join(bin, "tsc")] };
    for (const stage of [lint, types]) add(total, await runStage(stage));
    const clusters = flags["no-e2e"] ? [] : ["e2e", "computer"];
    const sideBySide = [
      // many of them wait for what takes its time: a worker for each core, the one that counts results included
      vitest("unit", ["unit"], "--maxWorkers=100%"),
      vitest(clusters.length > 0 ? "e2e" : "apart", ["apart", ...clusters]),
    ];
    for (const counts of await Promise.all(sideBySide.map(runStage))) add(total, counts);
    rmSync(reports, { recursive: true });
    process.stdout.write(`\ntests: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
    if (total.failed > 0) throw new Error(`${total.failed} checks failed`);
  },
});

type Counts = { passed: number; failed: number; skipped: number };

async function installForTests(progress: ReturnType<typeof createProgress>): Promise<void> {
  if (process.getuid?.() !== 0 || process.platform !== "linux") {
    return progress.say("tests on real containers are left out: they need root on Linux");
  }
  const needed = missing([...nodePackages, ...samplePackages, ...testPackages]);
  if (!needed.length) return;
  await progress.step(`installing ${[...new Set(needed.map((one) => one.package))].join(", ")}`, (note) =>
    install(needed, note),
  );
}

/** A stage without a report counts as one check. What it prints carries its name, for another may print too. */
async function runStage({ name, command, report }: Stage): Promise<Counts> {
  process.stdout.write(`\n== ${name}\n`);
  const [program = "", ...args] = command;
  const code = await new Promise<number>((resolve, reject) => {
    // Programs of npm begin with "env node": they must find the Node that runs this.
    const env = { ...process.env, PATH: `${bin}:${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
    const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], env });
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on("line", (line) => process.stdout.write(`${name}: ${line}\n`));
    child.on("error", reject);
    child.on("close", (status) => resolve(status ?? 1));
  });
  if (!report) return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
  const counts = readCounts(report);
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

/** No report: the run broke before it had one, which the exit code tells. */
function readCounts(report: string): Counts {
  try {
    const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(report, "utf8")) as Record<
      string,
      number
    >;
    return { passed: numPassedTests ?? 0, failed: numFailedTests ?? 0, skipped: numPendingTests ?? 0 };
  } catch (error) {
    process.stdout.write(`no report: ${String(error)}\n`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

function add(total: Counts, more: Counts): void {
  total.passed += more.passed;
  total.failed += more.failed;
  total.skipped += more.skipped;
}
