/**
 * Controller flags: what people may set of the controllers, wherever they run: in a process of their own, in the server's.
 *
 * One table; `up` passes on what it is given. Loads nothing of the controllers themselves.
 */
import { join } from "node:path";
import type { KeyPair } from "../machinery/pki/certificates.ts";
import { readIfThere } from "../machinery/pki/files.ts";
import type { Flags, FlagValues } from "../machinery/process/component.ts";
import { UsageError } from "../machinery/process/flags.ts";
import type { HomePaths } from "../machinery/process/home.ts";
import type { ControllersOptions } from "./controllers.ts";
import type { AutoscalerSettings } from "./horizontal-pod-autoscaler.ts";
import { evictionRates } from "./node-zones.ts";

export const controllerDefaults = {
  clusterCidr: "10.42.0.0/16",
  nodeIpv4Bits: 24,
  nodeIpv6Bits: 64,
  nodeMonitorGraceMs: 50_000,
  endedPodThreshold: 12_500,
  signingSeconds: 365 * 24 * 3600,
} as const;

export const autoscalerDefaults: AutoscalerSettings = {
  syncMs: 15_000,
  downscaleStabilizationMs: 300_000,
  tolerance: 0.1,
  cpuInitializationMs: 300_000,
  initialReadinessMs: 30_000,
};

export const controllerFlags = {
  "cluster-cidr": {
    type: "string",
    value: "CIDR",
    default: controllerDefaults.clusterCidr,
    help: "Pod addresses of the whole cluster: one range, or one of each family with a comma",
  },
  "node-cidr-mask-size-ipv4": {
    type: "number",
    value: "BITS",
    default: controllerDefaults.nodeIpv4Bits,
    help: "prefix length of a node's block of Pod addresses",
  },
  "node-cidr-mask-size-ipv6": {
    type: "number",
    value: "BITS",
    default: controllerDefaults.nodeIpv6Bits,
    help: "the same, of IPv6",
  },
  "node-monitor-grace-period": {
    type: "number",
    value: "SECONDS",
    default: controllerDefaults.nodeMonitorGraceMs / 1000,
    help: "how long a node may be silent before it counts as lost",
  },
  "node-eviction-rate": {
    type: "number",
    value: "NUMBER",
    default: evictionRates.usual,
    help: "nodes of a zone a second whose Pods are driven away when they are lost",
  },
  "secondary-node-eviction-rate": {
    type: "number",
    value: "NUMBER",
    default: evictionRates.reduced,
    help: "the same while most nodes of a large zone are lost",
  },
  "large-cluster-size-threshold": {
    type: "number",
    value: "COUNT",
    default: evictionRates.largeZone,
    help: "how many nodes a zone has that is not large yet",
  },
  "unhealthy-zone-threshold": {
    type: "number",
    value: "SHARE",
    default: evictionRates.disruptedShare,
    help: "share of lost nodes from which on a zone counts as disrupted",
  },
  "cluster-signing-cert-file": {
    type: "string",
    value: "FILE",
    help: "PEM of the authority that signs certificates; default: the home's own",
  },
  "cluster-signing-key-file": { type: "string", value: "FILE", help: "PEM of its key (EC P-256)" },
  "cluster-signing-duration": {
    type: "number",
    value: "SECONDS",
    default: controllerDefaults.signingSeconds,
    help: "the longest that a certificate is good which the controllers sign",
  },
  "service-account-private-key-file": {
    type: "string",
    value: "FILE",
    help: "PEM of the key that signs lasting tokens of service accounts; default: the home's own",
  },
  "horizontal-pod-autoscaler-sync-period": {
    type: "number",
    value: "SECONDS",
    default: autoscalerDefaults.syncMs / 1000,
    help: "how often autoscalers are looked at",
  },
  "horizontal-pod-autoscaler-downscale-stabilization": {
    type: "number",
    value: "SECONDS",
    default: autoscalerDefaults.downscaleStabilizationMs / 1000,
    help: "how long a higher recommendation holds",
  },
  "horizontal-pod-autoscaler-cpu-initialization-period": {
    type: "number",
    value: "SECONDS",
    default: autoscalerDefaults.cpuInitializationMs / 1000,
    help: "how long after its start a Pod's CPU may tell of starting",
  },
  "horizontal-pod-autoscaler-initial-readiness-delay": {
    type: "number",
    value: "SECONDS",
    default: autoscalerDefaults.initialReadinessMs / 1000,
    help: "a Pod that is not ready so soon after its start has never been",
  },
  "horizontal-pod-autoscaler-tolerance": {
    type: "number",
    value: "SHARE",
    default: autoscalerDefaults.tolerance,
    help: "how far use may be off before anything is scaled",
  },
  "load-balancer": {
    type: "string",
    value: "NAME",
    default: "node-addresses",
    help: "what Services of type LoadBalancer get that name no class: node-addresses, or none where another sees to it",
  },
  "terminated-pod-gc-threshold": {
    type: "number",
    value: "COUNT",
    default: controllerDefaults.endedPodThreshold,
    help: "how many ended Pods are kept",
  },
} as const satisfies Flags;

export type ControllerFlags = FlagValues<typeof controllerFlags>;

export function settingsOf(flags: ControllerFlags) {
  return {
    clusterCidr: flags["cluster-cidr"],
    nodeIpv4Bits: flags["node-cidr-mask-size-ipv4"],
    nodeIpv6Bits: flags["node-cidr-mask-size-ipv6"],
    nodeMonitorGraceMs: flags["node-monitor-grace-period"] * 1000,
    evictionRates: {
      usual: flags["node-eviction-rate"],
      reduced: flags["secondary-node-eviction-rate"],
      largeZone: flags["large-cluster-size-threshold"],
      disruptedShare: flags["unhealthy-zone-threshold"],
    },
    endedPodThreshold: flags["terminated-pod-gc-threshold"],
    signingSeconds: flags["cluster-signing-duration"],
    loadBalancer: isLoadBalancer(flags["load-balancer"]),
    autoscaling: {
      syncMs: flags["horizontal-pod-autoscaler-sync-period"] * 1000,
      downscaleStabilizationMs: flags["horizontal-pod-autoscaler-downscale-stabilization"] * 1000,
      tolerance: flags["horizontal-pod-autoscaler-tolerance"],
      cpuInitializationMs: flags["horizontal-pod-autoscaler-cpu-initialization-period"] * 1000,
      initialReadinessMs: flags["horizontal-pod-autoscaler-initial-readiness-delay"] * 1000,
    },
  } satisfies Partial<ControllersOptions>;
}

/** What they sign with: the home's own keys where no others are given, nothing where this machine has none. */
export async function keysOf(flags: ControllerFlags, { pki }: Pick<HomePaths, "pki">) {
  const { "cluster-signing-cert-file": certificatePath, "cluster-signing-key-file": keyPath } = flags;
  if ((certificatePath === undefined) !== (keyPath === undefined))
    throw new UsageError("--cluster-signing-cert-file and --cluster-signing-key-file go together");
  const [certificate, key, tokenKey] = await Promise.all([
    given("cluster-signing-cert-file", certificatePath, join(pki, "ca.crt")),
    given("cluster-signing-key-file", keyPath, join(pki, "ca.key")),
    given(
      "service-account-private-key-file",
      flags["service-account-private-key-file"],
      join(pki, "service-accounts.key"),
    ),
  ]);
  const signing: KeyPair | undefined = certificate && key ? { certificate, key } : undefined;
  return { signing, tokenKey };
}

async function given(flag: string, path: string | undefined, usual: string): Promise<string | undefined> {
  const text = await readIfThere(path ?? usual);
  if (path !== undefined && text === undefined) throw new UsageError(`--${flag}: there is no file ${path}`);
  return text;
}

function isLoadBalancer(name: string): boolean {
  if (name === "node-addresses" || name === "none") return name === "node-addresses";
  throw new UsageError(`--load-balancer is node-addresses or none, not "${name}"`);
}
