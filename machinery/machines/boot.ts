/**
 * Boot: a machine made of Linux namespaces: own network, mounts, host name and processes, the disk shared.
 *
 * A machine is one process (its holder) and what runs below it: killing the holder is pulling the plug, for
 * the kernel then ends every process of the machine and its mounts and links go with them. It has an id of
 * its own and a new boot id at each boot, so that what it left on disk is read as after a reboot. What
 * machines use at fixed places (/run, /var/lib/cni) is each one's own. Cgroups are shared: they are named after homes.
 */
import { join } from "node:path";

export interface MachineSpec {
  /** Its host name. */
  readonly name: string;
  /** What it must find again after a reboot: its id. Must exist. */
  readonly directory: string;
  /** Its address with the length of the prefix: "10.99.0.11/24". */
  readonly address: string;
  /** Its default route. */
  readonly gateway: string;
  /** The bridge that it hangs on and the name of its end there, in the network namespace of who boots it; none: it is alone. */
  readonly cable?: { readonly bridge: string; readonly port: string };
  readonly mtu?: number;
  /** Kept running on it, started again when it ends. */
  readonly runs?: readonly string[];
  /** Runs in this directory in place of that, with the holder's standard streams and descriptors; the machine ends with it. */
  readonly once?: { readonly directory: string; readonly command: readonly string[] };
}

/** Printed once by the holder when the machine is up, unless something runs there once. */
export const BOOTED = "booted";

/** While this file is on a machine, the end of what runs on it is the machine's. */
const HALT = "/run/halt";
/** How long processes may take to end after that. */
const LAST_TENTHS = 30;

/**
 * Run before anything else on the machine, as its first process; descriptor 9 is the network namespace of whoever
 * boots it. The shell goes on as the first process, which every orphan falls to: while it waits it reaps them.
 */
const INIT = `
set -eu
PATH=$PATH:/usr/sbin:/sbin
hostname "$NAME"
cat /proc/sys/kernel/random/uuid > "$DIRECTORY/boot-id"
[ -s "$DIRECTORY/machine-id" ] || tr -d - < /proc/sys/kernel/random/uuid > "$DIRECTORY/machine-id"
echo "$NAME" > "$DIRECTORY/hostname"
rm -rf "$DIRECTORY/resolve"
[ ! -d /run/systemd/resolve ] || cp -r /run/systemd/resolve "$DIRECTORY/resolve" || :
mount -t tmpfs -o mode=755 run /run
if [ -d "$DIRECTORY/resolve" ]; then
  mkdir -p /run/systemd
  cp -r "$DIRECTORY/resolve" /run/systemd/resolve
fi
mkdir -p /var/lib/cni
mount -t tmpfs -o mode=755 cni /var/lib/cni
mount --bind "$DIRECTORY/boot-id" /proc/sys/kernel/random/boot_id
for file in machine-id hostname; do
  [ ! -f "/etc/$file" ] || mount --bind "$DIRECTORY/$file" "/etc/$file"
done
ip link set lo up
if [ -n "$BRIDGE" ]; then
  outside() { nsenter --net=/proc/self/fd/9 -- ip "$@"; }
  outside link delete "$PORT" 2>/dev/null || :
  outside link add "$PORT" mtu "$MTU" type veth peer name eth0 mtu "$MTU" address "$MAC" netns 1
  outside link set "$PORT" master "$BRIDGE" up
else
  ip link add eth0 mtu "$MTU" type veth peer name eth0-far mtu "$MTU"
fi
exec 9<&-
# its address by the second family is there at once, not when nobody has objected for a while
[ ! -e /proc/sys/net/ipv6/conf/eth0 ] || for one in /proc/sys/net/ipv6/conf/eth0*/accept_dad; do echo 0 > "$one"; done
ip link set eth0 up
[ -n "$BRIDGE" ] || ip link set eth0-far up
ip address add "$ADDRESS" dev eth0
ip route add default via "$GATEWAY"
if [ -n "$ONCE" ]; then
  cd "$ONCE"
  "$@" &
  wait $!
  exit $?
fi
echo ${BOOTED}
[ $# -gt 0 ] || set -- sleep 1000000
cd /
while [ ! -e ${HALT} ]; do
  "$@" &
  wait $! || :
  [ -e ${HALT} ] || { sleep 1 & wait $!; }
done
for tenth in ${Array.from({ length: LAST_TENTHS }, (_, index) => index).join(" ")}; do
  set -- /proc/[0-9]*
  [ $# -gt 1 ] || break
  sleep 0.1 & wait $!
done
`;

/** The command whose process is the holder; it needs root. */
export function bootCommand(spec: MachineSpec): readonly string[] {
  const { name, directory, address, gateway, cable, mtu = 1500, once } = spec;
  const runs = once?.command ?? spec.runs ?? [];
  const settings = {
    NAME: name,
    DIRECTORY: directory,
    ADDRESS: address,
    MAC: macOf(address),
    GATEWAY: gateway,
    BRIDGE: cable?.bridge ?? "",
    PORT: cable?.port ?? "",
    MTU: String(mtu),
    ONCE: once?.directory ?? "",
  };
  const namespaces = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const unshared = ["unshare", ...namespaces, "--propagation", "private", "sh", "-c", INIT, "machine", ...runs];
  const given = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  return ["sh", "-c", 'exec 9</proc/self/ns/net; exec "$@"', "boot", "env", ...given, ...unshared];
}

/**
 * What a command begins with that shall run on the machine of this holder. It is in the machine's process
 * namespace, so it ends with the machine; killing the command's own process does not reach it: see `boundTo`.
 */
export function entering(holder: number): readonly string[] {
  const namespaces = ["--net", "--mount", "--uts", "--ipc"];
  return ["nsenter", "--target", String(holder), ...namespaces, `--pid=${pidNamespaceOf(holder)}`, "--"];
}

/** Run on a machine, it asks every process to end; soon after what is kept running on it has ended, the machine has too. */
export const HALTING: readonly string[] = ["sh", "-c", `touch ${HALT}; kill -TERM -1`];

/** A command that is killed when the process that started it ends. */
export const boundTo = (command: readonly string[]): readonly string[] => [
  "setpriv",
  "--pdeathsig",
  "KILL",
  ...command,
];

const pidNamespaceOf = (holder: number) => join("/proc", String(holder), "ns", "pid_for_children");

/** The same after each boot: neighbours remember it. */
function macOf(address: string): string {
  const bytes = (address.split("/")[0] ?? "").split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return ["02", "00", ...bytes].join(":");
}
