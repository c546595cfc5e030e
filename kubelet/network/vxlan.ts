/**
 * VXLAN: the device that wraps packets to nodes which no plain route reaches.
 *
 * It learns nothing by itself: who is where stands in its tables, which are kept equal to the plan. A
 * device that differs from the plan in what cannot be changed is made anew.
 */
import { writeFile } from "node:fs/promises";
import { asked, batch, ip } from "./ip-tool.ts";
import { hasLink } from "./links.ts";
import { type Neighbour, type Tunnel, VXLAN } from "./peers.ts";

/** As Linux had it first and others use it: firewalls know it. */
const PORT = 8472;
const ID = 4242;

interface Device {
  readonly address: string;
  readonly mtu: number;
  readonly linkinfo?: {
    readonly info_data?: {
      readonly id?: number;
      readonly port?: number;
      readonly local?: string;
      readonly local6?: string;
    };
  };
}

/** True when the device was made. */
export async function ensureVxlan({ mac, local, addresses }: Tunnel, mtu: number): Promise<boolean> {
  const found = hasLink(VXLAN) ? (await asked<Device>("ip", "-details", "link", "show", "dev", VXLAN))[0] : undefined;
  const { id, port, local: local4, local6 } = found?.linkinfo?.info_data ?? {};
  const same = found?.address === mac && id === ID && port === PORT && (local4 ?? local6) === local;
  if (found && !same) await ip("link", "delete", VXLAN);
  if (!same) {
    const wrapped = ["type", "vxlan", "id", String(ID), "dstport", String(PORT), "local", local, "nolearning"];
    await ip("link", "add", VXLAN, "address", mac, "mtu", String(mtu), ...wrapped);
    // Answers may come back by another way while a node changes how it reaches this one.
    await writeFile(`/proc/sys/net/ipv4/conf/${VXLAN}/rp_filter`, "2");
  } else if (found?.mtu !== mtu) await ip("link", "set", VXLAN, "mtu", String(mtu));
  // What is masqueraded on its way into the VXLAN gets an address of the Pod network.
  for (const address of addresses) {
    const whole = address.includes(":") ? [`${address}/128`, "nodad"] : [`${address}/32`];
    await ip("addr", "replace", ...whole, "dev", VXLAN, "noprefixroute");
  }
  await ip("link", "set", VXLAN, "up");
  return !same;
}

interface NeighbourRow {
  readonly dst: string;
  readonly lladdr?: string;
}

interface ForwardingRow {
  readonly mac: string;
  readonly dst?: string;
}

/** Makes the device's tables what the plan says. */
export async function ensureNeighbours(wanted: readonly Neighbour[]): Promise<void> {
  const [near, far] = await Promise.all([
    asked<NeighbourRow>("ip", "neigh", "show", "dev", VXLAN, "nud", "permanent"),
    asked<ForwardingRow>("bridge", "fdb", "show", "dev", VXLAN),
  ]);
  const addresses = new Map(wanted.map(({ address, mac }) => [address, mac]));
  const machines = new Map(wanted.map(({ mac, machine }) => [mac, machine]));
  const known = new Map(near.map(({ dst, lladdr }) => [dst, lladdr]));
  const placed = new Map(far.map(({ mac, dst }) => [mac, dst]));
  await batch("ip", [
    ...near.filter(({ dst }) => !addresses.has(dst)).map(({ dst }) => `neigh del ${dst} dev ${VXLAN}`),
    ...[...addresses]
      .filter(([address, mac]) => known.get(address) !== mac)
      .map(([address, mac]) => `neigh replace ${address} lladdr ${mac} nud permanent dev ${VXLAN}`),
  ]);
  await batch("bridge", [
    ...far
      .filter(({ mac, dst }) => dst !== undefined && machines.get(mac) !== dst)
      .map(({ mac, dst }) => `fdb del ${mac} dev ${VXLAN} dst ${dst} self`),
    ...[...machines]
      .filter(([mac, machine]) => placed.get(mac) !== machine)
      .map(([mac, machine]) => `fdb append ${mac} dev ${VXLAN} dst ${machine} self permanent`),
  ]);
}
