/**
 * Process identity: a leader's name by which others on the same machine can tell that it is dead.
 *
 * A process that was killed leaves its lease behind; whoever follows it on the same machine need not
 * wait for the lease to end. Only a certain death counts: same boot, same process namespace, and no
 * process of that number that started at that time. Elsewhere than on Linux nobody is known to be dead.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { Clock } from "../process/clock.ts";

/** "host_<boot>-<pid namespace>-<pid>-<start time>"; with a random part instead where /proc is missing. */
export function processIdentity(clock: Pick<Clock, "uuid">): string {
  const host = hostname().toLowerCase();
  const started = startOf(process.pid);
  const place = placeOf();
  return `${host}_${place && started ? `${place}-${process.pid}-${started}` : clock.uuid()}`;
}

export function isKnownDead(identity: string): boolean {
  const match = /_([0-9a-f]{32}-\d+)-(\d+)-(\d+)$/.exec(identity);
  if (!match || match[1] !== placeOf()) return false;
  return startOf(Number(match[2])) !== match[3];
}

/** Boot and process namespace: within both, a process number and its start time are unique. */
function placeOf(): string | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim().replaceAll("-", "");
    const namespace = /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0];
    return namespace ? `${boot}-${namespace}` : undefined;
  } catch {
    return undefined; // no /proc: nothing can be told
  }
}

/** When a living process started, in ticks since boot; undefined for one that is gone or only waits to be reaped. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined; // no such process
  }
}
