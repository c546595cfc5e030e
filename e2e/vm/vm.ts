/**
 * VM: a virtual machine under qemu, on a switch of harness/machines.ts, with a root shell to speak to.
 *
 * It ends with the test's process. Its processor is emulated, some 50 times slower than a real one (with
 * K8TS_VM_KVM=1 in the environment it is the real one): whoever waits for it must wait long.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { boundTo } from "../../machinery/machines/boot.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import type { Machines } from "../harness/machines.ts";
import { type BootFiles, copyDisk, SHELL_PORT } from "./disk.ts";

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
/**
 * The counter of cycles is exact under emulation, and any other clock costs a hundred times as much; what protects
 * real processors from each other's secrets only slows these down.
 */
const KERNEL =
  "root=/dev/vda rw console=ttyS0 quiet loglevel=4 net.ifnames=0 panic=5 systemd.show_status=0 " +
  "tsc=reliable clocksource=tsc no_timer_check mitigations=off audit=0";
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
  const kernelLine = [KERNEL, `test.name=${name} test.address=${address}/24 test.gateway=10.99.0.1`].join(" ");
  const mac = `52:54:00:00:00:${number.toString(16).padStart(2, "0")}`;
  const consoleFile = join(directory, `${name}.console`);
  const console = openSync(consoleFile, "a");
  const qemu = spawnQemu(
    [
      ...machines.outside,
      "qemu-system-x86_64",
      ...accelerator(),
      ...["-m", String(MEMORY_MB), "-display", "none", "-serial", "stdio", "-monitor", "none"],
      ...["-kernel", boot.kernel, "-initrd", boot.initrd, "-append", kernelLine],
      ...["-drive", `file=${disk},format=raw,if=virtio,cache=unsafe`],
      ...["-netdev", `tap,id=net,ifname=${tap},script=no,downscript=no`],
      ...["-device", `virtio-net-pci,netdev=net,mac=${mac}`, "-device", "virtio-rng-pci"],
    ],
    console,
  );

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
        const ended = qemu.exitCode !== null || qemu.signalCode !== null;
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
      if (qemu.exitCode !== null || qemu.signalCode !== null) return;
      const ended = new Promise((resolve) => qemu.once("exit", resolve));
      qemu.kill("SIGKILL");
      await ended;
    },
  };
}

function spawnQemu(command: readonly string[], console: number): ChildProcess {
  const [file = "", ...args] = boundTo(command);
  return spawn(file, args, { stdio: ["ignore", console, console] });
}

/** Asked for, since a /dev/kvm that is there does not always work inside of another virtual machine. */
export const canVirtualize = (): boolean => process.env["K8TS_VM_KVM"] !== undefined;

const accelerator = (): readonly string[] =>
  canVirtualize()
    ? ["-accel", "kvm", "-cpu", "host,-arch-capabilities", "-smp", "2"]
    : ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max", "-smp", process.env["K8TS_VM_CPUS"] ?? "2"];

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
