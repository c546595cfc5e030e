/**
 * Machine: `k8ts server` and `k8ts agent --server …`: one machine's part of a cluster, kept running in the foreground.
 *
 * What `up` does in the background for a cluster of one, these do for a service manager: they end when they are told to,
 * and containers live on (supervisor.ts). An agent joins first, once; its token is not kept. Flags that are not of the machine itself go
 * to the processes as they were given.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { hostname } from "node:os";
import { joinCluster } from "../join/join.ts";
import { JoinError } from "../join/join-error.ts";
import { fetchServerKeys } from "../join/server-keys.ts";
import { type Component, type ComponentContext, defineComponent, type Flags } from "../process/component.ts";
import { asArguments, commonFlags, UsageError } from "../process/flags.ts";
import { type HomePaths, homePaths } from "../process/home.ts";
import { livingRecord } from "./process-record.ts";
import { type ClusterOptions, NODE_FLAGS } from "./process-table.ts";
import { createProgress } from "./progress.ts";
import { recordPath } from "./supervised-process.ts";
import { optionsPath, readOptions } from "./supervisor.ts";
import { ensurePackages, whyNoContainers } from "./up.ts";

const machineFlags = {
  simulated: { type: "boolean", help: "simulate containers, though this machine could run them" },
  install: { type: "boolean", help: "make a service of systemd of it, with these flags, that starts with the machine" },
} as const satisfies Flags;

const joinFlags = {
  server: { type: "string", value: "URL", help: "a server of the cluster: https://ADDRESS:6443" },
  token: { type: "string", value: "TOKEN", help: "what 'k8ts token create' printed on a server; needed once" },
  "token-file": { type: "string", value: "FILE", help: "a file that holds the token" },
  "certificate-duration": {
    type: "number",
    value: "SECONDS",
    help: "how long this node's certificates are to be good (default: as long as the cluster gives, a year)",
  },
} as const satisfies Flags;

/** Set by the machine itself, from what the cluster says or where its home is. */
const OWN_OF_AGENT = new Set([
  ...["kubeconfig", "runtime", "cluster-cidr", "service-cidr", "cluster-dns", "cluster-domain", "node-name"],
]);
const OWN_OF_SERVER = new Set(["port", "node-name", "store", "etcd-servers"]);
/** Of the server, and of its own node as well. */
const SHARED = new Set(["cluster-cidr", "service-cidr"]);
/** Of the agent, given to a server for its own node. */
const OF_SERVERS_NODE = ["node-ip", "node-labels", "max-pods", "resolv-conf", "config", "kubelet-port"];

/** Of a further server: where it gets the keys that servers share. */
const serverJoinFlags = {
  server: { type: "string", value: "URL", help: "another server of the cluster, whose etcd this one shares" },
  token: { type: "string", value: "TOKEN", help: "what 'k8ts token create --servers' printed there; needed once" },
  "token-file": joinFlags["token-file"],
} as const satisfies Flags;

type Values = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** `agent` is the process that the machine runs: its flags are the machine's too. */
export function agentMachine(agent: Component): Component {
  const passed = without(agent.flags, (name) => OWN_OF_AGENT.has(name) && name !== "node-name");
  return defineComponent({
    name: "agent",
    command: true,
    summary: "Joins this machine to a cluster and runs its node; 'k8ts agent leave' takes it out again.",
    flags: { ...joinFlags, ...machineFlags, ...passed } as Flags,
    async run(flags, context) {
      const values = flags as Values;
      const paths = homePaths(context.home);
      const progress = createProgress(context.clock, process.stderr);
      checkFree(paths, (options) => options.joined !== undefined);
      const real = containersOr(values);
      const record = await joinCluster({
        ...context,
        paths,
        server: String(values["server"]),
        token: tokenOf(values),
        nodeName: values["node-name"] as string | undefined,
        hostName: hostname(),
        seconds: values["certificate-duration"] as number | undefined,
      }).catch(async (error: unknown) => {
        throw await withWhatIsBad(error, context, String(values["server"]));
      });
      if (real) await ensurePackages(false, progress);
      progress.say(`k8ts: this machine is node ${record.nodeName} of ${record.server}`);
      const options: ClusterOptions = {
        port: Number(new URL(record.server).port || 443),
        nodeName: record.nodeName,
        runtime: real ? "containerd" : "simulated",
        separate: false,
        etcdServers: [],
        joined: record.facts,
        agentFlags: asArguments(
          without(agent.flags, (name) => OWN_OF_AGENT.has(name)),
          values,
        ),
      };
      becomeSupervisor(options, values, context);
    },
  });
}

/** `server` is the process; with --no-agent that is all, and unless it joins others none of this is needed. */
export function serverMachine(server: Component, agent: Component): Component {
  const ofNode = Object.fromEntries(Object.entries(agent.flags).filter(([name]) => OF_SERVERS_NODE.includes(name)));
  return defineComponent({
    name: "server",
    command: true,
    summary: "Runs a server of a cluster, and on the same machine a node.",
    flags: {
      ...server.flags,
      ...ofNode,
      ...serverJoinFlags,
      ...machineFlags,
      "no-agent": {
        type: "boolean",
        help: "run no node here, only API server, controllers and scheduler, in one process",
      },
    } as Flags,
    async run(flags, context) {
      const values = flags as Values;
      const paths = homePaths(context.home);
      checkFree(paths, (options) => options.joined === undefined);
      if (values["server"] !== undefined) await joinServers(values, paths, context);
      if (values["no-agent"]) return become(["server", ...asArguments(server.flags, values)], values, context.home);
      const real = containersOr(values);
      if (real) await ensurePackages(false, createProgress(context.clock, process.stderr));
      const nodeName = (values["node-name"] as string | undefined) ?? readOptions(paths)?.nodeName ?? hostname();
      const shared = asArguments(
        without(server.flags, (name) => !SHARED.has(name)),
        values,
      );
      const options: ClusterOptions = {
        port: values["port"] as number,
        nodeName: nodeName.toLowerCase(),
        runtime: real ? "containerd" : "simulated",
        separate: false,
        etcdServers: values["etcd-servers"] as readonly string[],
        serverFlags: [
          ...(values["store"] === "memory" ? ["--store", "memory"] : []),
          ...asArguments(
            without(server.flags, (name) => OWN_OF_SERVER.has(name)),
            values,
          ),
        ],
        agentFlags: [
          ...asArguments(ofNode, values),
          ...shared,
          ...dnsAddress(values["service-cidr"] as string, shared),
        ],
      };
      becomeSupervisor(options, values, context);
    },
  });
}

async function joinServers(values: Values, paths: HomePaths, { clock, signal }: ComponentContext): Promise<void> {
  if (values["store"] !== "etcd" && (values["etcd-servers"] as readonly string[]).length === 0)
    throw new UsageError("several servers share an etcd: give --store etcd and --etcd-servers as at the others");
  await fetchServerKeys({ paths, clock, signal, server: String(values["server"]), token: tokenOf(values) });
}

function becomeSupervisor(options: ClusterOptions, values: Values, { home }: ComponentContext): never {
  const paths = homePaths(home);
  mkdirSync(paths.logs, { recursive: true, mode: 0o700 });
  writeFileSync(`${optionsPath(paths)}.new`, JSON.stringify(options), { mode: 0o600 });
  renameSync(`${optionsPath(paths)}.new`, optionsPath(paths));
  const log = values["log-file"] === undefined ? ["--log-file", paths.log("supervisor")] : [];
  return become(["supervisor", "--main", process.argv[1] as string, "--tell", ...log], values, home);
}

/** This process becomes another command: what it has loaded to know all flags is not needed any more. */
function become(command: readonly string[], values: Values, home: string): never {
  const given = asArguments(commonFlags, values);
  const args = [process.execPath, ...NODE_FLAGS, process.argv[1] as string, ...command, ...given];
  const env: NodeJS.ProcessEnv = { ...process.env, K8TS_HOME: home };
  // what runs on this machine reads the same variables as flags
  for (const name of [...Object.keys(joinFlags), "log-file"])
    delete env[`K8TS_${name.replaceAll("-", "_").toUpperCase()}`];
  flushCompileCache(); // which happens at a process's end otherwise
  process.execve?.(process.execPath, args, env);
  throw new Error("this Node cannot replace its process");
}

/** A home is one machine's: a server's or an agent's, and one of them runs at a time. */
function checkFree(paths: HomePaths, isOurs: (options: ClusterOptions) => boolean): void {
  const other = livingRecord(recordPath(paths, "supervisor"));
  if (other && other.pid !== process.pid)
    throw new UsageError(`this machine's part of a cluster runs already (pid ${other.pid}): stop it with 'k8ts down'`);
  const options = readOptions(paths);
  if (options && !isOurs(options))
    throw new UsageError(
      options.joined
        ? `this machine is node ${options.nodeName} of another cluster: 'k8ts agent leave' takes it out`
        : `${paths.root} is the home of a server: set K8TS_HOME to another directory, or remove it with 'k8ts down --purge'`,
    );
}

/** A join that failed says what of this machine stood in its way. */
async function withWhatIsBad(error: unknown, { home, clock }: ComponentContext, server: string): Promise<unknown> {
  if (!(error instanceof JoinError)) return error;
  const { whatIsBad } = await import("../check/check-command.ts");
  const { findingsText } = await import("../check/finding.ts");
  const found = await whatIsBad(home, server, clock);
  return found.length > 0
    ? new JoinError(`${error.message}\nk8ts check says of this machine:\n${findingsText(found)}`)
    : error;
}

/** True for real containers. */
function containersOr({ simulated }: Values): boolean {
  if (simulated) return false;
  const why = whyNoContainers();
  if (why) throw new JoinError(why, "run it as root on Linux, or with --simulated");
  return true;
}

function tokenOf(values: Values): string | undefined {
  const file = values["token-file"] as string | undefined;
  if (values["token"] !== undefined || file === undefined) return values["token"] as string | undefined;
  if (!existsSync(file)) return undefined; // who has joined needs none
  return readFileSync(file, "utf8").trim() || undefined;
}

function without(flags: Flags, left: (name: string) => boolean): Flags {
  return Object.fromEntries(Object.entries(flags).filter(([name]) => !left(name)));
}

/** The cluster's name server is the tenth address of the Services' range: see apiserver/create-apiserver.ts. */
function dnsAddress(serviceCidr: string, shared: readonly string[]): string[] {
  if (!shared.includes("--service-cidr")) return [];
  const [a = 0, b = 0, c = 0, d = 0] = (serviceCidr.split("/")[0] ?? "").split(".").map(Number);
  const address = (((a * 256 + b) * 256 + c) * 256 + d + 10) >>> 0;
  const text = [24, 16, 8, 0].map((bits) => (address >>> bits) & 0xff).join(".");
  return ["--cluster-dns", text];
}
