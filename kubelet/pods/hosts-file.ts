/**
 * /etc/hosts of a Pod: its own name and addresses, then hostAliases. Pure.
 *
 * Pods on the host's network get the host's file with the aliases behind it.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { podFqdn, podHostname } from "./pod-dns.ts";
import { usesHostNetwork } from "./pod-spec.ts";

const FIXED = [
  "# Kubernetes-managed hosts file.",
  "127.0.0.1\tlocalhost",
  "::1\tlocalhost ip6-localhost ip6-loopback",
  "fe00::0\tip6-localnet",
  "fe00::0\tip6-mcastprefix",
  "fe00::1\tip6-allnodes",
  "fe00::2\tip6-allrouters",
];

export function hostsFile(pod: Pod, podIPs: readonly string[], clusterDomain: string, hostFile: string): string {
  const aliases = (pod.spec?.hostAliases ?? []).map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join("\t")}`);
  const tail = aliases.length > 0 ? ["", "# Entries added by HostAliases.", ...aliases] : [];
  if (usesHostNetwork(pod)) {
    return `${["# Kubernetes-managed hosts file (host network).", hostFile.trimEnd(), ...tail].join("\n")}\n`;
  }
  const fqdn = podFqdn(pod, clusterDomain);
  const names = fqdn ? `${fqdn}\t${podHostname(pod)}` : podHostname(pod);
  return `${[...FIXED, ...podIPs.map((ip) => `${ip}\t${names}`), ...tail].join("\n")}\n`;
}
