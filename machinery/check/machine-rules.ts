/**
 * Machine rules: what a node needs of its machine, judged from facts alone. Pure; facts come from machine-facts.ts.
 *
 * Each rule says what was found and, where it is not good, the one thing to do about it.
 */
import { bad, type Finding, good, poor } from "./finding.ts";
import type { Feature, MachineFacts } from "./machine-facts.ts";

type Rule = (facts: MachineFacts) => Finding;

const GIB = 1024 ** 3;
const NEEDED_CONTROLLERS = ["cpu", "memory", "pids"];
const LEAST_INSTANCES = 512;
const LEAST_WATCHES = 65_536;
const LEAST_FILES = 4_096;
/** Below this not even the smallest packet that IPv6 wants fits into an overlay. */
const LEAST_MTU = 1_330;
/** A node's name is a label's value and part of DNS names. */
const NODE_NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

const FEATURE_NAMES: Readonly<Record<Feature, { readonly module: string; readonly why: string }>> = {
  overlayfs: { module: "overlay", why: "images are mounted with it" },
  bridge: { module: "bridge", why: "Pods hang on one" },
  veth: { module: "veth", why: "Pods are connected by it" },
  nftables: { module: "nf_tables nft_chain_nat nft_nat", why: "Services are made of it" },
  vxlan: { module: "vxlan", why: "nodes that share no link reach each other by it" },
};

const feature =
  (name: Feature): Rule =>
  ({ features, root }) => {
    const { module, why } = FEATURE_NAMES[name];
    if (features[name]) return good(name, "works");
    if (features[name] === undefined)
      return poor(
        name,
        root ? "not tried: its tool is not installed yet" : "not tried: needs root",
        "run 'k8ts check' as root, after 'k8ts up' or 'k8ts agent' has installed what is missing",
      );
    const advice = `modprobe ${module} (${why}); where the kernel lacks it, take one of the distribution's usual kernels`;
    return name === "vxlan" ? poor(name, "does not work", advice) : bad(name, "does not work", advice);
  };

export const machineRules: readonly Rule[] = [
  ({ linux, kernel }) =>
    linux
      ? good("system", `Linux ${kernel}`)
      : bad("system", `not Linux`, "real containers need Linux: use a virtual machine, or --simulated"),
  ({ root }) => (root ? good("user", "root") : bad("user", "not root", "run k8ts as root, or with --simulated")),
  ({ hostName }) => {
    const name = hostName.toLowerCase();
    if (!NODE_NAME.test(name))
      return bad(
        "host name",
        `"${hostName}" cannot be a node's name`,
        "choose one of letters, digits, '-' and '.' with --node-name",
      );
    if (name === "localhost")
      return poor("host name", "localhost", "other machines have this name too: choose another with --node-name");
    return good("host name", name);
  },
  feature("overlayfs"),
  feature("bridge"),
  feature("veth"),
  feature("nftables"),
  feature("vxlan"),
  ({ bridgeFilter }) =>
    bridgeFilter
      ? good("br_netfilter", "there")
      : poor(
          "br_netfilter",
          "missing",
          "modprobe br_netfilter; without it Pods see the node's address where one Pod reaches another through a Service",
        ),
  ({ seccomp }) =>
    seccomp
      ? good("seccomp", "works")
      : poor(
          "seccomp",
          "missing",
          "containers run without a filter of system calls: take a kernel with CONFIG_SECCOMP",
        ),
  ({ cgroups: { version, controllers } }) => {
    const missing = NEEDED_CONTROLLERS.filter((name) => !controllers.includes(name));
    if (version === undefined)
      return bad("cgroups", "not mounted", "mount -t cgroup2 none /sys/fs/cgroup, or boot with systemd");
    if (missing.length === 0) return good("cgroups", `version ${version} with ${controllers.join(", ")}`);
    const memory = missing.includes("memory")
      ? "add cgroup_enable=memory to the kernel's command line and reboot"
      : undefined;
    return bad(
      "cgroups",
      `version ${version} without ${missing.join(", ")}`,
      memory ?? "enable them in the kernel's configuration or, in a container, in what runs it",
    );
  },
  ({ inotify: { instances, watches } }) => {
    const found = `${instances} instances and ${watches} watches a user`;
    if (instances >= LEAST_INSTANCES && watches >= LEAST_WATCHES) return good("inotify limits", found);
    return poor(
      "inotify limits",
      `${found}: programs that watch files will fail with many Pods`,
      "sysctl -w fs.inotify.max_user_instances=8192 fs.inotify.max_user_watches=524288, and the same in /etc/sysctl.d/k8ts.conf",
    );
  },
  ({ openFiles }) =>
    openFiles >= LEAST_FILES
      ? good("open files", `${openFiles} a process`)
      : poor(
          "open files",
          `${openFiles} a process`,
          "ulimit -n 1048576 before k8ts is started; units of 'k8ts agent --install' have it",
        ),
  ({ pidMax }) =>
    pidMax >= 32_768
      ? good("processes", `up to ${pidMax}`)
      : poor("processes", `up to ${pidMax}`, "sysctl -w kernel.pid_max=4194304"),
  ({ mayLowerOomScore }) =>
    mayLowerOomScore
      ? good("OOM scores", "may be lowered")
      : poor(
          "OOM scores",
          "may not be lowered (no CAP_SYS_RESOURCE)",
          "Guaranteed Pods are not preferred when memory runs out; give k8ts the capability where that matters",
        ),
  ({ disk: { kind, options } }) => {
    if (kind === "overlayfs" || kind === "nfs")
      return bad(
        "data directory",
        `lies on ${kind}, on which images cannot be mounted`,
        "set K8TS_HOME to a directory on a local disk (ext4, xfs, btrfs)",
      );
    const refusing = ["noexec", "nodev", "nosuid", "ro"].filter((option) => options.includes(option));
    if (refusing.includes("ro") || refusing.includes("noexec"))
      return bad(
        "data directory",
        `is mounted ${refusing.join(", ")}`,
        "set K8TS_HOME to a directory on a mount without these options",
      );
    if (kind === "tmpfs")
      return poor(
        "data directory",
        "lies in memory (tmpfs)",
        "all is lost with a reboot: set K8TS_HOME to a directory on a disk",
      );
    if (refusing.length > 0)
      return poor(
        "data directory",
        `${kind}, mounted ${refusing.join(", ")}`,
        "programs of images that need devices or other users' rights will fail: set K8TS_HOME to another mount",
      );
    return good("data directory", kind);
  },
  ({ disk: { freeBytes, bytes } }) => {
    const found = `${(freeBytes / GIB).toFixed(1)} of ${(bytes / GIB).toFixed(1)} GiB free`;
    if (freeBytes < 0.1 * bytes)
      return bad("disk space", found, "a node evicts Pods below 10 %: make room, or set K8TS_HOME to a larger disk");
    if (freeBytes < 5 * GIB)
      return poor("disk space", found, "images fill it soon: make room, or set K8TS_HOME to a larger disk");
    return good("disk space", found);
  },
  ({ nameServers, resolvedServers }) => {
    const loopback = (server: string) => server.startsWith("127.") || server === "::1";
    if (nameServers.length === 0)
      return poor("name servers", "none", "Pods resolve the cluster's names only: name a server in /etc/resolv.conf");
    const usable = nameServers.some(loopback) ? resolvedServers : nameServers;
    const real = usable.filter((server) => !loopback(server));
    if (real.length > 0) return good("name servers", real.join(", "));
    return poor(
      "name servers",
      `only ${nameServers.join(", ")}, which from a Pod is the Pod itself`,
      "questions would go in a circle: put the real servers into a file and name it with --resolv-conf",
    );
  },
  ({ uplink }) => {
    if (!uplink) return poor("uplink", "no default route", "name this node's address with --node-ip");
    if (uplink.mtu < LEAST_MTU)
      return bad(
        "uplink",
        `${uplink.device} with an MTU of ${uplink.mtu}`,
        `ip link set ${uplink.device} mtu 1500, or as much as the network carries: an overlay needs 50 of it`,
      );
    return good("uplink", `${uplink.device} with an MTU of ${uplink.mtu}`);
  },
  ({ forwardDropped, dockerUser }) => {
    if (!forwardDropped) return good("firewall", "forwards");
    if (dockerUser) return good("firewall", "Docker's: a rule in DOCKER-USER lets Pods through");
    return bad(
      "firewall",
      "drops what is forwarded",
      "iptables -I FORWARD -i k8ts0 -j ACCEPT; iptables -I FORWARD -o k8ts0 -j ACCEPT, and the same where your firewall keeps its rules",
    );
  },
];

/** What a machine lets one expect of it as a node, in the order in which it fails. */
export function judgeMachine(facts: MachineFacts): readonly Finding[] {
  return machineRules.map((rule) => rule(facts));
}
