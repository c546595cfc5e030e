/**
 * Machines: computers of a test's own, made of namespaces and joined by a switch whose cables can be cut.
 *
 * Each has its network, host name, processes, mounts and a home for k8ts, so that real nodes run side by
 * side and beside whatever else runs here. All end with the test's process, whatever happens to it.
 * What a machine is made of: machinery/machines/boot.ts.
 */
import { execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { cgroupDirectories, removeTree } from "../../kubelet/runtime/containerd/cgroups.ts";
import { BOOTED, bootCommand, boundTo, entering, HALTING } from "../../machinery/machines/boot.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { type HomePaths, homePaths } from "../../machinery/process/home.ts";
import { eventually, type Ran } from "./cluster.ts";
import { type Running, start } from "./running.ts";

const run = promisify(execFile);
const program = join(import.meta.dirname, "..", "..", "k8ts");

export interface Machine {
  readonly name: string;
  readonly address: string;
  /** The router's end of its cable. */
  readonly port: string;
  /** Home of k8ts on it; outlives a reboot. */
  readonly paths: HomePaths;
  readonly env: NodeJS.ProcessEnv;
  /** What a command begins with that shall run on it. Another one after each boot. */
  readonly enter: readonly string[];
  /** Runs a command on it and gives what it printed; rejects when it fails. */
  run(...command: readonly string[]): Promise<string>;
  /** The same, whatever its exit code. */
  attempt(...command: readonly string[]): Promise<Ran>;
  /** `k8ts …` on it. */
  k8ts(...args: readonly string[]): Promise<string>;
  /** A program that goes on. */
  start(...command: readonly string[]): Running;
  /** Pid, on the machine, of a process of k8ts by its supervisor's record. */
  pidOf(process: string): number;
  /** kill -9. */
  kill(process: string): void;
  /** Pulls its network cable, and puts it back. */
  cut(): void;
  mend(): void;
  /** Pulls the plug: every process is gone at once, the disk stays. */
  powerOff(): Promise<void>;
  /** Boots it again, as after a reboot: nothing of k8ts is started. */
  powerOn(): Promise<void>;
  /** Asks all its processes to end, and is off when they have. */
  shutDown(): Promise<void>;
}

export interface MachineOptions {
  /** Machines of one segment share a link; segments reach each other through a router. Default 0. */
  readonly segment?: number;
  /** Default 1500. */
  readonly mtu?: number;
}

export interface Machines extends AsyncDisposable {
  /** Boots another one. */
  machine(name: string, options?: MachineOptions): Promise<Machine>;
  /** What a command begins with that shall run on the router. */
  readonly outside: readonly string[];
  /** Runs a command on the router between the segments: `nft`, `tc`, `tcpdump` … */
  onRouter(...command: readonly string[]): string;
  /** Ends them all and removes what they left. */
  close(): Promise<void>;
}

const BOOT_MS = 30_000;

export interface MachinesOptions {
  /** How many segments there are. Default 1. */
  readonly segments?: number;
  /** Segments whose machines leave by the router's address, as behind a NAT. */
  readonly hidden?: readonly number[];
}

/** Addresses are 10.99.SEGMENT.11 and on; the router is 10.99.SEGMENT.1 in each. */
export async function createMachines({ segments = 1, hidden = [] }: MachinesOptions = {}): Promise<Machines> {
  const root = mkdtempSync(join(tmpdir(), "k8ts-m"));
  const router = await holder(["unshare", "--net", "sh", "-c", routerScript(segments, hidden)]);
  const outside = ["nsenter", `--net=/proc/${router.pid}/ns/net`, "--"];
  const all: Machine[] = [];
  let last = 10;
  const machines: Machines = {
    outside,
    async machine(name, { segment = 0, mtu = 1500 } = {}) {
      const number = ++last;
      const directory = join(root, name);
      const paths = homePaths(join(directory, "k8ts"));
      mkdirSync(directory);
      const address = `10.99.${segment}.${number}`;
      const port = `port${number}`;
      const boot = bootCommand({
        name,
        directory,
        address: `${address}/24`,
        gateway: `10.99.${segment}.1`,
        cable: { bridge: `segment${segment}`, port },
        mtu,
      });
      const cable = (state: "up" | "down") => sync([...outside, "ip", "link", "set", port, state]);
      const made = await booted({ name, address, port, paths, boot: [...outside, ...boot], cable });
      all.push(made);
      return made;
    },
    onRouter: (...command) => sync([...outside, ...command]),
    async close() {
      await Promise.all(all.map((machine) => machine.powerOff()));
      await router.end();
      for (const { paths } of all) await eventually("cgroups to be empty", () => removeCgroups(paths.cgroup), 10_000);
      rmSync(root, { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: () => machines.close(),
  };
  return machines;
}

function routerScript(segments: number, hidden: readonly number[]): string {
  const bridges = Array.from({ length: segments }, (_, segment) => [
    `ip link add segment${segment} type bridge`,
    `ip address add 10.99.${segment}.1/24 dev segment${segment}`,
    `ip link set segment${segment} up`,
  ]);
  const masquerading = hidden.map(
    (segment) =>
      `nft 'add table ip hide; add chain ip hide out { type nat hook postrouting priority 100; }; ` +
      `add rule ip hide out ip saddr 10.99.${segment}.0/24 oifname != "segment${segment}" masquerade'`,
  );
  return [
    "set -e",
    "PATH=$PATH:/usr/sbin:/sbin",
    "ip link set lo up",
    "echo 1 > /proc/sys/net/ipv4/ip_forward",
    ...bridges.flat(),
    ...masquerading,
    `echo ${BOOTED}`,
    "exec sleep 1000000",
  ].join("\n");
}

interface BootParts {
  readonly name: string;
  readonly address: string;
  readonly port: string;
  readonly paths: HomePaths;
  readonly boot: readonly string[];
  cable(state: "up" | "down"): void;
}

async function booted({ name, address, port, paths, boot, cable }: BootParts): Promise<Machine> {
  const env = { ...process.env, K8TS_HOME: paths.root, KUBECONFIG: paths.adminKubeconfig, HOME: paths.root };
  let held: Holder | undefined = await holder(boot);
  const enter = () => {
    if (!held) throw new Error(`machine ${name} is off`);
    return entering(held.pid);
  };
  const pidOf = (process: string) =>
    (JSON.parse(readFileSync(join(paths.run, `${process}.pid`), "utf8")) as { pid: number }).pid;
  const machine: Machine = {
    name,
    address,
    port,
    paths,
    env,
    get enter() {
      return enter();
    },
    async run(...command) {
      const { code, stdout, stderr } = await machine.attempt(...command);
      if (code !== 0) throw new Error(`${command.join(" ")} on ${name}: exit code ${code}\n${stdout}\n${stderr}`);
      return stdout;
    },
    async attempt(...command) {
      const [file = "", ...args] = boundTo([...enter(), ...boundTo(command)]);
      const options = { env, maxBuffer: 64 * 1024 * 1024 };
      return run(file, args, options).then(
        (said) => ({ code: 0, ...said }),
        (error: { code?: unknown; stdout?: string; stderr?: string; message: string }) => ({
          code: typeof error.code === "number" ? error.code : 1,
          stdout: error.stdout ?? "",
          stderr: error.stderr || error.message,
        }),
      );
    },
    k8ts: (...args) => machine.run(program, ...args),
    start: (...command) => start([...enter(), ...boundTo(command)], env),
    pidOf,
    kill: (process) => void sync([...enter(), "kill", "-9", String(pidOf(process))]),
    cut: () => cable("down"),
    mend: () => cable("up"),
    async powerOff() {
      await held?.end();
      held = undefined;
    },
    async powerOn() {
      if (!held) held = await holder(boot);
    },
    async shutDown() {
      if (!held) return;
      await machine.attempt(...HALTING); // it is killed with the machine
      await held.ended;
      held = undefined;
    },
  };
  return machine;
}

interface Holder {
  readonly pid: number;
  readonly ended: Promise<void>;
  /** kill -9; resolves when nothing of it is left. */
  end(): Promise<void>;
}

/** Starts a process that holds namespaces, and waits until it says that they are ready. */
async function holder(command: readonly string[]): Promise<Holder> {
  const [file = "", ...args] = boundTo(command);
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const up = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`a machine did not boot (exit code ${code}): ${said}`)));
    child.stdout.on("data", (text) => String(text).includes(BOOTED) && resolve());
  });
  await Promise.race([up, tooLate()]);
  const pid = child.pid as number;
  const first = childrenOf(pid);
  return {
    pid,
    ended: exited,
    async end() {
      child.kill("SIGKILL");
      await exited;
      // The first process of a process namespace is gone when all others are.
      for (const one of first) while (existsSync(`/proc/${one}`)) await systemClock.sleep(10);
    },
  };
}

function tooLate(): Promise<never> {
  return new Promise((_, reject) => {
    const late = () => reject(new Error(`a machine did not boot within ${BOOT_MS / 1000} s`));
    systemClock.after(BOOT_MS, late, { background: true });
  });
}

async function removeCgroups(cgroup: string): Promise<void> {
  const left = cgroupDirectories(cgroup).filter((directory) => !removeTree(directory));
  if (left.length > 0) throw new Error(`processes are left in ${left.join(", ")}`);
}

function sync([file = "", ...args]: readonly string[]): string {
  const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
  return execFileSync(file, args, { encoding: "utf8", env });
}

function childrenOf(parent: number): readonly number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => parentOf(pid) === parent);
}

/** 0 where it ended meanwhile. */
function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return 0;
  }
}
