/** Proxy: the service proxy as a process of its own. What it does: start-proxy.ts. */
import { hostname } from "node:os";
import { defineComponent } from "../../machinery/process/component.ts";
import { startProxy } from "./start-proxy.ts";

export const proxyComponent = defineComponent({
  name: "proxy",
  summary: "Makes Services reachable from this node by nftables rules.",
  flags: {
    kubeconfig: {
      type: "string",
      value: "FILE",
      help: "identity and address of the API server (default: proxy.kubeconfig under $K8TS_HOME)",
    },
    "node-name": { type: "string", value: "NAME", help: "name of this node (default: the host's name)" },
    network: {
      type: "string",
      default: "bridge",
      value: "NAME",
      help: "the Pod network to look after: bridge or none",
    },
    "cluster-cidr": { type: "string", default: "10.42.0.0/16", value: "CIDR", help: "range of all Pod addresses" },
  },
  async run(flags, context) {
    const { kubeconfig, network } = flags;
    const nodeName = flags["node-name"] ?? hostname().toLowerCase();
    await startProxy({ kubeconfig, nodeName, clusterCIDR: flags["cluster-cidr"], network }, context);
  },
});
