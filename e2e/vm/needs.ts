/**
 * Needs: what virtual machines take of this computer, installed where it is missing. The reason where it cannot be.
 */
import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { emulatorPackages, install, kernelPackages, missing, vmPackages } from "../../machinery/cluster/packages.ts";
import { canRunContainers } from "../harness/cluster.ts";
import { runBy } from "./run-by.ts";

/** Of disks, copies of them, and of Debian. */
const DISK_GIB = 12;
const GIB = 1024 ** 3;

export async function whyNoMachines(): Promise<string | undefined> {
  if (!canRunContainers) return "they need root on Linux";
  if (process.arch !== "x64") return "their disk is made for x86-64";
  const { bavail, bsize } = await statfs(tmpdir());
  if (bavail * bsize < DISK_GIB * GIB) return `${tmpdir()} has less than ${DISK_GIB} GiB free`;
  const needed = missing([...vmPackages, ...(runBy() === "uml" ? kernelPackages : emulatorPackages)]);
  if (needed.length === 0) return undefined;
  const note = (text: string) => void process.stderr.write(`${text}\n`);
  return install(needed, note).then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}
