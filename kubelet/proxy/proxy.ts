/** Proxy: the service proxy as a process of its own. The loop is in service-proxy.ts. */
import { hostname } from "node:os";
import { connect } from "../../machinery/client/connect.ts";
import { createInformers } from "../../machinery/client/shared-informers.ts";
import { defineComponent } from "../../machinery/process/component.ts";
import { homePaths } from "../../machinery/process/home.ts";
import { runServiceProxy } from "./service-proxy.ts";

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
    "cluster-cidr": { type: "string", default: "10.42.0.0/16", value: "CIDR", help: "range of all Pod addresses" },
  },
  async run(flags, { clock, log, signal, home, ready }) {
    const kubeconfig = flags.kubeconfig ?? homePaths(home).kubeconfig("proxy");
    const client = await connect({ kubeconfig, clock, log, signal });
    const informers = createInformers({ client, clock, log, signal });
    const nodeName = flags["node-name"] ?? hostname().toLowerCase();
    await runServiceProxy({ informers, clock, log, signal, ready, nodeName, clusterCIDR: flags["cluster-cidr"] });
  },
});
