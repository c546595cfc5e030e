/**
 * Lost shims: ends shims to which no containerd will ever speak again.
 *
 * A containerd that is killed while a sandbox begins leaves a shim without a task; the next one takes it for dead
 * and removes its directory, but does not end it. A shim runs in its sandbox's directory: where that is gone it is
 * on its way out, or lost when it is still there at the next look. One that has its directory is never touched.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../../machinery/process/clock.ts";
import type { Logger } from "../../../machinery/process/logging.ts";
import { type ContainerdLayout, NAMESPACE } from "./layout.ts";

export interface LostShims {
  /** May be called often: it looks now and then. */
  look(): void;
}

const LOOK_MS = 30_000;
const REMOVED = " (deleted)";

export function lostShims({ state }: Pick<ContainerdLayout, "state">, clock: Clock, log: Logger): LostShims {
  const tasks = join(state, "io.containerd.runtime.v2.task", NAMESPACE);
  let looked: number | undefined;
  /** Pid ► its sandbox's directory, of the last look. */
  let suspects: ReadonlyMap<number, string> = new Map();

  return {
    look() {
      const now = clock.monotonic();
      if (looked !== undefined && now - looked < LOOK_MS) return;
      looked = now;
      const found = new Map(withoutDirectory(tasks));
      for (const [pid, directory] of found) {
        if (suspects.get(pid) !== directory) continue;
        log.warn("a shim that was lost is ended", { pid, directory });
        end(pid);
      }
      suspects = found;
    },
  };
}

function withoutDirectory(tasks: string): readonly (readonly [pid: number, directory: string])[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => [Number(name), unlessGone(() => readlinkSync(`/proc/${name}/cwd`))] as const)
    .filter(([pid, directory]) => directory.startsWith(`${tasks}/`) && directory.endsWith(REMOVED) && isShim(pid));
}

const isShim = (pid: number): boolean =>
  unlessGone(() => readFileSync(`/proc/${pid}/cmdline`, "utf8"))
    .split("\0", 1)[0]!
    .includes("containerd-shim");

/** Processes end while they are looked at, and kernel threads show nothing. */
function unlessGone(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) return "";
    throw error;
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
