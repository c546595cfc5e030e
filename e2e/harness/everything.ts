/**
 * Everything: all processes of a cluster at once, killed as when the machine loses its power.
 *
 * Found from outside, by the home directory in their command line or environment and by their
 * cgroup, so that nothing the cluster forgot is overlooked. Single processes: Cluster.kill.
 */
import { readdirSync, readFileSync } from "node:fs";
import { systemClock } from "../../machinery/process/clock.ts";
import type { HomePaths } from "../../machinery/process/home.ts";

/** kill -9 of supervisor, components, containerd, shims and what runs in containers, until none is left. */
export async function killEverything(paths: HomePaths): Promise<void> {
  for (let living = processesOf(paths); living.length; living = processesOf(paths)) {
    for (const pid of living) kill(pid);
    await systemClock.sleep(20);
  }
}

/** Pids of the cluster's processes, this one left out. Those of a word in their command line only, when one is given. */
export function processesOf({ root, cgroup }: HomePaths, word = ""): readonly number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((pid) => {
      const command = read(pid, "cmdline").replaceAll("\0", " ");
      const ours =
        command.includes(root) ||
        read(pid, "environ").includes(`K8TS_HOME=${root}\0`) ||
        read(pid, "cgroup").includes(`${cgroup}/`);
      return ours && command !== "" && command.includes(word);
    })
    .map(Number);
}

function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return ""; // it ended meanwhile
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
