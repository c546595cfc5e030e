/**
 * Process table: which processes make up this machine's part of the cluster, and how each is started.
 *
 * One table for `up`, the supervisor and `down`. Order is start order; stopping goes backwards.
 * What a process does is its component's concern: this file knows command lines only.
 */
import { join } from "node:path";
import type { ClusterFacts } from "../join/cluster-facts.ts";
import { bootCommand, entering, HALTING } from "../machines/boot.ts";
import { joinTokenPath, localNodes, NODES_LINK } from "../machines/local-nodes.ts";
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
  /** A node of a cluster whose servers are elsewhere: it joined. Undefined: the control plane runs here too. */
  readonly joined?: ClusterFacts;
  /** The server's flags besides these, and the agent's, as they were given: see machine.ts. */
  readonly serverFlags?: readonly string[];
  readonly agentFlags?: readonly string[];
  /** Of the controllers, as `up` was given them. */
  readonly controllerFlags?: readonly string[];
  /** Nodes that are machines of namespaces on this computer. 0: it is the only node itself. */
  readonly nodes?: number;
}

export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Run to its end before each start of the process. */
  readonly prepare?: { readonly command: string; readonly args: readonly string[] };
  /** How long it may take to stop, where that is more than usual: a node that is switched off ends its Pods first. */
  readonly stopMs?: number;
  /** Run to ask the process of this pid to end, where a signal does not reach what it holds. */
  ends?(pid: number): readonly string[];
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
export const NODE_FLAGS = ["--disable-warning=ExperimentalWarning", "--max-semi-space-size=16"];

/** Less than the service's own limit (service.ts). */
export const NODE_STOP_MS = 80_000;

export function processTable(options: ClusterOptions, paths: HomePaths, program: Program): readonly ProcessSpec[] {
  const component = (name: string, ...args: string[]): ProcessSpec => ({
    name,
    command: program.node,
    args: [...NODE_FLAGS, program.main, name, "--log-file", paths.log(name), ...args],
    ...(name === "agent" || name === "kubelet" ? { stopMs: NODE_STOP_MS } : {}),
  });
  const nodes = options.nodes ? machines(options, paths, program) : node(options, paths, program, component);
  return [...(options.joined ? [] : controlPlane(options, component)), ...nodes];
}

type MakeSpec = (name: string, ...args: string[]) => ProcessSpec;

function controlPlane(options: ClusterOptions, component: MakeSpec): ProcessSpec[] {
  const store = options.etcdServers.length
    ? ["--store", "etcd", ...options.etcdServers.flatMap((url) => ["--etcd-servers", url])]
    : ["--store", "embedded"];
  const reached = options.nodes ? ["--advertise-address", NODES_LINK.gateway] : [];
  const { serverFlags: given = [], controllerFlags = [] } = options;
  const api = ["--port", String(options.port), "--node-name", options.nodeName, ...store, ...reached, ...given];
  if (!options.separate) return [component("server", "--no-agent", ...api, ...controllerFlags)];
  return [component("apiserver", ...api), component("controllers", ...controllerFlags), component("scheduler")];
}

function node(options: ClusterOptions, paths: HomePaths, program: Program, component: MakeSpec): ProcessSpec[] {
  const { joined, agentFlags = [] } = options;
  const name = ["--node-name", options.nodeName];
  const own = [...name, ...agentFlags, ...(joined ? rangesOf(joined) : [])];
  if (options.runtime === "simulated") {
    const runtime = ["--runtime", "simulated"];
    return options.separate
      ? [component("cri", ...runtime), component("kubelet", ...own, "--network", "none")]
      : [component("agent", ...own, ...runtime)];
  }
  const containerd: ProcessSpec = {
    name: "containerd",
    command: "containerd",
    args: ["--config", join(paths.containerd, "config.toml")],
    prepare: { command: program.node, args: [program.main, "prepare-node"] },
  };
  const agents = options.separate
    ? [component("cri"), component("kubelet", ...own), component("proxy", ...name, ...picked(own, ["cluster-cidr"]))]
    : [component("agent", ...own)];
  return [containerd, ...agents, component("dns", ...name, ...picked(own, ["cluster-dns", "cluster-domain"]))];
}

/** Of flags with their values, those by these names. */
const picked = (flags: readonly string[], names: readonly string[]) =>
  flags.flatMap((flag, index) => (names.some((name) => flag === `--${name}`) ? flags.slice(index, index + 2) : []));

const namesOf = ({ clusterDns, clusterDomain }: ClusterFacts) => [
  ...["--cluster-dns", clusterDns],
  ...["--cluster-domain", clusterDomain],
];

const rangesOf = (facts: ClusterFacts) => [
  ...["--cluster-cidr", facts.clusterCidr],
  ...["--service-cidr", facts.serviceCidr],
  ...namesOf(facts),
];

/** Each joins as a machine elsewhere would; the first time it waits for the token, which needs a server. */
function machines(options: ClusterOptions, paths: HomePaths, program: Program): ProcessSpec[] {
  const token = joinTokenPath(paths);
  const server = `https://${NODES_LINK.gateway}:${options.port}`;
  return localNodes(paths, options.nodes ?? 0).map(({ name, paths: home, machine }) => {
    const agent = [program.node, ...NODE_FLAGS, program.main, "agent", "--server", server, "--token-file", token];
    const log = ["--log-file", home.log("supervisor")];
    const waiting = ["sh", "-c", 'until [ -s "$0" ]; do sleep 0.1; done; exec "$@"', token];
    const runs = ["env", `K8TS_HOME=${home.root}`, ...waiting, ...agent, "--node-name", name, ...log];
    const [command = "", ...args] = bootCommand({ ...machine, runs });
    return {
      name,
      command,
      args,
      prepare: { command: program.node, args: [program.main, "prepare-machine", "--directory", machine.directory] },
      ends: (pid) => [...entering(pid), ...HALTING],
    };
  });
}
