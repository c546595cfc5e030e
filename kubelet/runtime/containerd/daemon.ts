/**
 * Daemon: makes everything ready for our containerd and says how to start it.
 *
 * It starts nothing: the supervisor (machinery/cluster) runs the command as a process of its own, so
 * that a restart of anything else leaves containerd alone. A containerd that lives is left as it is;
 * containers outlive containerd itself, so nothing here may touch a shim unless the machine rebooted.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type HomePaths, homePaths } from "../../../machinery/process/home.ts";
import type { Logger } from "../../../machinery/process/logging.ts";
import { isServed } from "../../cri/server.ts";
import { type ConfigOptions, containerdConfig, OTHER_RUNTIMES } from "./config.ts";
import { type ContainerdLayout, containerdLayout } from "./layout.ts";
import { unmountUnder } from "./mounts.ts";

export interface PrepareContainerdOptions {
  readonly paths: HomePaths;
  readonly log: Logger;
  /** Where CNI plugins lie; found by itself when left out. */
  readonly cniBin?: string;
}

export interface ContainerdCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly socket: string;
  /** A containerd of ours runs on this home already. */
  readonly running: boolean;
}

const CNI_BIN = ["/usr/lib/cni", "/opt/cni/bin"];

/** Idempotent. Throws an Error a user understands when this machine cannot run containers. */
export async function prepareContainerd({ paths, log, cniBin }: PrepareContainerdOptions): Promise<ContainerdCommand> {
  const layout = containerdLayout(paths);
  checkSocketPath(layout.socket);
  const command: ContainerdCommand = {
    command: "containerd",
    args: ["--config", layout.config],
    socket: layout.socket,
    running: await isServed(layout.socket),
  };
  if (command.running) return command;

  for (const directory of [paths.run, paths.containerd, layout.root])
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  forgetBeforeReboot(layout, paths.cniData, log);
  rmSync(layout.socket, { force: true });
  rmSync(`${layout.socket}.ttrpc`, { force: true });
  for (const directory of [layout.state, layout.cni, layout.registries]) mkdirSync(directory, { recursive: true });
  const handlers = OTHER_RUNTIMES.filter(isProgram);
  const options = { cniBin: cniBin ?? findCni(), handlers, ...capabilities() };
  writeFileSync(layout.config, containerdConfig(layout, options), { mode: 0o600 });
  return command;
}

/** `prepareContainerd` for a home directory. */
export function prepareContainerdOf(home: string, log: Logger): Promise<ContainerdCommand> {
  return prepareContainerd({ paths: homePaths(home), log });
}

function checkSocketPath(socket: string): void {
  // containerd puts ".ttrpc" behind it for its second socket
  if (Buffer.byteLength(`${socket}.ttrpc`) > 107)
    throw new Error(`${socket} is too long for a socket: choose a shorter K8TS_HOME (at most 80 bytes)`);
}

/** After a reboot no shim lives and no mount stands, so the state of tasks is worthless, as on a tmpfs. */
function forgetBeforeReboot(layout: ContainerdLayout, addresses: string, log: Logger): void {
  const mark = `${layout.state}/boot-id`;
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const before = existsSync(mark) ? readFileSync(mark, "utf8").trim() : undefined;
  if (before !== undefined && before !== boot) {
    log.info("the machine was rebooted: forgetting the state of its containers");
    unmountUnder(layout.state);
    rmSync(layout.state, { recursive: true, force: true });
    rmSync(addresses, { recursive: true, force: true }); // no Pod has one any more, and not every one is given back
  }
  mkdirSync(layout.state, { recursive: true, mode: 0o711 });
  writeFileSync(mark, `${boot}\n`);
}

function findCni(): string {
  const found = CNI_BIN.find((directory) => existsSync(`${directory}/bridge`));
  if (!found) throw new Error(`no CNI plugins in ${CNI_BIN.join(" or ")}: install containernetworking-plugins`);
  return found;
}

/** As containerd will find it. */
function isProgram(name: string): boolean {
  const places = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/bin"];
  return places.some((place) => place !== "" && existsSync(join(place, name)));
}

const CAP_SYS_RESOURCE = 1n << 24n;

function capabilities(): Omit<ConfigOptions, "cniBin"> {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  const appArmor = existsSync("/sys/kernel/security/apparmor") && existsSync("/sbin/apparmor_parser");
  return { mayLowerOomScore: (BigInt(`0x${effective}`) & CAP_SYS_RESOURCE) !== 0n, appArmor };
}
