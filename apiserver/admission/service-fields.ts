/**
 * Service fields: an update that leaves out the addresses and ports that the server chose keeps them,
 * and a Service that no longer needs them loses them. Choosing is in service-addresses.ts.
 */
import type { Service, ServicePort } from "../../machinery/objects/kinds.ts";
import type { AdmissionPlugin } from "./contract.ts";

export const serviceFields: AdmissionPlugin = {
  name: "ServiceFields",

  mutate({ operation, row, subresource, object, old }) {
    if (operation !== "UPDATE" || row.group !== "" || row.plural !== "services" || subresource !== "") return;
    const now = (object as unknown as Service).spec;
    const before = (old as unknown as Service).spec;
    if (!now || !before) return;
    if (hasAddress(now) && hasAddress(before)) {
      if (!now.clusterIP) {
        if (before.clusterIP !== undefined) now.clusterIP = before.clusterIP;
        if (before.clusterIPs !== undefined) now.clusterIPs = [...before.clusterIPs];
      }
      if (!now.ipFamilies?.length && before.ipFamilies) now.ipFamilies = [...before.ipFamilies];
      if (!now.ipFamilyPolicy && before.ipFamilyPolicy) now.ipFamilyPolicy = before.ipFamilyPolicy;
    }
    if (!hasAddress(now) && hasAddress(before)) dropSame(now, before);
    if (hasNodePorts(now) && hasNodePorts(before)) keepNodePorts(now.ports ?? [], before.ports ?? []);
    if (!hasNodePorts(now) && hasNodePorts(before)) dropNodePorts(now.ports ?? [], before.ports ?? []);
  },
};

type Spec = NonNullable<Service["spec"]>;

export const hasAddress = (spec: Spec): boolean => spec.type !== "ExternalName";

export function hasNodePorts({ type, allocateLoadBalancerNodePorts }: Spec): boolean {
  return type === "NodePort" || (type === "LoadBalancer" && allocateLoadBalancerNodePorts !== false);
}

function dropSame(now: Spec, before: Spec): void {
  if (now.clusterIP !== before.clusterIP) return;
  delete now.clusterIP;
  delete now.clusterIPs;
  delete now.ipFamilies;
  delete now.ipFamilyPolicy;
}

const keyOf = ({ protocol = "TCP", port }: ServicePort): string => `${protocol}/${port}`;

function keepNodePorts(now: readonly ServicePort[], before: readonly ServicePort[]): void {
  const chosen = new Set(now.map(({ nodePort }) => nodePort));
  const known = new Map(before.map((port) => [keyOf(port), port.nodePort]));
  for (const port of now) {
    const old = known.get(keyOf(port));
    if (!port.nodePort && old && !chosen.has(old)) port.nodePort = old;
  }
}

/** Ports that the client set anew are left for validation to refuse. */
function dropNodePorts(now: readonly ServicePort[], before: readonly ServicePort[]): void {
  const old = new Set(before.map(({ nodePort }) => nodePort));
  for (const port of now) if (port.nodePort && old.has(port.nodePort)) delete port.nodePort;
}
