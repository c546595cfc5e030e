/**
 * Bridge network: one bridge a node, on which every Pod has its interface.
 *
 * Gives the bridge the first address of each of the node's ranges, routes the Service ranges to it,
 * masquerades what leaves the cluster and has the CNI configuration written. All of it may be done again
 * at any time, under Pods that run. Other nodes' Pods: node-routes.ts; Services: the proxy; removal: sweep.ts.
 */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import type { HomePaths } from "../../machinery/process/home.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { NodeNetwork } from "../network-contract.ts";
import { type Cidr, parseCidr } from "./cidr.ts";
import { BRIDGE, writeCniConfiguration } from "./cni.ts";
import { letDockerForward } from "./docker.ts";
import { asked, ip } from "./ip-tool.ts";
import { hasLink, loadModule } from "./links.ts";
import { masquerade } from "./masquerade.ts";
import { gatewayOf } from "./peers.ts";
import { podMtu } from "./uplink.ts";

export interface BridgeNetworkOptions {
  readonly paths: HomePaths;
  /** One range, or one of each family with a comma between; so is the next. */
  readonly clusterCIDR: string;
  readonly serviceCIDR: string;
  readonly nodeAddress: string;
}

/** How ip calls a family, and where its switches are. */
const FAMILIES = {
  IPv4: { flag: "-4", forwarding: "/proc/sys/net/ipv4/ip_forward", bridged: "bridge-nf-call-iptables" },
  IPv6: {
    flag: "-6",
    forwarding: "/proc/sys/net/ipv6/conf/all/forwarding",
    bridged: "bridge-nf-call-ip6tables",
  },
} as const;

export function bridgeNetwork(options: BridgeNetworkOptions): NodeNetwork {
  const { paths, nodeAddress } = options;
  return {
    async prepareNode({ podCIDR, podCIDRs, log }) {
      const own = podCIDRs.length > 0 ? podCIDRs : [podCIDR];
      const mtu = await podMtu(nodeAddress);
      for (const range of own.map(parseCidr)) await allowForwarding(range, log);
      await ensureBridge(own, mtu, options.serviceCIDR);
      await masquerade(own, options.clusterCIDR);
      await letDockerForward(BRIDGE, log);
      await writeCniConfiguration(paths, { podCIDRs: own, mtu });
      log.info("node network ready", { bridge: BRIDGE, podCIDRs: own, mtu });
    },
  };
}

/** Answers that come back over the bridge must pass the translation too, or a Service is unreachable from its own node. */
async function allowForwarding({ family }: Cidr, log: Logger): Promise<void> {
  const { forwarding, bridged: name } = FAMILIES[family];
  if (!existsSync(forwarding)) throw new Error(`this machine has no ${family}: ${forwarding} is missing`);
  await writeFile(forwarding, "1");
  // A ClusterIP is routed back to the link that it came from: telling Pods of a shorter way would be wrong.
  if (family === "IPv4") await writeFile("/proc/sys/net/ipv4/conf/all/send_redirects", "0");
  const bridged = `/proc/sys/net/bridge/${name}`;
  if (!existsSync(bridged)) await loadModule("br_netfilter");
  if (existsSync(bridged)) await writeFile(bridged, "1");
  else log.warn("br_netfilter is missing: Pods of one node reach each other's Services only with masquerading");
}

async function ensureBridge(podCIDRs: readonly string[], mtu: number, serviceCIDR: string): Promise<void> {
  if (!hasLink(BRIDGE)) await ip("link", "add", BRIDGE, "type", "bridge");
  await ip("link", "set", BRIDGE, "mtu", String(mtu));
  await writeFile(`/proc/sys/net/ipv4/conf/${BRIDGE}/send_redirects`, "0");
  const gateways = podCIDRs.map((range) => `${gatewayOf(range)}/${parseCidr(range).bits}`);
  for (const old of await addressesOf(BRIDGE)) if (!gateways.includes(old)) await ip("addr", "del", old, "dev", BRIDGE);
  // Without duplicate address detection an IPv6 address serves at once.
  for (const address of gateways)
    await ip("addr", "replace", address, "dev", BRIDGE, ...(address.includes(":") ? ["nodad"] : []));
  await ip("link", "set", BRIDGE, "up");
  // Own processes leave for a ClusterIP from the bridge's address, also on a machine without a default route.
  for (const range of serviceCIDR.split(",").map((part) => part.trim())) {
    const { family } = parseCidr(range);
    const own = podCIDRs.find((one) => parseCidr(one).family === family);
    if (own) await ip(FAMILIES[family].flag, "route", "replace", range, "dev", BRIDGE, "src", gatewayOf(own));
  }
}

async function addressesOf(device: string): Promise<readonly string[]> {
  type Address = { readonly local: string; readonly prefixlen: number; readonly scope: string };
  const [link] = await asked<{ readonly addr_info?: readonly Address[] }>("ip", "addr", "show", "dev", device);
  return (link?.addr_info ?? [])
    .filter(({ scope }) => scope === "global")
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`);
}
