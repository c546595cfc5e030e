/**
 * Leftovers: everything on this machine that a cluster could leave behind, to compare before and after.
 *
 * Cgroups of other homes are left out: clusters on machines of other tests come and go meanwhile.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homePaths } from "../../machinery/process/home.ts";

/** Sorted lines, each naming one thing. */
export function machineState(home: string): readonly string[] {
  return [
    ...list("ip", "-o", "link").map((line) => `interface ${line.split(":")[1]?.trim().split("@")[0]}`),
    ...list("nft", "list", "tables").map((line) => `nftables ${line}`),
    ...list("ip", "route", "show", "table", "all").map((line) => `route ${line.replace(/\s+/g, " ").trim()}`),
    ...readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => line.includes(home) || line.includes("/netns/"))
      .map((line) => `mount ${line.split(" ")[4]}`),
    ...cgroups("/sys/fs/cgroup").filter(
      (line) => !/\/k8ts-[0-9a-f]{8}$/.test(line) || line.endsWith(homePaths(home).cgroup),
    ),
    ...files("/run/netns"),
    ...files("/run/containerd"),
    ...files("/run/containerd/s"),
    ...files("/var/lib/cni"),
    ...processes(home),
  ].toSorted();
}

function list(program: string, ...args: string[]): string[] {
  try {
    return execFileSync(program, args, {
      encoding: "utf8",
      env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` },
    })
      .split("\n")
      .filter(Boolean);
  } catch {
    return []; // a machine without the program has nothing of that kind
  }
}

function files(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).map((name) => `file ${directory}/${name}`) : [];
}

/** Two levels: controllers, and what lies directly below them. */
function cgroups(root: string): string[] {
  const below = (directory: string) =>
    readdirSync(directory, { withFileTypes: true })
      .filter((one) => one.isDirectory())
      .map(({ name }) => `${directory}/${name}`);
  return below(root)
    .flatMap((controller) => [controller, ...below(controller)])
    .map((path) => `cgroup ${path}`);
}

function processes(home: string): string[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
        const ours = command.includes(home) || environment.includes(`K8TS_HOME=${home}`);
        return ours ? [`process ${command}`] : [];
      } catch {
        return []; // it ended meanwhile
      }
    });
}
