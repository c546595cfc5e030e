/**
 * Linux: the kernel as a program (User Mode Linux), made of Debian's kernel source, once for all machines.
 *
 * A machine that runs it needs no processor of its own, emulated or not: its processes run at this computer's speed,
 * in front of a kernel, a systemd and a cgroup v2 of their own. Debian's ready-made one has nftables without tables.
 * https://docs.kernel.org/virt/uml/user_mode_linux_howto_v2.html
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** As Debian packs it: SOURCE.tar.xz in its directory of sources. */
const SOURCE = "/usr/src/linux-source-6.12";

/** What containers need, beyond a plain system. What is not named is as the kernel has it by default. */
const OPTIONS = [
  ...["CGROUPS", "MEMCG", "CGROUP_SCHED", "FAIR_GROUP_SCHED", "CFS_BANDWIDTH", "CGROUP_PIDS", "CGROUP_FREEZER"],
  ...["CGROUP_DEVICE", "CGROUP_CPUACCT", "BLK_CGROUP", "BPF_SYSCALL", "CGROUP_BPF"],
  ...["NAMESPACES", "UTS_NS", "IPC_NS", "USER_NS", "PID_NS", "NET_NS", "SECCOMP", "SECCOMP_FILTER", "KEYS"],
  ...["FHANDLE", "TMPFS", "TMPFS_XATTR", "TMPFS_POSIX_ACL", "DEVTMPFS", "DEVTMPFS_MOUNT", "EXT4_FS", "OVERLAY_FS"],
  ...["EXT4_FS_POSIX_ACL", "AUTOFS_FS", "INOTIFY_USER", "FANOTIFY", "POSIX_MQUEUE", "SYSVIPC", "AIO"],
  ...["NET", "UNIX", "PACKET", "INET", "IPV6", "NETDEVICES", "NET_CORE", "VETH", "BRIDGE", "VXLAN", "DUMMY", "TUN"],
  ...["NETFILTER", "NETFILTER_ADVANCED", "BRIDGE_NETFILTER", "NF_CONNTRACK", "NF_CT_NETLINK", "NF_NAT"],
  ...["NF_TABLES", "NF_TABLES_INET", "NF_TABLES_NETDEV", "NF_TABLES_IPV4", "NF_TABLES_IPV6", "NF_TABLES_BRIDGE"],
  ...["NFT_CT", "NFT_NUMGEN", "NFT_LOG", "NFT_LIMIT", "NFT_MASQ", "NFT_REDIR", "NFT_NAT", "NFT_REJECT", "NFT_HASH"],
  ...["NFT_FIB_IPV4", "NFT_FIB_IPV6", "NFT_FIB_INET", "NFT_SOCKET", "NFT_QUOTA", "NFT_CONNLIMIT"],
  ...["IP_ADVANCED_ROUTER", "IP_MULTIPLE_TABLES", "UNIX_DIAG", "INET_DIAG", "NET_SCHED", "SWAP"],
  ...["UML_NET", "UML_NET_TUNTAP", "UML_RANDOM", "HW_RANDOM", "BLK_DEV_UBD", "BLK_DEV_LOOP", "HIGH_RES_TIMERS"],
];
const WITHOUT = ["MODULES", "SOUND", "WLAN", "DEBUG_KERNEL", "REISERFS_FS", "BTRFS_FS"];

/** Path of the program; takes some minutes the first time. `cache`: where it stays. */
export async function userModeLinux(cache: string): Promise<string> {
  const id = createHash("sha256")
    .update([SOURCE, ...OPTIONS, ...WITHOUT].join(" "))
    .digest("hex")
    .slice(0, 8);
  const program = join(cache, `linux-${id}`);
  if (existsSync(program)) return program;
  const work = `${program}.${process.pid}`;
  mkdirSync(work, { recursive: true });
  await run("tar", ["-xJf", `${SOURCE}.tar.xz`, "-C", work, "--strip-components=1"]);
  const make = (...args: readonly string[]) =>
    run("make", ["-C", work, "ARCH=um", `-j${availableParallelism()}`, ...args], { maxBuffer: 64 * 1024 * 1024 });
  const lines = [...OPTIONS.map((name) => `CONFIG_${name}=y`), ...WITHOUT.map((name) => `# CONFIG_${name} is not set`)];
  writeFileSync(join(work, "wanted"), `${lines.join("\n")}\n`);
  await make("defconfig");
  await run("scripts/kconfig/merge_config.sh", ["-m", ".config", "wanted"], { cwd: work });
  await make("olddefconfig");
  await make("linux");
  cpSync(join(work, "linux"), `${work}/made`);
  renameSync(`${work}/made`, program);
  rmSync(work, { recursive: true, force: true });
  return program;
}
