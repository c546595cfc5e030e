/**
 * Layout: where our containerd keeps each thing, and the names by which its traces elsewhere are ours.
 *
 * Everything lies under the home, except what containerd puts at fixed places: shim sockets in
 * /run/containerd/s, CNI results in /var/lib/cni and cgroups. Those carry ids found in `state`
 * or, for cgroups, a root named after the home; sweep.ts removes them by these.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { HomePaths } from "../../../machinery/process/home.ts";

export interface ContainerdLayout {
  /** Images, snapshots, metadata: survives everything but `down --purge`. */
  readonly root: string;
  /** Tasks, sandboxes, mounts, network namespaces: worthless after a reboot. */
  readonly state: string;
  readonly socket: string;
  readonly config: string;
  /** The state of runc, and of those beside it: one directory a runtime. */
  readonly ociRuntimes: string;
  /** FIFOs of the commands that run by exec. */
  readonly exec: string;
  /** One directory a container whose log is written by a process of ours. */
  readonly logs: string;
  /** One directory an image that is a volume; they say which views there are, whatever is mounted. */
  readonly imageVolumes: string;
  /** CNI configuration: written by kubelet/network, read by containerd. */
  readonly cni: string;
  /** One directory a registry, with a hosts.toml: mirrors and their certificates. */
  readonly registries: string;
  /** Registry credentials in the format of Docker's config.json. */
  readonly credentials: string;
  /** The top-level cgroup under which all our containers lie: "/k8ts-…". */
  readonly cgroup: string;
}

export const NAMESPACE = "k8s.io";

/** Name under which the pause image is kept: it is never pulled. */
export const PAUSE_IMAGE = "k8ts.local/pause:1";

export function containerdLayout(paths: HomePaths): ContainerdLayout {
  const base = paths.containerd;
  return {
    root: join(base, "root"),
    state: join(base, "state"),
    socket: paths.containerdSocket,
    config: join(base, "config.toml"),
    ociRuntimes: join(base, "state"),
    exec: join(base, "state", "exec"),
    logs: join(base, "state", "logs"),
    imageVolumes: join(base, "image-volumes"),
    cni: paths.cniConfig,
    registries: join(base, "registries"),
    credentials: join(base, "credentials.json"),
    cgroup: paths.cgroup,
  };
}

/** Where containerd puts shims' sockets, whatever its configuration says. */
export const SHIM_SOCKETS = "/run/containerd/s";

/** The socket of a sandbox's shim; one that was killed leaves it behind. */
export function shimSocket({ socket }: ContainerdLayout, sandboxId: string): string {
  return join(
    SHIM_SOCKETS,
    createHash("sha256")
      .update(join(socket, NAMESPACE, sandboxId))
      .digest("hex"),
  );
}
