/**
 * Kubelet component: the node's agent as a process of its own, with its flags.
 *
 * What it does: run-kubelet.ts. Where containers run: behind the runtime interface's socket
 * (kubelet/cri), which is a process of its own or the agent's (agent.ts).
 */

import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { connectAs } from "../machinery/client/connect.ts";
import { readNodeRecord } from "../machinery/join/node-record.ts";
import { renewCertificates } from "../machinery/join/renew.ts";
import { publicKeyHash } from "../machinery/pki/certificates.ts";
import { type ComponentContext, defineComponent, type FlagValues } from "../machinery/process/component.ts";
import { UsageError } from "../machinery/process/flags.ts";
import { homePaths } from "../machinery/process/home.ts";
import { homeDirectory } from "../machinery/process/run.ts";
import { type KubeletSettings, readSettings, standardSettings } from "./configuration.ts";
import { connectRuntime } from "./cri/client.ts";
import { thresholdsOf } from "./eviction/thresholds.ts";
import { untilMoved } from "./moved-address.ts";
import type { NodeNetwork } from "./network-contract.ts";
import { noNetwork } from "./network-contract.ts";
import { defaultAddress, machineFacts } from "./node-facts.ts";
import { runKubelet } from "./run-kubelet.ts";
import { serveDirectly } from "./serving/serving.ts";
import { leaveFirst, whenMachineStops } from "./shutdown/machine.ts";
import { shutdownSeconds } from "./shutdown/phases.ts";
import { runTunnels } from "./tunnel/servers.ts";

export const kubeletFlags = {
  kubeconfig: {
    type: "string",
    value: "FILE",
    help: "identity and address of the API server (default: kubelet.kubeconfig under $K8TS_HOME)",
  },
  "node-name": { type: "string", value: "NAME", help: "name of this node (default: the host's name in lower case)" },
  "node-ip": {
    type: "string",
    value: "ADDRESS",
    help: "address of this node, or one of each family: IPV4,IPV6 (default: that of the default route)",
  },
  "node-labels": { type: "string", value: "K=V,…", help: "labels to register the node with" },
  "cri-socket": {
    type: "string",
    value: "SOCKET",
    help: "where the runtime interface is served (default: the home's cri.sock)",
  },
  network: { type: "string", default: "bridge", value: "NAME", help: "the Pod network to prepare: bridge or none" },
  "cluster-cidr": { type: "string", default: "10.42.0.0/16", value: "CIDR", help: "range of all Pod addresses" },
  "service-cidr": { type: "string", default: "10.43.0.0/16", value: "CIDR", help: "range of Service addresses" },
  "cluster-dns": {
    type: "string",
    default: "10.43.0.10",
    value: "ADDRESS",
    help: "address of the cluster's name server",
  },
  "cluster-domain": { type: "string", default: "cluster.local", value: "DOMAIN", help: "domain of the cluster" },
  "resolv-conf": { type: "string", value: "FILE", help: "resolv.conf that Pods inherit from (default: the host's)" },
  config: {
    type: "string",
    value: "FILE",
    help: "a KubeletConfiguration: eviction, static Pods, images, logs (default: kubelet.yaml under $K8TS_HOME, if there)",
  },
  "kubelet-port": {
    type: "number",
    default: 10250,
    value: "PORT",
    help: "port where the kubelet itself is asked for metrics and the like, 0 for none",
  },
  "max-pods": { type: "number", default: 110, value: "N", help: "Pods that this node takes" },
} as const;

export type KubeletFlags = FlagValues<typeof kubeletFlags>;

export const kubeletComponent = defineComponent({
  name: "kubelet",
  summary: "Runs the Pods of this node: plans, volumes, probes, status, logs and exec.",
  flags: kubeletFlags,
  stopsLater: (flags) => shutdownSeconds(settingsOf(flags, homeDirectory())) * 1000,
  async run(flags, context) {
    let leave = async () => {};
    const signal = leaveFirst(context.signal, () => leave());
    const onShutdown = (begin: () => Promise<void>) => {
      leave = begin;
    };
    await startKubelet(flags, { ...context, signal, onShutdown });
  },
});

type KubeletContext = Pick<ComponentContext, "clock" | "log" | "signal" | "home" | "ready"> & {
  /** Where somebody in the same process applies network policies. */
  readonly bindPod?: NodeNetwork["bindPod"] | undefined;
  /** Is given what to do before stopping: it ends the Pods, but only where the machine is being switched off. */
  readonly onShutdown?: (leave: () => Promise<void>) => void;
};

/** Resolves when the signal has aborted and everything has ended. */
export async function startKubelet(flags: KubeletFlags, context: KubeletContext): Promise<void> {
  const { clock, log, signal, home } = context;
  const paths = homePaths(home);
  const settings = settingsOf(flags, home);
  const kubeconfig = flags.kubeconfig ?? paths.kubeconfig("kubelet");
  const { client, access } = await connectAs({ kubeconfig, clock, log, signal });
  const cri = connectRuntime({ socket: flags["cri-socket"] ?? paths.criSocket, clock });
  const network = await networkOf(flags, home);
  const addresses = (flags["node-ip"] ?? defaultAddress()).split(",");
  const joined = flags.kubeconfig === undefined ? await readNodeRecord(paths) : undefined;
  const running = runKubelet({
    settings,
    staticPods: paths.staticPods,
    onShutdown: shutdownSeconds(settings) > 0 ? (begin) => context.onShutdown?.(whenMachineStops(begin)) : undefined,
    client,
    cri,
    clock,
    log,
    signal,
    ready: context.ready,
    nodeName: nodeName(flags),
    addresses,
    key: access.cert && publicKeyHash(access.cert),
    maxPods: flags["max-pods"],
    labels: labelsOf(flags["node-labels"]),
    facts: await machineFacts("/"),
    directory: paths.kubelet,
    logs: paths.podLogs,
    volumes: paths.volumes,
    clusterDns: flags["cluster-dns"].split(",").filter(Boolean),
    clusterDomain: flags["cluster-domain"],
    resolvConf: flags["resolv-conf"] ?? hostResolvConf(),
    cgroupRoot: paths.cgroup,
    network: { ...network, bindPod: context.bindPod },
    // the API server comes through these; others come by the kubelet's own port
    tunnel: async (server) => {
      const tunnels = runTunnels({ ...context, kubeconfig, client, server, log: log.child({ part: "tunnel" }) });
      const own = {
        port: flags["kubelet-port"],
        nodeName: nodeName(flags),
        addresses,
        seconds: joined?.seconds,
      };
      await Promise.all([tunnels, serveDirectly({ ...context, ...own, client, server, paths, authority: access.ca })]);
    },
  });
  await Promise.all([
    running,
    joined && renewCertificates({ paths, record: joined, client, clock, log, signal }),
    flags["node-ip"] === undefined ? untilMoved({ address: addresses[0] as string, clock, signal }) : undefined,
  ]);
  await cri.close();
}

/** Read once: a change needs a restart of the kubelet, which no container notices. */
export function settingsOf({ config }: Pick<KubeletFlags, "config">, home: string): KubeletSettings {
  const file = config ?? homePaths(home).kubeletConfig;
  if (config === undefined && !existsSync(file)) return standardSettings;
  try {
    const settings = readSettings(readFileSync(file, "utf8"));
    thresholdsOf(settings);
    return settings;
  } catch (error) {
    throw new UsageError(`${file}: ${(error as Error).message}`);
  }
}

export function nodeName(flags: Pick<KubeletFlags, "node-name">): string {
  return (flags["node-name"] ?? hostname()).toLowerCase();
}

async function networkOf(flags: KubeletFlags, home: string): Promise<NodeNetwork> {
  if (flags.network === "none") return noNetwork;
  if (flags.network !== "bridge") throw new UsageError(`--network is bridge or none, not "${flags.network}"`);
  const { bridgeNetwork } = await import("./network/bridge-network.ts");
  return bridgeNetwork({
    paths: homePaths(home),
    clusterCIDR: flags["cluster-cidr"],
    serviceCIDR: flags["service-cidr"],
    nodeAddress: flags["node-ip"]?.split(",")[0] ?? defaultAddress(),
  });
}

function labelsOf(text: string | undefined): Record<string, string> {
  const pairs = (text ?? "").split(",").filter(Boolean);
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 0) throw new UsageError(`--node-labels takes K=V pairs, not "${pair}"`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

/** Where the host asks its own loopback, the real servers stand in systemd-resolved's file. */
function hostResolvConf(): string {
  const usual = "/etc/resolv.conf";
  const resolved = "/run/systemd/resolve/resolv.conf";
  const text = existsSync(usual) ? readFileSync(usual, "utf8") : "";
  return /^nameserver\s+(127\.|::1)/m.test(text) && existsSync(resolved) ? resolved : usual;
}
