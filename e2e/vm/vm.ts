/**
 * VM: a virtual machine on a switch of harness/machines.ts, with a root shell to speak to.
 *
 * It ends with the test's process. What runs it: run-by.ts.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { boundTo } from "../../machinery/machines/boot.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import type { Machines } from "../harness/machines.ts";
import { type BootFiles, copyDisk, SHELL_PORT } from "./disk.ts";
import { type RunBy, runBy } from "./run-by.ts";

export interface Vm {
  readonly name: string;
  readonly address: string;
  /** Runs a shell's script as root and gives what it printed; rejects when it fails. */
  run(script: string, ms?: number): Promise<string>;
  /** As by its own command: qemu goes on, the system starts again. Resolves when it is up. */
  reboot(): Promise<void>;
  /** Pulls the plug. */
  powerOff(): Promise<void>;
}

export interface VmOptions {
  readonly machines: Machines;
  readonly name: string;
  /** Of its address: 10.99.0.NUMBER. */
  readonly number: number;
  readonly boot: BootFiles;
  /** For its disk and its console's text. */
  readonly directory: string;
}

const MEMORY_MB = 1_800;
const KERNEL = "rw quiet loglevel=4 net.ifnames=0 panic=5 systemd.show_status=0 audit=0";
/**
 * The counter of cycles is exact under emulation, and any other clock costs a hundred times as much; what protects
 * real processors from each other's secrets only slows these down.
 */
const QEMU_KERNEL = "root=/dev/vda console=ttyS0 tsc=reliable clocksource=tsc no_timer_check mitigations=off";
/** With all of it that must end before. */
const UP_MS = 1_200_000;
const POLL_MS = 1_000;

/** Boots it and waits until its system is up. */
export async function startVm({ machines, name, number, boot, directory }: VmOptions): Promise<Vm> {
  const address = `10.99.0.${number}`;
  const tap = `tap${number}`;
  const disk = join(directory, `${name}.raw`);
  await copyDisk(boot.disk, disk);
  machines.onRouter("ip", "tuntap", "add", tap, "mode", "tap");
  machines.onRouter("ip", "link", "set", tap, "master", "segment0", "up");
  const kernelLine = `${KERNEL} test.name=${name} test.address=${address}/24 test.gateway=10.99.0.1`;
  const mac = `52:54:00:00:00:${number.toString(16).padStart(2, "0")}`;
  const consoleFile = join(directory, `${name}.console`);
  const hardware: Hardware = { boot, disk, tap, mac, kernelLine };
  const machine = spawnOn([...machines.outside, ...RUNS[runBy()](hardware)], openSync(consoleFile, "a"));

  const run = async (script: string, ms = 600_000): Promise<string> => {
    const said = await shell(machines, address, script, ms);
    const end = /\n?exit code (\d+)\n$/.exec(said);
    if (end?.[1] !== "0") throw new Error(`on ${name}: ${script}\n${said || "no answer"}`);
    return said.slice(0, end.index);
  };
  const bootId = () => run("cat /proc/sys/kernel/random/boot_id", 20_000);
  const up = async (not = ""): Promise<void> => {
    const until = systemClock.monotonic() + UP_MS;
    for (;;) {
      try {
        if ((await bootId()) !== not) return;
      } catch (error) {
        const ended = hasEnded(machine);
        if (ended || systemClock.monotonic() > until)
          throw new Error(`${name} ${ended ? "ended" : "is not up"}; its console:\n${lastOf(consoleFile)}`, {
            cause: error,
          });
      }
      await systemClock.sleep(POLL_MS);
    }
  };
  await up();
  return {
    name,
    address,
    run,
    async reboot() {
      const before = await bootId();
      await run("systemctl reboot").catch(() => undefined); // the shell ends with the system
      await up(before);
    },
    async powerOff() {
      if (hasEnded(machine)) return;
      const ended = new Promise((resolve) => machine.once("exit", resolve));
      // with the processes of its processes, where they are this computer's, too
      process.kill(-(machine.pid as number), "SIGKILL");
      await ended;
    },
  };
}

function spawnOn(command: readonly string[], console: number): ChildProcess {
  const [file = "", ...args] = boundTo(command);
  return spawn(file, args, { stdio: ["ignore", console, console], detached: true });
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null;

interface Hardware extends Pick<VmOptions, "boot"> {
  readonly disk: string;
  readonly tap: string;
  readonly mac: string;
  readonly kernelLine: string;
}

const RUNS: Readonly<Record<RunBy, (hardware: Hardware) => readonly string[]>> = {
  uml: ({ boot, disk, tap, mac, kernelLine }) => [
    boot.program ?? "",
    ...[`mem=${MEMORY_MB}M`, `ubd0=${disk}`, "root=/dev/ubda", `eth0=tuntap,${tap},${mac}`],
    ...["con0=null,fd:1", "con=null", "ssl=null", ...kernelLine.split(" ")],
    "sysctl.kernel.io_uring_disabled=2", // its rings are not what the program has mapped, there: the kernel falls over
  ],
  tcg: (hardware) =>
    qemu(hardware, "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max", "-smp", process.env["K8TS_VM_CPUS"] ?? "2"),
  kvm: (hardware) => qemu(hardware, "-accel", "kvm", "-cpu", "host,-arch-capabilities", "-smp", "2"),
};

const qemu = ({ boot, disk, tap, mac, kernelLine }: Hardware, ...processor: readonly string[]): readonly string[] => [
  "qemu-system-x86_64",
  ...processor,
  ...["-m", String(MEMORY_MB), "-display", "none", "-serial", "stdio", "-monitor", "none"],
  ...["-kernel", boot.kernel, "-initrd", boot.initrd, "-append", `${QEMU_KERNEL} ${kernelLine}`],
  ...["-drive", `file=${disk},format=raw,if=virtio,cache=unsafe`],
  ...["-netdev", `tap,id=net,ifname=${tap},script=no,downscript=no`],
  ...["-device", `virtio-net-pci,netdev=net,mac=${mac}`, "-device", "virtio-rng-pci"],
];

const lastOf = (file: string) => readFileSync(file, "utf8").split("\n").slice(-20).join("\n");

/** One connection a script; the shell reads to the end of its input. */
function shell({ outside }: Machines, address: string, script: string, ms: number): Promise<string> {
  const talk = `exec 3<>/dev/tcp/${address}/${SHELL_PORT} && cat >&3 && cat <&3`;
  const [file = "", ...args] = boundTo([...outside, "timeout", String(ms / 1000), "bash", "-c", talk]);
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ["pipe", "pipe", "ignore"] });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
    child.on("error", reject);
    child.on("close", () => resolve(said));
    child.stdin.on("error", () => undefined); // refused: it closes without an answer
    child.stdin.end(`(\n${script}\n) 2>&1 </dev/null\ncode=$?; echo; echo "exit code $code"\nexit\n`);
  });
}
