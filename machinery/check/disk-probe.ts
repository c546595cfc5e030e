/**
 * Disk probe: how long this disk takes to keep what it is given, and whether it only says so.
 *
 * A store answers after fdatasync: a slow disk makes every write slow, and one that answers faster than a disk
 * can has kept nothing yet, so that a power cut loses what was acknowledged.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "../process/clock.ts";
import { type Finding, good, poor } from "./finding.ts";

const ROUNDS = 30;
const BLOCK_BYTES = 4_096;
const SLOW_MS = 50;
/** The journal of a file system alone takes a good disk longer. */
const TOO_FAST_MS = 0.02;

export async function probeDisk(home: string, clock: Clock): Promise<Finding> {
  let directory = home;
  while (!existsSync(directory)) directory = dirname(directory);
  mkdirSync(directory, { recursive: true });
  const work = mkdtempSync(join(directory, ".k8ts-check-"));
  try {
    return judgeDisk(await syncTimes(join(work, "probe"), clock));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function syncTimes(path: string, clock: Clock): Promise<readonly number[]> {
  const file = await open(path, "w");
  const block = Buffer.alloc(BLOCK_BYTES, 1);
  const times: number[] = [];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await file.write(block);
      const began = clock.monotonic();
      await file.datasync();
      times.push(clock.monotonic() - began);
    }
  } finally {
    await file.close();
  }
  return times;
}

/** From the milliseconds that each fdatasync took. */
export function judgeDisk(times: readonly number[]): Finding {
  const sorted = times.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const slowest = sorted.at(-1) ?? 0;
  const found = `fdatasync takes ${median.toFixed(2)} ms, at most ${slowest.toFixed(1)} ms`;
  if (median < TOO_FAST_MS)
    return poor(
      "disk",
      `${found}: faster than a disk can be`,
      "it may keep nothing before a power cut: turn its write cache off (hdparm -W0) or, of a virtual disk, choose cache=none",
    );
  if (median > SLOW_MS)
    return poor(
      "disk",
      found,
      "every write of a server waits that long: put K8TS_HOME on a faster disk; an agent does not mind",
    );
  return good("disk", found);
}
