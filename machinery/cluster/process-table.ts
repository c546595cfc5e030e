/**
 * Process table: which processes make up this machine's part of the cluster, and how each is started.
 *
 * One table for `up`, the supervisor and `down`. Order is start order; stopping goes backwards.
 * What a process does is its component's concern: this file knows command lines only.
 */
import { join } from "node:path";
import type { HomePaths } from "../process/home.ts";

/** What the user chose with `up`; kept in cluster.json, so that the supervisor can be replaced. */
export interface ClusterOptions {
  readonly port: number;
  readonly nodeName: string;
  /** Real containers, or simulated ones where those cannot run. */
  readonly runtime: "containerd" | "simulated";
  /** Each component a process of its own, instead of `server` and `agent`. */
  readonly separate: boolean;
  /** Empty: the embedded store. */
  readonly etcdServers: readonly string[];
}

export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Run to its end before each start of the process. */
  readonly prepare?: { readonly command: string; readonly args: readonly string[] };
}

/** How to start main.ts: the Node that runs now, and the path of main.ts. */
export interface Program {
  readonly node: string;
  readonly main: string;
}

/**
 * A young generation of Node's own size is 100 MB more that stay resident after a busy minute, and pauses for its
 * collection are a third longer; `k8ts` starts single processes in the same way.
 */
const NODE_FLAGS = ["--disable-warning=ExperimentalWarning", "--max-semi-space-size=16"];

export function processTable(options: ClusterOptions, paths: HomePaths, program: Program): readonly ProcessSpec[] {
  const component = (name: string, ...args: string[]): ProcessSpec => ({
    name,
    command: program.node,
    args: [...NODE_FLAGS, program.main, name, "--log-file", paths.log(name), ...args],
  });
  return [...controlPlane(options, component), ...node(options, paths, program, component)];
}

type MakeSpec = (name: string, ...args: string[]) => ProcessSpec;

function controlPlane(options: ClusterOptions, component: MakeSpec): ProcessSpec[] {
  const store = options.etcdServers.length
    ? ["--store", "etcd", ...options.etcdServers.flatMap((url) => ["--etcd-servers", url])]
    : ["--store", "embedded"];
  const api = ["--port", String(options.port), "--node-name", options.nodeName, ...store];
  if (!options.separate) return [component("server", ...api)];
  return [component("apiserver", ...api), component("controllers"), component("scheduler")];
}

function node(options: ClusterOptions, paths: HomePaths, program: Program, component: MakeSpec): ProcessSpec[] {
  const name = ["--node-name", options.nodeName];
  if (options.runtime === "simulated") {
    const runtime = ["--runtime", "simulated"];
    return options.separate
      ? [component("cri", ...runtime), component("kubelet", ...name, "--network", "none")]
      : [component("agent", ...name, ...runtime)];
  }
  const containerd: ProcessSpec = {
    name: "containerd",
    command: "containerd",
    args: ["--config", join(paths.containerd, "config.toml")],
    prepare: { command: program.node, args: [program.main, "prepare-node"] },
  };
  const agents = options.separate
    ? [component("cri"), component("kubelet", ...name), component("proxy", ...name)]
    : [component("agent", ...name)];
  return [containerd, ...agents, component("dns", ...name)];
}
