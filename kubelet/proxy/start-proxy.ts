/**
 * Start proxy: what a node does for its network as the cluster changes, on one connection and one set of copies.
 *
 * Services (service-proxy.ts), network policies (policy/) and the ways to other nodes' Pods (network/node-routes.ts)
 * act as system:kube-proxy, who may see all nodes: a kubelet sees its own alone. Runs in the agent or as the proxy process.
 */
import { connect } from "../../machinery/client/connect.ts";
import { createInformers } from "../../machinery/client/shared-informers.ts";
import { createEvents } from "../../machinery/loop/events-recorder.ts";
import type { Service } from "../../machinery/objects/kinds.ts";
import type { ComponentContext } from "../../machinery/process/component.ts";
import { homePaths } from "../../machinery/process/home.ts";
import { createPolicyGate, type PolicyGate } from "../policy/gate.ts";
import { runNetworkPolicy } from "../policy/network-policy.ts";
import { runServiceProxy } from "./service-proxy.ts";

export interface ProxySettings {
  readonly kubeconfig?: string | undefined;
  readonly nodeName: string;
  readonly clusterCIDR: string;
  /** "bridge": other nodes' Pods are reached by what is kept here. "none": somebody else sees to it. */
  readonly network: string;
  /** Where the kubelet of this process lets new Pods wait until network policies bind them. */
  readonly gate?: PolicyGate | undefined;
}

export type ProxyContext = Pick<ComponentContext, "clock" | "log" | "signal" | "home"> & { ready?(): void };

/** Resolves when the signal has aborted and everything has ended. */
export async function startProxy(settings: ProxySettings, context: ProxyContext): Promise<void> {
  const { clock, log, signal, home, ready } = context;
  const { nodeName, clusterCIDR } = settings;
  const paths = homePaths(home);
  const kubeconfig = settings.kubeconfig ?? paths.kubeconfig("proxy");
  const client = await connect({ kubeconfig, clock, log, signal });
  const informers = createInformers({ client, clock, log, signal });
  const events = createEvents({ client, clock, log, signal, host: nodeName }).recorder("kube-proxy");
  const common = { informers, clock, log, signal, nodeName };
  const failed = (service: Service, message: string) =>
    events.warning(service, "FailedToStartServiceHealthcheck", message);
  const loops = [runServiceProxy({ ...common, clusterCIDR, failed, ...(ready ? { ready } : {}) })];
  if (settings.network === "bridge") {
    const gate = settings.gate ?? createPolicyGate(clock);
    loops.push(runNetworkPolicy({ ...common, client, gate, log: log.child({ part: "policy" }) }));
    const { runNodeRoutes } = await import("../network/node-routes.ts");
    loops.push(
      runNodeRoutes({
        ...common,
        log: log.child({ part: "network" }),
        paths,
        clusterCIDR,
        report: (node, message) => events.warning(node, "PodNetworkUnreachable", message),
      }),
    );
  }
  await Promise.all(loops);
}
