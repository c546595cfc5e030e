/**
 * Bridge network: one bridge a node, on which every Pod has its interface.
 *
 * Gives the bridge the first address of the podCIDR, routes the Service range to it, masquerades
 * what leaves the cluster and writes the CNI configuration that the runtime reads. All of it may be
 * done again at any time. Services are the proxy's concern; removal is sweep.ts.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { HomePaths } from "../../machinery/process/home.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { NodeNetwork } from "../network-contract.ts";
import { addressAt, type Cidr, parseCidr } from "./cidr.ts";
import { letDockerForward } from "./docker.ts";
import { hasLink } from "./links.ts";
import { environment, nft } from "./nft.ts";

const run = promisify(execFile);

export const BRIDGE = "k8ts0";
export const TABLE = "k8ts";

export interface BridgeNetworkOptions {
  readonly paths: HomePaths;
  readonly clusterCIDR: string;
  readonly serviceCIDR: string;
}

export function bridgeNetwork({ paths, clusterCIDR, serviceCIDR }: BridgeNetworkOptions): NodeNetwork {
  return {
    async prepareNode({ podCIDR, log }) {
      const range = parseCidr(podCIDR);
      await allowForwarding(log);
      await ensureBridge(range, serviceCIDR);
      await nft(masqueradeScript(podCIDR, clusterCIDR));
      await letDockerForward(BRIDGE, log);
      await writeConfiguration(paths, cniConfiguration(podCIDR, paths.cniData));
      log.info("node network ready", { bridge: BRIDGE, podCIDR });
    },
  };
}

/** Answers that come back over the bridge must pass the translation too, or a Service is unreachable from its own node. */
async function allowForwarding(log: Logger): Promise<void> {
  await writeFile("/proc/sys/net/ipv4/ip_forward", "1");
  const bridged = "/proc/sys/net/bridge/bridge-nf-call-iptables";
  if (!existsSync(bridged)) await run("modprobe", ["br_netfilter"], { env: environment() }).catch(() => undefined); // kmod may be absent: the next line looks
  if (existsSync(bridged)) await writeFile(bridged, "1");
  else log.warn("br_netfilter is missing: Pods of one node reach each other's Services only with masquerading");
}

async function ensureBridge(range: Cidr, serviceCIDR: string): Promise<void> {
  const gateway = addressAt(range, 1);
  if (!hasLink(BRIDGE)) await ip("link", "add", BRIDGE, "type", "bridge");
  const { stdout } = await run("ip", ["-4", "-o", "addr", "show", "dev", BRIDGE], { env: environment() });
  for (const [, old] of stdout.matchAll(/inet (\S+)/g)) {
    if (old !== `${gateway}/${range.bits}`) await ip("addr", "del", old as string, "dev", BRIDGE);
  }
  await ip("addr", "replace", `${gateway}/${range.bits}`, "dev", BRIDGE);
  await ip("link", "set", BRIDGE, "up");
  // Own processes leave for a ClusterIP from the bridge's address, also on a machine without a default route.
  await ip("route", "replace", serviceCIDR, "dev", BRIDGE, "src", gateway);
}

async function ip(...args: string[]): Promise<void> {
  await run("ip", args, { env: environment() });
}

/** Without br_netfilter, what one Pod sends to another through a Service must return by the bridge's own address. */
function masqueradeScript(podCIDR: string, clusterCIDR: string): string {
  const local = existsSync("/proc/sys/net/bridge")
    ? ""
    : `ct status dnat ip saddr ${podCIDR} ip daddr ${podCIDR} masquerade ;`;
  return `add table ip ${TABLE}
delete table ip ${TABLE}
table ip ${TABLE} {
  chain postrouting {
    type nat hook postrouting priority srcnat ;
    ${local}
    ip saddr ${podCIDR} ip daddr != ${clusterCIDR} ip daddr != 224.0.0.0/4 oifname != "${BRIDGE}" masquerade fully-random ;
  }
}
`;
}

/** The kernel's own masquerading is ours (ipMasq false); hairpin mode lets a Pod reach itself through its Service. */
export function cniConfiguration(podCIDR: string, dataDir: string): string {
  const ipam = { type: "host-local", dataDir, ranges: [[{ subnet: podCIDR }]], routes: [{ dst: "0.0.0.0/0" }] };
  const bridge = { type: "bridge", bridge: BRIDGE, isGateway: true, ipMasq: false, hairpinMode: true, ipam };
  return `${JSON.stringify({ cniVersion: "0.4.0", name: "k8ts", plugins: [bridge] }, null, 2)}\n`;
}

/** containerd watches the directory: the file appears whole, and only when it differs. */
async function writeConfiguration(paths: HomePaths, text: string): Promise<void> {
  const file = join(paths.cniConfig, "10-k8ts.conflist");
  if ((await readFile(file, "utf8").catch(() => undefined)) === text) return; // not there yet: written below
  await mkdir(paths.cniConfig, { recursive: true });
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}
