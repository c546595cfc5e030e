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
  /** Of the nodes: each gets the image. */
  readonly homes: readonly HomePaths[];
  /** Simulated nodes take any image. */
  readonly simulated: boolean;
  readonly progress: Progress;
}

export async function deploySample({ program, paths, homes, simulated, progress }: SampleOptions): Promise<void> {
  const k8ts = (...args: string[]) => k8tsAt(paths, ...args);
  const k8tsAt = async ({ root }: HomePaths, ...args: string[]) => {
    const env = { ...process.env, KUBECONFIG: paths.adminKubeconfig, K8TS_HOME: root };
    const { stdout } = await run(program.node, ["--disable-warning=ExperimentalWarning", program.main, ...args], {
      env,
    });
    return stdout.trim();
  };
  const file = join(dirname(program.main), "manifests", "samples", "hello.yaml");
  if (!simulated)
    await progress.step("sample image", async () => {
      for (const home of homes) await k8tsAt(home, "images", "sample");
    });
  await progress.step("sample", async (note) => {
    const applied = await k8ts("kubectl", "apply", "-f", file);
    note(applied.split("\n").join(", "));
    await k8ts("kubectl", "rollout", "status", "deployment/hello", "--timeout=120s");
    return "deployment/hello is available";
  });
}
