/**
 * Leaks: what lies on a machine that no Pod of the API accounts for.
 *
 * Counted on the machine itself, from outside of what made it: shims, interfaces, addresses, cgroups,
 * mounts and directories of Pods, tables, and the memory of k8ts' own processes.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Machine } from "../harness/machines.ts";
import type { Scene } from "./scene.ts";

const MEMORY_MB: Readonly<Record<string, number>> = { server: 260, agent: 190, dns: 120, supervisor: 130 };

/** A line for each thing too many; none when all is as it should be. */
export async function leaksOn({ list }: Scene, machine: Machine): Promise<readonly string[]> {
  const pods = (await list<Pod>("pods", "-A")).filter(({ spec }) => spec?.nodeName === machine.name);
  const uids = new Set(pods.map(({ metadata }) => metadata.uid ?? ""));
  const living = pods.filter(({ status }) => status?.phase !== "Succeeded" && status?.phase !== "Failed");
  const count = async (script: string) => Number(await machine.run("sh", "-c", `${script} | wc -l`));
  const { paths } = machine;
  const counts: readonly (readonly [what: string, found: number])[] = [
    ["shims", await count("ps -eo args | grep '[c]ontainerd-shim'")],
    ["interfaces of Pods", await count("ip -o link show master k8ts0")],
    ["addresses given out", await count(`find ${paths.cniData} -name '10.42.*'`)],
  ];
  const strangers = (text: string) =>
    [...new Set([...text.matchAll(UID)].map(([uid]) => uid.replaceAll("_", "-")))].filter((uid) => !uids.has(uid));
  const traces: readonly (readonly [what: string, text: string])[] = [
    ["cgroups of Pods", await machine.run("sh", "-c", `find /sys/fs/cgroup -path '*${paths.cgroup}*' -name '*pod*'`)],
    ["mounts of Pods", await machine.run("sh", "-c", `grep -o '${paths.kubelet}/[^ ]*' /proc/self/mountinfo || :`)],
    ["directories of Pods", await machine.run("sh", "-c", `ls ${paths.kubelet}/pods 2>/dev/null || :`)],
    ["logs of Pods", await machine.run("sh", "-c", `ls ${paths.podLogs} 2>/dev/null || :`)],
  ];
  return [
    ...counts
      .filter(([, found]) => found > living.length)
      .map(([what, found]) => `${machine.name}: ${found} ${what} for ${living.length} Pods`),
    ...traces.flatMap(([what, text]) => strangers(text).map((uid) => `${machine.name}: ${what}: ${uid} is no Pod`)),
    ...(await tooLarge(machine)),
  ];
}

const UID = /[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}/g;

/** Proportional set size: pages that processes share are counted once. */
async function tooLarge(machine: Machine): Promise<readonly string[]> {
  const script = `for pid in ${machine.paths.run}/*.pid; do
    name=$(basename $pid .pid); number=$(sed 's/.*"pid":\\([0-9]*\\).*/\\1/' $pid)
    echo $name $(sed -n 's/^Pss: *\\([0-9]*\\).*/\\1/p' /proc/$number/smaps_rollup 2>/dev/null || echo 0)
  done`;
  const rows = (await machine.run("sh", "-c", script))
    .trim()
    .split("\n")
    .map((line) => line.split(" "));
  return rows.flatMap(([name = "", kib = "0"]) => {
    const most = MEMORY_MB[name];
    const found = Math.round(Number(kib) / 1024);
    return most !== undefined && found > most ? [`${machine.name}: ${name} holds ${found} MB, more than ${most}`] : [];
  });
}
