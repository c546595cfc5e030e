/**
 * Debian kubectl: the oldest kubectl that people still have, out of Debian's package, unpacked for itself alone.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Kubectl } from "./kubectls.ts";

const run = promisify(execFile);
const place = join(tmpdir(), "k8ts-debian-kubectl");

/** Its one program needs no other package; it is unpacked once a machine. Rejects where it cannot be had. */
export async function debianKubectl(): Promise<Kubectl> {
  const program = join(place, "usr", "bin", "kubectl");
  if (!existsSync(program)) await unpack();
  const { stdout } = await run(program, ["version", "--client", "-o", "json"]);
  const { minor } = (JSON.parse(stdout) as { clientVersion: { minor: string } }).clientVersion;
  return { version: `1.${minor.replace(/\D/g, "") || "20"}`, command: [program] };
}

async function unpack(): Promise<void> {
  const work = `${place}.${process.pid}`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const download = () => run("apt-get", ["download", "kubernetes-client"], { cwd: work });
  // apt's lists may be missing or name a version that is gone
  await download().catch(async () => {
    await run("apt-get", ["-o", "DPkg::Lock::Timeout=120", "update", "-qq"]);
    await download();
  });
  for (const file of readdirSync(work)) await run("dpkg-deb", ["-x", join(work, file), work]);
  if (!existsSync(place)) renameSync(work, place);
  rmSync(work, { recursive: true, force: true });
}
