/**
 * Masquerade: lets Pods speak to what is outside of the cluster, with their node's address.
 *
 * Between Pods, whatever their nodes, addresses stay as they are. The table is made by bridge-network.ts; node-routes.ts
 * looks now and then whether somebody took it away.
 */
import { existsSync } from "node:fs";
import { parseCidr } from "./cidr.ts";
import { BRIDGE } from "./cni.ts";
import { nft, ownTables } from "./nft.ts";

const TABLE = "k8ts";
const NFT = { IPv4: "ip", IPv6: "ip6" } as const;
const MULTICAST = { IPv4: "224.0.0.0/4", IPv6: "ff00::/8" } as const;

/** `clusterCIDR`: one range, or one of each family with a comma between. */
export async function masquerade(podCIDRs: readonly string[], clusterCIDR: string): Promise<void> {
  await nft(scriptOf(podCIDRs, clusterCIDR));
}

/** True when it was gone, and is there again. */
export async function remasquerade(podCIDRs: readonly string[], clusterCIDR: string): Promise<boolean> {
  const there = await ownTables();
  if (podCIDRs.every((range) => there.includes(`${NFT[parseCidr(range).family]} ${TABLE}`))) return false;
  await masquerade(podCIDRs, clusterCIDR);
  return true;
}

/** Both families in one transaction. A table is made anew, which connections do not notice. */
function scriptOf(podCIDRs: readonly string[], clusterCIDR: string): string {
  const clusters = clusterCIDR.split(",").map((part) => part.trim());
  return podCIDRs
    .map((range) => {
      const { family } = parseCidr(range);
      const cluster = clusters.find((one) => parseCidr(one).family === family) ?? range;
      const name = NFT[family];
      // Without br_netfilter, what one Pod sends to another through a Service must return by the bridge's own address.
      const local = existsSync("/proc/sys/net/bridge")
        ? ""
        : `ct status dnat ${name} saddr ${range} ${name} daddr ${range} masquerade ;`;
      return `add table ${name} ${TABLE}
delete table ${name} ${TABLE}
table ${name} ${TABLE} {
  chain postrouting {
    type nat hook postrouting priority srcnat ;
    ${local}
    ${name} saddr ${range} ${name} daddr != ${cluster} ${name} daddr != ${MULTICAST[family]} oifname != "${BRIDGE}" masquerade fully-random ;
  }
}
`;
    })
    .join("");
}
