/**
 * Policy Pod: what policies have to know of a Pod, and nothing else: there may be thousands on a node's list. Pure.
 *
 * Pods on the host's network have the node's address, which is not theirs alone: policies neither bind
 * nor mean them. Pods that have ended have no address any more.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Labels } from "../../machinery/objects/selectors.ts";

export interface PolicyPod {
  readonly uid: string;
  readonly namespace: string;
  readonly nodeName: string;
  readonly labels: Labels;
  readonly addresses: readonly string[];
  readonly ports: readonly NamedPort[];
}

export interface NamedPort {
  readonly name: string;
  /** Lower case. */
  readonly protocol: string;
  readonly port: number;
}

/** Undefined for a Pod that policies do not concern, or not yet. `addresses` are those its status will tell. */
export function policyPodOf(
  { metadata, spec, status }: Pod,
  addresses: readonly string[] = addressesOf(status),
): PolicyPod | undefined {
  if (spec?.hostNetwork || status?.phase === "Succeeded" || status?.phase === "Failed" || !addresses.length)
    return undefined;
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  return {
    uid: metadata.uid,
    namespace: metadata.namespace ?? "",
    nodeName: spec?.nodeName ?? "",
    labels: metadata.labels ?? {},
    addresses,
    ports: containers
      .flatMap(({ ports }) => ports ?? [])
      .flatMap(({ name, protocol = "TCP", containerPort }) =>
        name ? [{ name, protocol: protocol.toLowerCase(), port: containerPort }] : [],
      ),
  };
}

const addressesOf = (status: Pod["status"]): readonly string[] =>
  status?.podIPs?.map(({ ip }) => ip) ?? (status?.podIP ? [status.podIP] : []);

/** True where policies see no difference: most changes of a Pod are of its status. */
export const sameForPolicies = (one: PolicyPod | undefined, other: PolicyPod | undefined): boolean =>
  JSON.stringify(one) === JSON.stringify(other);
