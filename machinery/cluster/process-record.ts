/**
 * Process record: remembers a started process in a file, so that another supervisor can adopt it.
 *
 * A pid alone may have been taken over by a stranger after a reboot: the record also holds the
 * time at which the kernel started it, and both must match before anything is signalled.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";

export interface ProcessRecord {
  readonly pid: number;
  /** Start time in clock ticks since boot with the boot's id (Linux), or "" where there is no /proc. */
  readonly started: string;
  /** What was started: a change asks for a restart. */
  readonly command: string;
}

export function writeRecord(path: string, pid: number, command: string): ProcessRecord {
  const record = { pid, started: startedAt(pid), command };
  writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return record;
}

/** The record, when its process is still alive. A stale or broken record counts as none. */
export function livingRecord(path: string): ProcessRecord | undefined {
  let record: ProcessRecord;
  try {
    record = JSON.parse(readFileSync(path, "utf8")) as ProcessRecord;
  } catch {
    return undefined;
  }
  return isAlive(record) ? record : undefined;
}

export function removeRecord(path: string): void {
  rmSync(path, { force: true });
}

export function isAlive({ pid, started }: Pick<ProcessRecord, "pid" | "started">): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return startedAt(pid) === started && !isZombie(pid);
}

/** Signals the process if it is still the one of the record. True when it was there. */
export function signalRecord(record: ProcessRecord, signal: NodeJS.Signals): boolean {
  if (!isAlive(record)) return false;
  try {
    return process.kill(record.pid, signal);
  } catch {
    return false; // it ended between the two calls
  }
}

function startedAt(pid: number): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot}/${statFields(pid)[19] ?? ""}`;
  } catch {
    return "";
  }
}

function isZombie(pid: number): boolean {
  try {
    return statFields(pid)[0] === "Z";
  } catch {
    return false;
  }
}

/** Fields of /proc/PID/stat from the third on ("state"): the second, in brackets, may hold spaces. */
function statFields(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}
