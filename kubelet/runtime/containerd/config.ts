/**
 * Config: the TOML with which our containerd runs. Pure; daemon.ts writes it.
 *
 * It must never name a place that another containerd uses. What containerd still puts at fixed
 * places is listed in layout.ts. The cgroup driver is always cgroupfs: our containers lie under
 * one top-level cgroup of our own, so that neither systemd nor D-Bus is needed, on v1 and v2.
 */
import { join } from "node:path";
import { type ContainerdLayout, PAUSE_IMAGE } from "./layout.ts";

export interface ConfigOptions {
  /** Where the CNI plugins lie. */
  readonly cniBin: string;
  /** Whether this process may lower oom_score_adj; without it the kubelet's values are clipped. */
  readonly mayLowerOomScore: boolean;
  readonly appArmor: boolean;
  /** OCI runtimes that are there beside runc, by the names under which a RuntimeClass finds them. */
  readonly handlers?: readonly string[];
}

/** Programs that can stand in for runc. */
export const OTHER_RUNTIMES = ["crun", "youki"] as const;

type Toml = string | number | boolean | readonly string[] | { readonly [key: string]: Toml };

export function containerdConfig(layout: ContainerdLayout, options: ConfigOptions): string {
  return toml({
    version: 2,
    root: layout.root,
    state: layout.state,
    oom_score: options.mayLowerOomScore ? -999 : 0,
    disabled_plugins: UNUSED,
    grpc: { address: layout.socket, max_recv_message_size: MESSAGE_BYTES, max_send_message_size: MESSAGE_BYTES },
    plugins: {
      "io.containerd.internal.v1.opt": { path: `${layout.root}/opt` },
      "io.containerd.gc.v1.scheduler": { startup_delay: "5s" },
      "io.containerd.grpc.v1.cri": cri(layout, options),
    },
  });
}

const MESSAGE_BYTES = 16 * 1024 * 1024;

/** Snapshotters that need a device of their own, and what only other clients use. */
const UNUSED = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.restart",
];

function cri(layout: ContainerdLayout, { cniBin, mayLowerOomScore, appArmor, handlers = [] }: ConfigOptions): Toml {
  const runtime = (name: string) => ({
    runtime_type: "io.containerd.runc.v2",
    options: { BinaryName: name, Root: join(layout.ociRuntimes, name), SystemdCgroup: false },
  });
  return {
    sandbox_image: PAUSE_IMAGE,
    stream_server_address: "127.0.0.1",
    stream_server_port: "0",
    restrict_oom_score_adj: !mayLowerOomScore,
    disable_apparmor: !appArmor,
    netns_mounts_under_state_dir: true,
    max_container_log_line_size: 16_384,
    enable_unprivileged_ports: true,
    enable_unprivileged_icmp: true,
    tolerate_missing_hugetlb_controller: true,
    cni: { bin_dir: cniBin, conf_dir: layout.cni, max_conf_num: 1 },
    registry: { config_path: layout.registries },
    containerd: {
      snapshotter: "overlayfs",
      default_runtime_name: "runc",
      runtimes: Object.fromEntries(["runc", ...handlers].map((name) => [name, runtime(name)])),
    },
  };
}

/** TOML of nested tables: values of a table first, then its tables by their full name. */
function toml(table: { readonly [key: string]: Toml }, path: readonly string[] = []): string {
  const entries = Object.entries(table);
  const values = entries
    .filter(([, value]) => !isTable(value))
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`);
  const tables = entries.flatMap(([key, value]) => (isTable(value) ? [toml(value, [...path, key])] : []));
  const head =
    path.length > 0 && values.length > 0 ? `\n[${path.map((part) => JSON.stringify(part)).join(".")}]\n` : "";
  return head + values.join("") + tables.join("");
}

function isTable(value: Toml): value is { readonly [key: string]: Toml } {
  return typeof value === "object" && !Array.isArray(value);
}
