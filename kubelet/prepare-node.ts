/**
 * prepare-node: what must stand before this machine's containerd is started. The supervisor runs it each time.
 *
 * A containerd of ours that nobody watches any more (its record was lost) is stopped first: two on one
 * directory would wait for each other for ever. Its containers live on.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { Clock } from "../machinery/process/clock.ts";
import { defineComponent } from "../machinery/process/component.ts";
import { homePaths } from "../machinery/process/home.ts";
import { prepareContainerd } from "./runtime/containerd/daemon.ts";

export const prepareNodeCommand = defineComponent({
  name: "prepare-node",
  command: true,
  summary: "Writes the configuration of this node's containerd and clears what a crash left (run by the supervisor).",
  flags: {},
  async run(_flags, { home, log, clock }) {
    const paths = homePaths(home);
    const first = await prepareContainerd({ paths, log });
    if (!first.running) return;
    await stopAll(processesOf([first.command, ...first.args]), clock);
    await prepareContainerd({ paths, log });
  },
});

/** Pids of processes with exactly these arguments. */
function processesOf(commandLine: readonly string[]): readonly number[] {
  const tail = `${commandLine.join("\0")}\0`;
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => argumentsOf(pid).endsWith(tail));
}

function argumentsOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return ""; // it ended meanwhile
  }
}

async function stopAll(pids: readonly number[], clock: Clock): Promise<void> {
  for (const pid of pids) {
    process.kill(pid, "SIGTERM");
    while (argumentsOf(pid) !== "") await clock.sleep(20);
  }
}
