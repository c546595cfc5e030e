/**
 * Python: Debian's python3-kubernetes against a simulated cluster. It runs in a root of its own, made of Debian's
 * packages, so that nothing is installed here; where these cannot be had the test is skipped and says so.
 */
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { canRunContainers, startCluster } from "../harness/cluster.ts";
import { debianRoot } from "../harness/debian-root.ts";

const run = promisify(execFile);
const script = join(import.meta.dirname, "python", "client.py");

test.skipIf(!canRunContainers)("python3-kubernetes does what it does elsewhere", async ({ skip }) => {
  const root = await debianRoot("python-kubernetes", ["python3-kubernetes"]).catch((error: Error) => error);
  if (root instanceof Error) return skip(`python3-kubernetes cannot be had: ${root.message.slice(0, 200)}`);
  const cluster = await startCluster("--simulated");
  try {
    mkdirSync(join(root, "tmp"), { recursive: true });
    copyFileSync(script, join(root, "tmp", "client.py"));
    copyFileSync(cluster.paths.adminKubeconfig, join(root, "tmp", "config"));
    const env = { PATH: "/usr/bin:/bin", HOME: "/tmp", KUBECONFIG: "/tmp/config", LANG: "C.UTF-8" };
    const { stdout } = await run("/usr/sbin/chroot", [root, "python3", "/tmp/client.py"], { env, timeout: 200_000 });
    const lines = stdout.trim().split("\n");
    expect(lines.filter((line) => !line.startsWith("ok "))).toEqual([]);
    expect(lines).toHaveLength(6);
  } finally {
    await cluster.down();
  }
});
