/** NodePorts: a host port can be used once on a node. */
import type { FilterPlugin } from "../framework.ts";
import type { HostPort } from "../pod-info.ts";

export const nodePorts: FilterPlugin = {
  name: "NodePorts",
  helpedBy: ["node-added", "pod-gone"],
  preFilter({ hostPorts }) {
    if (hostPorts.length === 0) return undefined;
    return ({ pods }) => {
      const taken = [...pods.values()].some((other) =>
        other.hostPorts.some((used) => hostPorts.some((wanted) => clash(wanted, used))),
      );
      return taken ? ["node(s) didn't have free ports for the requested pod ports"] : [];
    };
  },
};

const ANY = "0.0.0.0";

const clash = (a: HostPort, b: HostPort) =>
  a.port === b.port && a.protocol === b.protocol && (a.address === b.address || a.address === ANY || b.address === ANY);
