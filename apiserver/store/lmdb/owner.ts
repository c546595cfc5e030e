/**
 * Owner: one process at a time works on a store's directory.
 *
 * The owner is written in a transaction of LMDB itself, so of two processes that start together one wins.
 * A process that was killed leaves its name behind: it counts only while that very process (pid and start
 * time) lives.
 */
import { readFileSync } from "node:fs";
import type { Database, RootDatabase } from "lmdb";

interface Owner {
  readonly pid: number;
  /** Start of the process in the kernel's ticks, with the boot's id: pids are used again. */
  readonly started: string;
}

const KEY = Buffer.from("owner");

/** Throws when another living process, or this one, has the store open. */
export function claim(root: RootDatabase<Buffer, Buffer>, meta: Database<Buffer, Buffer>, directory: string): void {
  root.transactionSync(() => {
    const found = meta.getBinary(KEY);
    const owner = found && (JSON.parse(Buffer.from(found).toString("utf8")) as Owner);
    if (owner && alive(owner)) {
      throw new Error(`the store in ${directory} is in use by process ${owner.pid}: stop that process first`);
    }
    const me: Owner = { pid: process.pid, started: startOf(process.pid) ?? "" };
    meta.putSync(KEY, Buffer.from(JSON.stringify(me)));
  });
}

export async function release(meta: Database<Buffer, Buffer>): Promise<void> {
  await meta.remove(KEY);
}

function alive({ pid, started }: Owner): boolean {
  const now = startOf(pid);
  if (now !== undefined) return now === started;
  try {
    process.kill(pid, 0);
    return started === "";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM" && started === "";
  }
}

/** When a process was started, or undefined when there is none or the system has no /proc. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return `${boot}/${fields[19]}`;
  } catch {
    return undefined; // no such process, or not Linux
  }
}
