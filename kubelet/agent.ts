/**
 * Agent component: everything that a node runs besides containerd, in one process.
 *
 * CRI server, kubelet and service proxy share the process, not their state: the kubelet speaks to the
 * CRI server over its socket, as it would to another process. If one of them fails for good, all end
 * and the supervisor starts the agent again; containers live on.
 */
import { connect } from "../machinery/client/connect.ts";
import { createInformers } from "../machinery/client/shared-informers.ts";
import { type ComponentContext, defineComponent } from "../machinery/process/component.ts";
import { homePaths } from "../machinery/process/home.ts";
import { criFlags, startCri } from "./cri/cri-component.ts";
import { kubeletFlags, nodeName, startKubelet } from "./kubelet.ts";

const { "cri-socket": _socket, ...ownKubeletFlags } = kubeletFlags;

export const agentComponent = defineComponent({
  name: "agent",
  summary: "Runs a node: runtime interface, kubelet and service proxy in one process.",
  flags: {
    ...criFlags,
    ...ownKubeletFlags,
    proxy: {
      type: "string",
      default: "nftables",
      value: "NAME",
      help: "how Services are made reachable: nftables or none",
    },
  },
  async run(flags, context) {
    const stop = new AbortController();
    const signal = AbortSignal.any([context.signal, stop.signal]);
    const simulated = flags.runtime === "simulated";
    const cri = await startCri(flags, { ...context, signal });
    const network = simulated ? "none" : flags.network;
    const parts = [
      startKubelet(
        { ...flags, network, "cri-socket": cri.socket },
        { ...context, signal, log: context.log.child({ part: "kubelet" }) },
      ),
      simulated || flags.proxy === "none"
        ? undefined
        : startProxy(flags["cluster-cidr"], nodeName(flags), { ...context, signal }),
    ];
    try {
      await Promise.all(parts);
    } finally {
      stop.abort(new Error("another part of the agent ended"));
      await Promise.allSettled(parts);
      await cri.close();
    }
  },
});

async function startProxy(clusterCIDR: string, node: string, context: ComponentContext): Promise<void> {
  const { clock, signal, home } = context;
  const log = context.log.child({ part: "proxy" });
  const { runServiceProxy } = await import("./proxy/service-proxy.ts");
  const client = await connect({ kubeconfig: homePaths(home).kubeconfig("proxy"), clock, log, signal });
  const informers = createInformers({ client, clock, log, signal });
  await runServiceProxy({ informers, clock, log, signal, nodeName: node, clusterCIDR });
}
