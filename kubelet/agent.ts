/**
 * Agent component: everything that a node runs besides containerd, in one process.
 *
 * CRI server, kubelet and service proxy share the process, not their state (but for the gate at which new Pods
 * wait for network policies): the kubelet speaks to the CRI server over its socket, as it would to another
 * process. If one of them fails for good, all end and the supervisor starts the agent again; containers live on.
 */
import { defineComponent } from "../machinery/process/component.ts";
import { homeDirectory } from "../machinery/process/run.ts";
import { giveBackWhenQuiet } from "../machinery/process/spare-memory.ts";
import { criFlags, startCri } from "./cri/cri-component.ts";
import { kubeletFlags, nodeName, settingsOf, startKubelet } from "./kubelet.ts";
import { createPolicyGate } from "./policy/gate.ts";
import type { ProxyContext, ProxySettings } from "./proxy/start-proxy.ts";
import { leaveFirst } from "./shutdown/machine.ts";
import { shutdownSeconds } from "./shutdown/phases.ts";

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
  stopsLater: (flags) => shutdownSeconds(settingsOf(flags, homeDirectory())) * 1000,
  async run(flags, context) {
    const stop = new AbortController();
    let leave = async () => {};
    const told = leaveFirst(context.signal, () => leave());
    const signal = AbortSignal.any([told, stop.signal]);
    const simulated = flags.runtime === "simulated";
    const spare = giveBackWhenQuiet(context.clock);
    const cri = await startCri(flags, { ...context, signal });
    const network = simulated ? "none" : flags.network;
    const proxied = !simulated && flags.proxy !== "none";
    const gate = proxied && network === "bridge" ? createPolicyGate(context.clock) : undefined;
    const onShutdown = (begin: () => Promise<void>) => {
      leave = begin;
    };
    const parts = [
      startKubelet(
        { ...flags, network, "cri-socket": cri.socket, "kubelet-port": simulated ? 0 : flags["kubelet-port"] },
        { ...context, signal, log: context.log.child({ part: "kubelet" }), bindPod: gate?.pass, onShutdown },
      ),
      !proxied
        ? undefined
        : startProxy(
            { nodeName: nodeName(flags), clusterCIDR: flags["cluster-cidr"], network, gate },
            { ...context, signal, log: context.log.child({ part: "proxy" }) },
          ),
    ];
    try {
      await Promise.all(parts);
    } finally {
      spare.cancel();
      stop.abort(new Error("another part of the agent ended"));
      await Promise.allSettled(parts);
      await cri.close();
    }
  },
});

/** Loaded only where there is a network to look after. */
async function startProxy(settings: ProxySettings, context: ProxyContext): Promise<void> {
  const proxy = await import("./proxy/start-proxy.ts");
  await proxy.startProxy(settings, { ...context, ready: () => undefined });
}
