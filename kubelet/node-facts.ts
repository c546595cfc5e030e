/**
 * Node facts: what this machine is, read from /proc and the operating system.
 *
 * Read-only. Simulated nodes get facts from their options instead.
 */
import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { arch, cpus, networkInterfaces, release, totalmem } from "node:os";
import { type HugePages, readHugePages } from "./huge-pages.ts";

export interface MachineFacts {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly machineID: string;
  readonly systemUUID: string;
  readonly bootID: string;
  readonly kernelVersion: string;
  readonly osImage: string;
  /** As in Go: "amd64", "arm64". */
  readonly architecture: string;
  /** Whether the kernel confines programs by AppArmor profiles. */
  readonly appArmor: boolean;
  readonly hugePages: HugePages;
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64", ia32: "386", ppc64: "ppc64le" };

export async function machineFacts(directory: string): Promise<MachineFacts> {
  const disk = await statfs(directory);
  return {
    cpus: cpus().length,
    memoryBytes: memoryFrom(read("/proc/meminfo"), "MemTotal") ?? totalmem(),
    diskBytes: disk.blocks * disk.bsize,
    machineID: read("/etc/machine-id"),
    systemUUID: read("/sys/class/dmi/id/product_uuid") || read("/etc/machine-id"),
    bootID: read("/proc/sys/kernel/random/boot_id"),
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(read("/etc/os-release"))?.[1] ?? "Linux",
    architecture: goArchitecture(),
    hugePages: await readHugePages(),
    appArmor: read("/sys/module/apparmor/parameters/enabled") === "Y",
  };
}

export function goArchitecture(): string {
  return ARCHITECTURES[arch()] ?? arch();
}

/** The address of the interface that the default route uses; else the first that is not the host's own. */
export function defaultAddress(): string {
  return routedAddress() ?? Object.keys(networkInterfaces()).map(addressOf).find(Boolean) ?? "127.0.0.1";
}

/** Undefined where there is no default route. */
export function routedAddress(): string | undefined {
  const line = read("/proc/net/route")
    .split("\n")
    .map((row) => row.split("\t"))
    .find(([, destination]) => destination === "00000000");
  return line?.[0] ? addressOf(line[0]) : undefined;
}

const addressOf = (name: string): string | undefined =>
  networkInterfaces()[name]?.find(({ family, internal }) => family === "IPv4" && !internal)?.address;

function memoryFrom(meminfo: string, field: string): number | undefined {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(meminfo);
  return match ? Number(match[1]) * 1024 : undefined;
}

/** Empty where this system has no such file. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}
