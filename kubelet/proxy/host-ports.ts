/**
 * Host ports: what a Pod of this node asks of the table. Pure.
 *
 * The node's port, or that of the one address that the Pod names, leads to the Pod. A Service's goes before it.
 */
import { familyOf, type IpFamily } from "../../machinery/objects/ip.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { type Claim, type Contribution, type Flow, PROTOCOLS, type RuleContext, written } from "./service-rules.ts";
import { type Chain, drawChain, drawOfSlots, slotMap } from "./table.ts";

export function hostPortRules(pod: Pod, family: IpFamily, { pods }: Pick<RuleContext, "pods">): Contribution {
  const [claims, chains, flows]: [Claim[], Chain[], Flow[]] = [[], [], []];
  const { metadata, spec, status } = pod;
  const ips = [...(status?.podIPs ?? []).map(({ ip }) => ip), status?.podIP].filter((ip) => ip !== undefined);
  const address = ips.find((ip) => familyOf(ip) === family);
  const ended = status?.phase === "Succeeded" || status?.phase === "Failed";
  if (!address || ended || spec?.hostNetwork) return { claims, chains, memories: [], flows, lists: [] };
  const rank = `2 ${metadata.creationTimestamp} ${metadata.uid}`;
  const to = written(address);
  for (const { hostPort, hostIP, containerPort, protocol = "TCP" } of portsOf(pod)) {
    if (!hostPort) continue;
    const one = hostIP && hostIP !== "0.0.0.0" && hostIP !== "::" ? hostIP : undefined;
    if (one && familyOf(one) !== family) continue;
    const number = PROTOCOLS[protocol] ?? 6;
    const key = one ? `${written(one)} . ${number} . ${hostPort}` : `${number} . ${hostPort}`;
    const by = one ? "address" : "port";
    const chain = drawChain(family, by, "plain", drawOfSlots(by, "outside", 1), pods);
    chains.push(chain);
    claims.push(
      { set: one ? "services" : "node-ports", key, value: `goto ${chain.name}`, rank },
      { set: slotMap(by, "outside", 0), key, value: `${to} . ${containerPort}`, rank },
      { set: "hairpins", key: `${to} . ${to}`, value: "", rank },
    );
    const target = { address, port: containerPort, local: true };
    if (protocol === "UDP") flows.push({ address: one, port: hostPort, targets: [target] });
  }
  return { claims, chains, memories: [], flows, lists: [] };
}

/** Sidecars have ports too. */
export const portsOf = ({ spec }: Pod) =>
  [
    ...(spec?.containers ?? []),
    ...(spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always"),
  ].flatMap(({ ports }) => ports ?? []);
