/**
 * Standards: which checks make up each level in each version of Kubernetes, and what they find.
 *
 * A check holds from its version on, until the next one of the same name. "restricted" is everything of baseline that
 * it does not say more strictly. The order is that of messages: baseline first, each by name.
 */
import * as baseline from "./baseline.ts";
import { type Check, type Forbidden, hasOwnUsers, type Judged } from "./contract.ts";
import * as restricted from "./restricted.ts";

export type Level = "privileged" | "baseline" | "restricted";
export const LEVELS: readonly Level[] = ["privileged", "baseline", "restricted"];

/** A minor version of Kubernetes 1; "latest" is always the newest. */
export type Version = number | "latest";

export interface Standard {
  readonly level: Level;
  readonly version: Version;
}

export const standardText = ({ level, version }: Standard): string =>
  `${level}:${version === "latest" ? "latest" : `v1.${version}`}`;

interface Rule {
  readonly name: string;
  readonly since: number;
  readonly check: Check;
  /** Of restricted: the rule of baseline that it replaces. */
  readonly instead?: string;
}

const SELINUX = ["", "container_t", "container_init_t", "container_kvm_t"];
const SYSCTLS = [
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.ping_group_range",
  "net.ipv4.ip_unprivileged_port_start",
];
const SYSCTLS_27 = [...SYSCTLS, "net.ipv4.ip_local_reserved_ports"];
const SYSCTLS_29 = [
  ...SYSCTLS_27,
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
];
const SYSCTLS_32 = [...SYSCTLS_29, "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"];

/** Pods with users of their own need not keep the rule. */
const unlessOwnUsers =
  (check: Check): Check =>
  (judged) =>
    hasOwnUsers(judged.spec) ? undefined : check(judged);

const baselineRules: readonly Rule[] = [
  { name: "appArmorProfile", since: 0, check: baseline.appArmorProfile },
  { name: "capabilities_baseline", since: 0, check: baseline.capabilities },
  { name: "hostNamespaces", since: 0, check: baseline.hostNamespaces },
  { name: "hostPathVolumes", since: 0, check: baseline.hostPathVolumes },
  { name: "hostPorts", since: 0, check: baseline.hostPorts },
  { name: "hostProbesAndHostLifecycle", since: 34, check: baseline.hostsOfProbes },
  { name: "privileged", since: 0, check: baseline.privileged },
  { name: "procMount", since: 0, check: baseline.procMount },
  { name: "procMount", since: 35, check: unlessOwnUsers(baseline.procMount) },
  { name: "seLinuxOptions", since: 0, check: baseline.seLinuxOptions(new Set(SELINUX)) },
  { name: "seLinuxOptions", since: 31, check: baseline.seLinuxOptions(new Set([...SELINUX, "container_engine_t"])) },
  { name: "seccompProfile_baseline", since: 0, check: baseline.seccompAnnotations },
  { name: "seccompProfile_baseline", since: 19, check: baseline.seccompProfile },
  { name: "sysctls", since: 0, check: baseline.sysctls(new Set(SYSCTLS)) },
  { name: "sysctls", since: 27, check: baseline.sysctls(new Set(SYSCTLS_27)) },
  { name: "sysctls", since: 29, check: baseline.sysctls(new Set(SYSCTLS_29)) },
  { name: "sysctls", since: 32, check: baseline.sysctls(new Set(SYSCTLS_32)) },
  { name: "windowsHostProcess", since: 0, check: baseline.windowsHostProcess },
];

const { exceptOnWindows } = restricted;

const restrictedRules: readonly Rule[] = [
  { name: "allowPrivilegeEscalation", since: 8, check: restricted.allowPrivilegeEscalation },
  { name: "allowPrivilegeEscalation", since: 25, check: exceptOnWindows(restricted.allowPrivilegeEscalation) },
  { name: "capabilities_restricted", since: 22, check: restricted.capabilities, instead: "capabilities_baseline" },
  {
    name: "capabilities_restricted",
    since: 25,
    check: exceptOnWindows(restricted.capabilities),
    instead: "capabilities_baseline",
  },
  { name: "procMount_restricted", since: 35, check: baseline.procMount, instead: "procMount" },
  { name: "restrictedVolumes", since: 0, check: restricted.volumeTypes, instead: "hostPathVolumes" },
  { name: "runAsNonRoot", since: 0, check: restricted.runAsNonRoot },
  { name: "runAsNonRoot", since: 35, check: unlessOwnUsers(restricted.runAsNonRoot) },
  { name: "runAsUser", since: 23, check: restricted.runAsUser },
  { name: "runAsUser", since: 35, check: unlessOwnUsers(restricted.runAsUser) },
  {
    name: "seccompProfile_restricted",
    since: 19,
    check: restricted.seccompProfile,
    instead: "seccompProfile_baseline",
  },
  {
    name: "seccompProfile_restricted",
    since: 25,
    check: exceptOnWindows(restricted.seccompProfile),
    instead: "seccompProfile_baseline",
  },
];

/** The rules of a version, one of each name, in order. */
function inForce(rules: readonly Rule[], version: Version): Rule[] {
  const latest = new Map<string, Rule>();
  for (const rule of rules) if (version === "latest" || rule.since <= version) latest.set(rule.name, rule);
  return [...latest.values()];
}

/** Everything about the Pod that the standard forbids. */
export function violations({ level, version }: Standard, judged: Judged): Forbidden[] {
  if (level === "privileged") return [];
  const strict = level === "restricted" ? inForce(restrictedRules, version) : [];
  const replaced = new Set(strict.map(({ instead }) => instead));
  const loose = inForce(baselineRules, version).filter(({ name }) => !replaced.has(name));
  return [...loose, ...strict].map(({ check }) => check(judged)).filter((found) => found !== undefined);
}

/** "allowPrivilegeEscalation != false (container …), …" */
export const detailsOf = (found: readonly Forbidden[]): string =>
  found.map(({ reason, detail }) => (detail ? `${reason} (${detail})` : reason)).join(", ");
export const reasonsOf = (found: readonly Forbidden[]): string => found.map(({ reason }) => reason).join(", ");
