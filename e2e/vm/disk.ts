/**
 * Disk: what a virtual machine boots from: Debian as its installer leaves it, what the README has people install, and k8ts.
 *
 * Made of Debian's packages without mounting anything, once for all machines; each has a copy. Name and address
 * come with the kernel's command line. A root shell listens on a port, for machines that nobody else can reach.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { imageArchive } from "../harness/images.ts";
import { userModeLinux } from "./linux.ts";
import { runBy } from "./run-by.ts";

const run = promisify(execFile);
const repository = join(import.meta.dirname, "..", "..");
const cache = join(tmpdir(), "k8ts-vm");

const PACKAGES = [
  ...["linux-image-cloud-amd64", "systemd-sysv", "udev", "kmod", "netbase", "procps", "ca-certificates"],
  ...[
    "dbus",
    "apparmor",
    "containerd",
    "runc",
    "containernetworking-plugins",
    "nftables",
    "iproute2",
    "conntrack",
    "busybox-static",
  ],
];

export const SHELL_PORT = 2222;
/** On the disk: archives of the images that the tests use. */
export const IMAGES = "/opt/images";

/** Its parts that qemu loads itself. */
export interface BootFiles {
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
  /** The kernel that is a program, where that is what runs the machines. */
  readonly program?: string;
}

/** Made once and copied. */
export async function baseDisk(directory: string): Promise<BootFiles> {
  const root = join(directory, "root");
  await run("cp", ["-a", await debian(), root]);
  await install(root);
  await compile(root);
  const disk = join(directory, "base.raw");
  await run("mke2fs", ["-q", "-t", "ext4", "-L", "root", "-d", root, disk, "8G"], environment());
  const bootFile = (prefix: string): string => {
    const [newest] = readdirSync(join(root, "boot"))
      .filter((file) => file.startsWith(prefix))
      .toSorted()
      .toReversed();
    if (newest === undefined) throw new Error(`Debian's kernel brought no ${prefix}`);
    const copy = join(directory, newest);
    cpSync(join(root, "boot", newest), copy);
    return copy;
  };
  const boot = {
    disk,
    kernel: bootFile("vmlinuz-"),
    initrd: bootFile("initrd.img-"),
    ...(runBy() === "uml" ? { program: await userModeLinux(cache) } : {}),
  };
  rmSync(root, { recursive: true, force: true });
  return boot;
}

/** A machine's own copy; holes stay holes. */
export async function copyDisk(base: string, copy: string): Promise<void> {
  await run("cp", ["--sparse=auto", base, copy]);
}

async function debian(): Promise<string> {
  const id = createHash("sha256").update(PACKAGES.join(" ")).digest("hex").slice(0, 8);
  const root = join(cache, `root-${id}`);
  if (existsSync(root)) return root;
  const work = `${root}.${process.pid}`;
  mkdirSync(cache, { recursive: true });
  await run("debootstrap", ["--variant=minbase", `--include=${PACKAGES.join(",")}`, "bookworm", work], environment());
  rmSync(join(work, "var/cache/apt"), { recursive: true, force: true });
  renameSync(work, root);
  return root;
}

/** k8ts as a clone with its packages; the rest is the test's own door. */
async function install(root: string): Promise<void> {
  const target = join(root, "opt/k8ts");
  const { stdout } = await run("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: repository,
    maxBuffer: 64 * 1024 * 1024,
  });
  const left = /^e2e\/|\.test\.ts$/; // tests do not run there
  const files = stdout.split("\n").filter((name) => name && !left.test(name) && existsSync(join(repository, name)));
  for (const file of files) {
    mkdirSync(dirname(join(target, file)), { recursive: true });
    cpSync(join(repository, file), join(target, file));
  }
  await run("cp", ["-a", join(repository, "node_modules"), join(target, "node_modules")]);
  for (const useless of ["typescript", "@typescript", "vitest", "@vitest", "@biomejs", "vite", "rolldown", "@rolldown"])
    rmSync(join(target, "node_modules", useless), { recursive: true, force: true });
  link(root, "usr/local/bin/k8ts", "/opt/k8ts/k8ts");
  mkdirSync(join(root, IMAGES), { recursive: true });
  for (const image of ["busybox", "redis", "python"] as const)
    cpSync(await imageArchive(image), join(root, IMAGES, `${image}.tar`));
  for (const [file, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  chmodSync(join(root, "usr/local/sbin/test-network"), 0o755);
  for (const [target, unit] of [
    ["multi-user.target", "test-network.service"],
    ["sockets.target", "test-shell.socket"],
  ])
    link(root, `etc/systemd/system/${target}.wants/${unit}`, `/etc/systemd/system/${unit}`);
}

/**
 * An emulated processor takes minutes to compile it all: it finds what a real one has compiled, on which a cluster
 * without containers ran for a moment. Nothing but that stays of it.
 */
async function compile(root: string): Promise<void> {
  const kept = join(root, "root/.k8ts/cache");
  mkdirSync(kept, { recursive: true, mode: 0o700 });
  const script = `
    set -e
    ip link set lo up
    ip link add eth0 type veth peer name eth1
    ip link set eth0 up
    ip link set eth1 up
    ip address add 10.99.0.1/24 dev eth0
    ip route add default via 10.99.0.2
    mount -t tmpfs run /run
    k8ts up --simulated --no-sample --node-name warm
    k8ts kubectl apply -f /opt/k8ts/manifests/samples/guestbook.yaml
    k8ts kubectl wait --for=condition=Available --timeout=60s deployment --all
    k8ts token create
    k8ts down
    for command in agent dns images check prepare-node; do k8ts $command --help; done`;
  await run("unshare", [
    ...["--net", "--mount", "--pid", "--fork", "--kill-child", `--root=${root}`, "--mount-proc"],
    ...["env", "-i", "HOME=/root", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-c", script],
  ]);
  const home = dirname(kept);
  for (const entry of readdirSync(home))
    if (entry !== "cache") rmSync(join(home, entry), { recursive: true, force: true });
}

function link(root: string, path: string, to: string): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  rmSync(file, { force: true });
  symlinkSync(to, file);
}

const FILES: Readonly<Record<string, string>> = {
  "etc/fstab": "LABEL=root / ext4 defaults 0 1\n",
  "etc/machine-id": "",
  "etc/hostname": "localhost\n",
  "etc/resolv.conf": "nameserver 10.99.0.1\n",
  "usr/local/sbin/test-network": `#!/bin/sh
set -e
for word in $(cat /proc/cmdline); do
  case $word in
    test.address=*) ip address add "\${word#*=}" dev eth0 ;;
    test.gateway=*) gateway=\${word#*=} ;;
    test.name=*) hostname "\${word#*=}"; echo "\${word#*=}" > /etc/hostname ;;
  esac
done
ip link set eth0 up
ip route add default via "$gateway"
`,
  "etc/systemd/system/test-network.service": `[Unit]
Before=network.target network-online.target k8ts-server.service k8ts-agent.service
Wants=network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/test-network
[Install]
WantedBy=multi-user.target
`,
  "etc/systemd/system/test-shell.socket": `[Socket]
ListenStream=${SHELL_PORT}
Accept=yes
[Install]
WantedBy=sockets.target
`,
  "etc/systemd/system/test-shell@.service": `[Unit]
After=test-network.service
[Service]
Environment=HOME=/root
WorkingDirectory=/root
ExecStart=/bin/sh
StandardInput=socket
StandardOutput=socket
StandardError=socket
`,
};

const environment = () => ({
  env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` },
  maxBuffer: 64 * 1024 * 1024,
});
