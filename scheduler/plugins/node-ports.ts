/** NodePorts: a host port can be used once on a node. */

import type { Pod } from "../../machinery/objects/kinds.ts";
import { type Plugin, refused } from "../framework.ts";
import { type HostPort, hostPortsOf } from "../pod-info.ts";

const TAKEN = refused("node(s) didn't have free ports for the requested pod ports");

export const nodePorts: Plugin = {
  name: "NodePorts",
  hints: [
    "node-added",
    { on: "pod-gone", helps: ({ hostPorts }, { object }) => !object || clashes(hostPorts, hostPortsOf(object as Pod)) },
  ],
  preFilter({ hostPorts }) {
    if (hostPorts.length === 0) return undefined;
    return {
      local: true,
      check({ withPorts }) {
        for (const other of withPorts.values()) if (clashes(hostPorts, other.hostPorts)) return TAKEN;
        return undefined;
      },
    };
  },
};

const ANY = "0.0.0.0";

const clashes = (wanted: readonly HostPort[], used: readonly HostPort[]): boolean =>
  used.some((one) => wanted.some((other) => clash(one, other)));

const clash = (a: HostPort, b: HostPort) =>
  a.port === b.port && a.protocol === b.protocol && (a.address === b.address || a.address === ANY || b.address === ANY);
