/**
 * Sample: the first thing that a new cluster runs, built and applied by the commands that a user has.
 *
 * Its image is made of Debian's static busybox, so that no registry is needed.
 */
import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { HomePaths } from "../process/home.ts";
import type { Program } from "./process-table.ts";
import type { Progress } from "./progress.ts";

const run = promisify(execFile);

export interface SampleOptions {
  readonly program: Program;
  readonly paths: HomePaths;
  /** Simulated nodes take any image. */
  readonly simulated: boolean;
  readonly progress: Progress;
}

export async function deploySample({ program, paths, simulated, progress }: SampleOptions): Promise<void> {
  const k8ts = async (...args: string[]) => {
    const env = { ...process.env, KUBECONFIG: paths.adminKubeconfig, K8TS_HOME: paths.root };
    const { stdout } = await run(program.node, ["--disable-warning=ExperimentalWarning", program.main, ...args], {
      env,
    });
    return stdout.trim();
  };
  const file = join(dirname(program.main), "manifests", "samples", "hello.yaml");
  if (!simulated) await progress.step("sample image", () => k8ts("images", "sample"));
  await progress.step("sample", async (note) => {
    const applied = await k8ts("kubectl", "apply", "-f", file);
    note(applied.split("\n").join(", "));
    await k8ts("kubectl", "rollout", "status", "deployment/hello", "--timeout=120s");
    return "deployment/hello is available";
  });
}
