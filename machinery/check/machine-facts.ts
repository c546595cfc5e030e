/**
 * Machine facts: what `k8ts check` looks at on this machine. Reads and probes, judges nothing: see machine-rules.ts.
 *
 * What a kernel can do is tried, in a network namespace that vanishes with the attempt; nothing is left changed.
 */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { hostname, release } from "node:os";
import { dirname } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface MachineFacts {
  readonly linux: boolean;
  readonly root: boolean;
  /** "6.1.0-18-amd64". */
  readonly kernel: string;
  readonly hostName: string;
  /** Kernel feature ► whether an attempt to use it succeeded; undefined where the tool for it is missing. */
  readonly features: Readonly<Record<Feature, boolean | undefined>>;
  readonly bridgeFilter: boolean;
  readonly seccomp: boolean;
  readonly cgroups: { readonly version: 1 | 2 | undefined; readonly controllers: readonly string[] };
  readonly inotify: { readonly instances: number; readonly watches: number };
  readonly openFiles: number;
  readonly pidMax: number;
  /** Of the directory where k8ts keeps its data. */
  readonly disk: {
    readonly kind: string;
    readonly freeBytes: number;
    readonly bytes: number;
    readonly options: readonly string[];
  };
  readonly mayLowerOomScore: boolean;
  /** Of the host's resolv.conf, and of systemd-resolved's where there is one. */
  readonly nameServers: readonly string[];
  readonly resolvedServers: readonly string[];
  /** The device of the default route. */
  readonly uplink: { readonly device: string; readonly mtu: number } | undefined;
  readonly forwardDropped: boolean;
  readonly dockerUser: boolean;
}

export type Feature = "bridge" | "veth" | "vxlan" | "nftables" | "overlayfs";

/** Each leaves nothing: the namespaces end with the command. */
const ATTEMPTS: Readonly<Record<Feature, string>> = {
  bridge: "ip link add k8ts-try type bridge",
  veth: "ip link add k8ts-try type veth peer name k8ts-try2",
  vxlan: "ip link add k8ts-try type vxlan id 1 dstport 8472 local 127.0.0.1",
  nftables:
    "nft 'add table ip k8ts-try; add map ip k8ts-try m { type ipv4_addr : ipv4_addr; }; add chain ip k8ts-try c { type nat hook prerouting priority -100; }'",
  overlayfs:
    "mount -t tmpfs none /mnt && mkdir /mnt/l /mnt/u /mnt/w /mnt/m && mount -t overlay -o lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w none /mnt/m",
};

const CAP_SYS_RESOURCE = 1n << 24n;

export async function machineFacts(home: string): Promise<MachineFacts> {
  const root = process.getuid?.() === 0;
  const status = read("/proc/self/status");
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  return {
    linux: process.platform === "linux",
    root,
    kernel: release(),
    hostName: hostname(),
    features: Object.fromEntries(
      await Promise.all(
        Object.entries(ATTEMPTS).map(async ([name, script]) => [name, root ? await attempt(script) : undefined]),
      ),
    ) as MachineFacts["features"],
    bridgeFilter: existsSync("/proc/sys/net/bridge") || (root && (await succeeds("modprobe", "-n", "br_netfilter"))),
    seccomp: existsSync("/proc/sys/kernel/seccomp") || /^Seccomp:/m.test(status),
    cgroups: cgroups(),
    inotify: {
      instances: number("/proc/sys/fs/inotify/max_user_instances"),
      watches: number("/proc/sys/fs/inotify/max_user_watches"),
    },
    openFiles: Number(/^Max open files\s+(\d+)/m.exec(read("/proc/self/limits"))?.[1] ?? 0),
    pidMax: number("/proc/sys/kernel/pid_max"),
    disk: await disk(home),
    mayLowerOomScore: (capabilities & CAP_SYS_RESOURCE) !== 0n,
    nameServers: nameServers("/etc/resolv.conf"),
    resolvedServers: nameServers("/run/systemd/resolve/resolv.conf"),
    uplink: await uplink(),
    forwardDropped: (await output("iptables", "-w", "2", "-S", "FORWARD")).startsWith("-P FORWARD DROP"),
    dockerUser: await succeeds("iptables", "-w", "2", "-n", "-L", "DOCKER-USER"),
  };
}

/** In a network and a mount namespace of its own. Undefined where the program is missing. */
async function attempt(script: string): Promise<boolean | undefined> {
  try {
    await run("unshare", ["--net", "--mount", "sh", "-c", script], { env: environment() });
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code === 127 ? undefined : false;
  }
}

async function output(program: string, ...args: string[]): Promise<string> {
  return run(program, args, { env: environment() }).then(
    ({ stdout }) => stdout,
    () => "",
  );
}

async function succeeds(program: string, ...args: string[]): Promise<boolean> {
  return run(program, args, { env: environment() }).then(
    () => true,
    () => false,
  );
}

function cgroups(): MachineFacts["cgroups"] {
  const unified = "/sys/fs/cgroup/cgroup.controllers";
  if (existsSync(unified)) return { version: 2, controllers: read(unified).split(" ").filter(Boolean) };
  const rows = read("/proc/cgroups")
    .split("\n")
    .map((line) => line.split("\t"))
    .filter(([name = "#", , , enabled]) => !name.startsWith("#") && enabled === "1")
    .map(([name = ""]) => name)
    .filter((name) => existsSync(`/sys/fs/cgroup/${name}`));
  return { version: rows.length > 0 ? 1 : undefined, controllers: rows };
}

/** The kinds that matter, by the number that statfs gives. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  2035054128: "overlayfs",
  16914836: "tmpfs",
  26985: "nfs",
  61267: "ext4",
  1481003842: "xfs",
  2435016766: "btrfs",
};

async function disk(home: string): Promise<MachineFacts["disk"]> {
  let directory = home;
  while (!existsSync(directory)) directory = dirname(directory);
  const { type, bsize, bavail, blocks } = await statfs(directory);
  return {
    kind: FILE_SYSTEMS[type] ?? `file system 0x${type.toString(16)}`,
    freeBytes: bavail * bsize,
    bytes: blocks * bsize,
    options: mountOptions(directory),
  };
}

/** Of the mount in which a directory lies: the longest mount point that begins its path. */
function mountOptions(directory: string): readonly string[] {
  const mounts = read("/proc/self/mountinfo")
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, , , , point = "-"]) => directory === point || directory.startsWith(point === "/" ? "/" : `${point}/`))
    .toSorted((a, b) => (a[4] ?? "").length - (b[4] ?? "").length);
  return mounts.at(-1)?.[5]?.split(",") ?? [];
}

function nameServers(file: string): readonly string[] {
  return [...read(file).matchAll(/^nameserver\s+(\S+)/gm)].map((match) => match[1] as string);
}

/** Asked of this network namespace: /sys shows that in which it was mounted. */
async function uplink(): Promise<MachineFacts["uplink"]> {
  const device = read("/proc/net/route")
    .split("\n")
    .map((row) => row.split("\t"))
    .find(([, destination]) => destination === "00000000")?.[0];
  if (device === undefined) return undefined;
  return { device, mtu: await mtuOf(device) };
}

/** 0 where there is no such device. */
export async function mtuOf(device: string): Promise<number> {
  return Number(/ mtu (\d+) /.exec(await output("ip", "-o", "link", "show", "dev", device))?.[1] ?? 0);
}

const number = (file: string) => Number(read(file) || 0);

/** Empty where there is no such file. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "";
  }
}

const environment = () => ({ ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` });
