/**
 * Packages: installs what a node needs from Debian or Ubuntu, and nothing that is there already.
 *
 * Never removes a package (`--no-remove`: a Docker of the machine's survives) and never starts a
 * service: a policy-rc.d of ours stands only while apt runs, and one that was there comes back.
 */
import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Needed {
  /** A program on PATH, or a file by its absolute path. */
  readonly provides: string;
  readonly package: string;
}

/** What running containers takes. */
export const nodePackages: readonly Needed[] = [
  { provides: "containerd", package: "containerd" },
  { provides: "runc", package: "runc" },
  { provides: "/usr/lib/cni/bridge", package: "containernetworking-plugins" },
  { provides: "nft", package: "nftables" },
  { provides: "ip", package: "iproute2" },
  { provides: "conntrack", package: "conntrack" },
];

/** What the sample's image is built from. */
export const samplePackages: readonly Needed[] = [{ provides: "/bin/busybox", package: "busybox-static" }];

/** What the tests take besides. */
export const testPackages: readonly Needed[] = [
  { provides: "etcd", package: "etcd-server" },
  { provides: "etcdctl", package: "etcd-client" },
  { provides: "strace", package: "strace" },
  { provides: "kubectl", package: "kubernetes-client" },
  { provides: "curl", package: "curl" },
  { provides: "crun", package: "crun" },
  { provides: "docker-registry", package: "docker-registry" },
  { provides: "skopeo", package: "skopeo" },
];

/** What virtual machines are made with, and the disk that they boot from. */
export const vmPackages: readonly Needed[] = [
  { provides: "debootstrap", package: "debootstrap" },
  { provides: "/usr/share/keyrings/debian-archive-keyring.gpg", package: "debian-archive-keyring" },
  { provides: "mke2fs", package: "e2fsprogs" },
  { provides: "curl", package: "curl" },
  { provides: "kubectl", package: "kubernetes-client" },
];

/** What runs a virtual machine as a computer. */
export const emulatorPackages: readonly Needed[] = [{ provides: "qemu-system-x86_64", package: "qemu-system-x86" }];

/** What the kernel of one that runs as a program is made of. */
export const kernelPackages: readonly Needed[] = [
  { provides: "/usr/src/linux-source-6.12.tar.xz", package: "linux-source-6.12" },
  ...["gcc", "make", "flex", "bison", "bc", "xz-utils"].map((name) => ({
    provides: name === "xz-utils" ? "xz" : name,
    package: name,
  })),
];

/** CNI plugins lie elsewhere where they did not come from Debian. */
const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  "/usr/lib/cni/bridge": ["/opt/cni/bin/bridge"],
  "/bin/busybox": ["/usr/bin/busybox"],
};

export function missing(needed: readonly Needed[]): readonly Needed[] {
  return needed.filter(({ provides }) => ![provides, ...(ELSEWHERE[provides] ?? [])].some(isThere));
}

/** Installs the packages. Throws with apt's own last words when it cannot. */
export async function install(needed: readonly Needed[], note: (text: string) => void): Promise<void> {
  const names = [...new Set(needed.map((one) => one.package))];
  if (!existsSync("/usr/bin/apt-get")) {
    throw new Error(`this machine has no apt-get: install ${names.join(", ")} yourself, then run this again`);
  }
  const restore = blockServices();
  try {
    note("apt-get update");
    await apt(["update", "-qq"]);
    note(`apt-get install ${names.join(" ")}`);
    await apt(["install", "-y", "-qq", "--no-remove", "--no-install-recommends", ...names]);
  } finally {
    restore();
  }
}

async function apt(args: readonly string[]): Promise<void> {
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["-o", "DPkg::Lock::Timeout=120", ...args], { env, maxBuffer: 32 * 1024 * 1024 });
  } catch (error) {
    const { stderr = "", message } = error as { stderr?: string; message: string };
    const last = stderr.trim().split("\n").slice(-5).join("\n");
    throw new Error(`apt-get ${args.join(" ")} failed:\n${last || message}`, { cause: error });
  }
}

/** Debian's way to say that no service may start: /usr/sbin/policy-rc.d answering 101. */
function blockServices(): () => void {
  const policy = "/usr/sbin/policy-rc.d";
  const aside = `${policy}.before-k8ts`;
  if (existsSync(policy) && !existsSync(aside)) renameSync(policy, aside);
  writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  return () => {
    rmSync(policy, { force: true });
    if (existsSync(aside)) renameSync(aside, policy);
  };
}

function isThere(program: string): boolean {
  if (program.startsWith("/")) return existsSync(program);
  const places = `${process.env["PATH"] ?? ""}${delimiter}/usr/sbin${delimiter}/sbin`.split(delimiter);
  return places.some((place) => {
    try {
      accessSync(join(place, program), constants.X_OK);
      return true;
    } catch {
      return false; // not in this directory
    }
  });
}
