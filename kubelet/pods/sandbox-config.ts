/**
 * Sandbox configuration: what RunPodSandbox gets for a Pod. Pure.
 *
 * CreateContainer gets the same object again, so it must depend on the Pod and the node alone.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { IDMapping, PodSandboxConfig, PortMapping, Protocol } from "../cri/messages.ts";
import { identityLabels } from "./labels.ts";
import { dottedSysctl } from "./machine-admission.ts";
import { type DnsSettings, podDns, podFqdn, podHostname } from "./pod-dns.ts";
import { initContainers, isSidecar, regularContainers, usesHostNetwork } from "./pod-spec.ts";
import { podLimits } from "./resources.ts";
import { sandboxSecurity } from "./security.ts";

export interface SandboxFacts {
  readonly dns: DnsSettings;
  readonly logDirectory: string;
  /** Undefined where the kubelet keeps no cgroups. */
  readonly cgroupParent: string | undefined;
  /** The Pod's own users, as ids of the host. */
  readonly users?: IDMapping | undefined;
}

export function sandboxConfig(pod: Pod, attempt: number, facts: SandboxFacts): PodSandboxConfig {
  const { name, namespace = "", uid, labels, annotations } = pod.metadata;
  const ports = portMappings(pod);
  const sysctls = pod.spec?.securityContext?.sysctls ?? [];
  return {
    metadata: { name, uid, namespace, attempt },
    ...(usesHostNetwork(pod) ? {} : { hostname: hostnameOf(pod, facts) }),
    logDirectory: facts.logDirectory,
    dnsConfig: podDns(pod, facts.dns),
    ...(ports.length > 0 ? { portMappings: ports } : {}),
    labels: { ...labels, ...identityLabels(pod) },
    annotations: { ...annotations },
    linux: {
      ...(facts.cgroupParent ? { cgroupParent: facts.cgroupParent } : {}),
      securityContext: sandboxSecurity(pod, facts.users),
      sysctls: Object.fromEntries(sysctls.map(({ name, value }) => [dottedSysctl(name), value])),
      resources: { cpuShares: podLimits(pod).cpuShares },
    },
  };
}

/** Not asked of a Pod on the host's network: it shares the host's name, which no runtime changes for it. */
function hostnameOf(pod: Pod, { dns }: SandboxFacts): string {
  if (pod.spec?.hostnameOverride) return pod.spec.hostnameOverride;
  return (pod.spec?.setHostnameAsFQDN && podFqdn(pod, dns.clusterDomain)) || podHostname(pod);
}

/** Only ports that are asked for on the host; on the host's network there is nothing to map. */
function portMappings(pod: Pod): readonly PortMapping[] {
  if (usesHostNetwork(pod)) return [];
  return [...initContainers(pod).filter(isSidecar), ...regularContainers(pod)].flatMap(({ ports = [] }) =>
    ports
      .filter(({ hostPort }) => hostPort !== undefined && hostPort > 0)
      .map(({ protocol = "TCP", containerPort, hostPort, hostIP }) => ({
        protocol: protocol as Protocol,
        containerPort,
        hostPort: hostPort as number,
        ...(hostIP ? { hostIp: hostIP } : {}),
      })),
  );
}
