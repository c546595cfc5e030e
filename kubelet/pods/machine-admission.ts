/**
 * Machine admission: what this machine's kernel cannot or may not do for a Pod. Pure.
 *
 * Sysctls outside the safe ones need the administrator's leave; AppArmor profiles need AppArmor.
 * https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Refusal } from "../refusals.ts";
import { allContainers } from "./pod-spec.ts";

export interface MachineRules {
  /** Beyond the safe ones: names, or "net.core.*" for all below. */
  readonly allowedUnsafeSysctls: readonly string[];
  readonly appArmor: boolean;
}

/** Those that change nothing outside their Pod. */
const SAFE_SYSCTLS: readonly string[] = [
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.ping_group_range",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_rmem",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.tcp_wmem",
];

/** A namespace of the host ► the sysctls that would then be the host's. */
const HOSTS: readonly (readonly ["hostNetwork" | "hostIPC", RegExp, string])[] = [
  ["hostNetwork", /^net\./, "host net"],
  ["hostIPC", /^(kernel\.(msg|sem|shm)|fs\.mqueue\.)/, "host ipc"],
];

export function machineRefusal(pod: Pod, rules: MachineRules): Refusal | undefined {
  return sysctlRefusal(pod, rules.allowedUnsafeSysctls) ?? appArmorRefusal(pod, rules.appArmor);
}

/** With dots, wherever slashes stood: a slash may stand for the dot of a name within. */
export function dottedSysctl(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  if (first !== "/") return name;
  return name.replace(/[./]/g, (one) => (one === "/" ? "." : "/"));
}

function sysctlRefusal({ spec }: Pod, allowed: readonly string[]): Refusal | undefined {
  for (const { name: given } of spec?.securityContext?.sysctls ?? []) {
    const name = dottedSysctl(given);
    const host = HOSTS.find(([field, pattern]) => spec?.[field] === true && pattern.test(name));
    if (host) return forbidden(name, `not allowed with ${host[2]} enabled`);
    if (!SAFE_SYSCTLS.includes(name) && !allowed.some((rule) => covers(rule, name))) {
      return forbidden(name, "not allowlisted");
    }
  }
  return undefined;
}

const covers = (rule: string, name: string): boolean =>
  rule.endsWith("*") ? name.startsWith(rule.slice(0, -1)) : dottedSysctl(rule) === name;

function forbidden(name: string, why: string): Refusal {
  return { reason: "SysctlForbidden", message: `forbidden sysctl: "${name}" ${why}` };
}

function appArmorRefusal(pod: Pod, enabled: boolean): Refusal | undefined {
  const profiles = [
    pod.spec?.securityContext?.appArmorProfile,
    ...allContainers(pod).map(({ container }) => container.securityContext?.appArmorProfile),
  ];
  if (enabled || !profiles.some((profile) => profile && profile.type !== "Unconfined")) return undefined;
  return { reason: "AppArmor", message: "Cannot enforce AppArmor: AppArmor is not enabled on the host" };
}
