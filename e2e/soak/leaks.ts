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
  const all = await list<Pod>("pods", "-A");
  const pods = all.filter(({ spec }) => spec?.nodeName === machine.name);
  const uids = new Set(pods.map(({ metadata }) => metadata.uid ?? ""));
  const living = pods.filter(({ status }) => status?.phase !== "Succeeded" && status?.phase !== "Failed");
  const count = async (script: string) => Number(await machine.run("sh", "-c", `${script} | wc -l`));
  const { paths } = machine;
  const counts: readonly (readonly [what: string, found: number])[] = [
    [SHIMS, await count("ps -eo args | grep '[c]ontainerd-shim'")],
    [WRITERS, await count("ps -eo args | grep '[l]og-writer'")],
    ["interfaces of Pods", await count("ip -o link show type veth | grep -v ' eth0'")],
    ["addresses given out", await count(`find ${paths.cniData} -name '10.42.*'`)],
    ["network namespaces", await count(`grep '${paths.root}/.* - nsfs ' /proc/self/mountinfo`)],
    [
      "root file systems of containers and sandboxes, by two",
      (await count(`grep '${paths.root}/.* - overlay ' /proc/self/mountinfo`)) / 2,
    ],
  ];
  const ips = new Set(all.flatMap(({ status }) => status?.podIPs?.map(({ ip }) => ip) ?? []));
  const rules = await machine.run("sh", "-c", "PATH=$PATH:/usr/sbin:/sbin nft list ruleset");
  const dead = [...new Set(rules.match(POD_ADDRESS))].filter((address) => !ips.has(address));
  const strangers = (text: string) =>
    [...new Set([...text.matchAll(UID)].map(([uid]) => uid.replaceAll("_", "-")))].filter((uid) => !uids.has(uid));
  const traces: readonly (readonly [what: string, text: string])[] = [
    ["cgroups of Pods", await machine.run("sh", "-c", `find /sys/fs/cgroup -path '*${paths.cgroup}*' -name '*pod*'`)],
    ["mounts of Pods", await machine.run("sh", "-c", `grep -o '${paths.kubelet}/[^ ]*' /proc/self/mountinfo || :`)],
    ["directories of Pods", await machine.run("sh", "-c", `ls ${paths.kubelet}/pods 2>/dev/null || :`)],
    ["logs of Pods", await machine.run("sh", "-c", `ls ${paths.podLogs} 2>/dev/null || :`)],
  ];
  const tooMany = counts.filter(([, found]) => found > living.length);
  const processes = tooMany.some(([what]) => PROCESSES.has(what)) ? await machine.run("ps", "-eo", PS_FIELDS) : "";
  return [
    ...tooMany.map(([what, found]) => `${machine.name}: ${found} ${what} for ${living.length} Pods`),
    ...processes.split("\n").filter(Boolean),
    ...traces.flatMap(([what, text]) => strangers(text).map((uid) => `${machine.name}: ${what}: ${uid} is no Pod`)),
    ...dead.map((address) => `${machine.name}: rules: ${address} is no Pod's`),
    ...(await tooLarge(machine)),
  ];
}

const [SHIMS, WRITERS] = ["shims", "writers of logs"];
/** Where there are too many of these, all are shown. */
const PROCESSES = new Set([SHIMS, WRITERS]);
const PS_FIELDS = "pid,ppid,stat,etimes,args";

/** In a rule or a set; not a network, and not a node's own address in it. */
const POD_ADDRESS = /\b10\.42\.\d+\.(?![01]\b)\d+\b(?!\/)/g;

const UID = /[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}/g;

async function tooLarge(machine: Machine): Promise<readonly string[]> {
  return (await sizes(machine)).flatMap(([name, found]) => {
    const most = MEMORY_MB[name];
    return most !== undefined && found > most ? [`${machine.name}: ${name} holds ${found} MB, more than ${most}`] : [];
  });
}

/** "one: server 120 MB, agent 90 MB". */
export async function memoryOf(machine: Machine): Promise<string> {
  return `${machine.name}: ${(await sizes(machine)).map(([name, found]) => `${name} ${found} MB`).join(", ")}`;
}

/** Of each process in MB, as proportional set size: pages that processes share are counted once. */
async function sizes({ run, paths }: Machine): Promise<readonly (readonly [name: string, megabytes: number])[]> {
  const script = `for pid in ${paths.run}/*.pid; do
    name=$(basename $pid .pid); number=$(sed 's/.*"pid":\\([0-9]*\\).*/\\1/' $pid)
    echo $name $(sed -n 's/^Pss: *\\([0-9]*\\).*/\\1/p' /proc/$number/smaps_rollup 2>/dev/null || echo 0)
  done`;
  const rows = (await run("sh", "-c", script)).trim().split("\n");
  return rows.map((row) => {
    const [name = "", kib = "0"] = row.split(" ");
    return [name, Math.round(Number(kib) / 1024)];
  });
}
