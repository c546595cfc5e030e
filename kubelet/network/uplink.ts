/**
 * Uplink: the networks that this machine is part of, and how large its Pods' packets may be.
 *
 * A packet in the VXLAN carries another one's headers, so Pods' packets are smaller where there is one.
 * Read-only; addresses come from the process's own network namespace.
 */
import { networkInterfaces } from "node:os";
import { familyOf } from "../../machinery/objects/ip.ts";
import { asked } from "./ip-tool.ts";
import { hasLink } from "./links.ts";
import { type Attached, VXLAN } from "./peers.ts";

/** Ethernet, IP, UDP and VXLAN headers. */
export const OVERHEAD = { IPv4: 50, IPv6: 70 } as const;
const USUAL_MTU = 1500;
const LEAST_MTU = 576;
/** IPv6 takes no smaller one. */
const LEAST_MTU_V6 = 1280;

/** Not our own, nor those that lead to containers or to itself; the narrowest network first. */
export function attachedNetworks(): readonly Attached[] {
  const all = Object.entries(networkInterfaces()).flatMap(([device, addresses]) =>
    (addresses ?? []).flatMap(({ cidr, internal, address }) =>
      cidr && !internal && !address.startsWith("fe80") && !device.startsWith("k8ts") ? [{ device, cidr }] : [],
    ),
  );
  const bits = ({ cidr }: Attached) => Number(cidr.split("/")[1]);
  return all.sort((a, b) => bits(b) - bits(a));
}

/** The largest packet of a Pod: as the link takes it, less what the VXLAN adds once there is one. */
export async function podMtu(nodeAddress: string): Promise<number> {
  return hasLink(VXLAN) ? mtuOf(VXLAN) : mtuOf(deviceOf(nodeAddress));
}

/** What the VXLAN over this address may carry. */
export async function tunnelMtu(nodeAddress: string): Promise<number> {
  const family = familyOf(nodeAddress) ?? "IPv4";
  const least = family === "IPv6" ? LEAST_MTU_V6 : LEAST_MTU;
  return Math.max(least, (await mtuOf(deviceOf(nodeAddress))) - OVERHEAD[family]);
}

const deviceOf = (address: string): string | undefined =>
  attachedNetworks().find(({ cidr }) => cidr.startsWith(`${address}/`))?.device;

async function mtuOf(device: string | undefined): Promise<number> {
  if (device === undefined) return USUAL_MTU; // the address is another's, for instance a translated one
  const [link] = await asked<{ readonly mtu: number }>("ip", "link", "show", "dev", device);
  return link?.mtu ?? USUAL_MTU;
}
