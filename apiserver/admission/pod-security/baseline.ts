/**
 * Baseline: what ordinary Pods do without, for with it they could get out of their containers.
 *
 * Reasons and details are worded as Kubernetes words them: people and tools look for them.
 * https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
 */
import type { Container } from "../../../machinery/objects/kinds.ts";
import { type Check, containersOf, type Forbidden, named, plural, quoted, setters, sorted } from "./contract.ts";

export const hostNamespaces: Check = ({ spec }) => {
  const shared = (["hostNetwork", "hostPID", "hostIPC"] as const).filter((field) => spec[field]);
  if (shared.length === 0) return undefined;
  return { reason: "host namespaces", detail: shared.map((field) => `${field}=true`).join(", ") };
};

export const privileged: Check = ({ spec }) => {
  const bad = containersOf(spec).filter(({ securityContext }) => securityContext?.privileged);
  return bad.length > 0
    ? { reason: "privileged", detail: `${named(bad)} must not set securityContext.privileged=true` }
    : undefined;
};

export const hostPathVolumes: Check = ({ spec }) => {
  const bad = (spec.volumes ?? []).filter(({ hostPath }) => hostPath).map(({ name }) => name);
  return bad.length > 0
    ? { reason: "hostPath volumes", detail: `${plural(bad.length, "volume")} ${quoted(bad)}` }
    : undefined;
};

export const hostPorts: Check = ({ spec }) => {
  const portsOf = ({ ports }: Container) => (ports ?? []).flatMap(({ hostPort }) => (hostPort ? [`${hostPort}`] : []));
  const bad = containersOf(spec).filter((container) => portsOf(container).length > 0);
  if (bad.length === 0) return undefined;
  const ports = sorted(bad.flatMap(portsOf));
  const uses = plural(bad.length, "uses", "use");
  return {
    reason: "hostPort",
    detail: `${named(bad)} ${uses} ${plural(ports.length, "hostPort")} ${ports.join(", ")}`,
  };
};

export const hostsOfProbes: Check = ({ spec }) => {
  const hostsOf = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: Container): string[] =>
    [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop].flatMap((handler) =>
      [handler?.httpGet?.host ?? "", handler?.tcpSocket?.host ?? ""].filter((host) => host !== ""),
    );
  const bad = sorted(containersOf(spec).flatMap((one) => (hostsOf(one).length > 0 ? [one.name] : [])));
  if (bad.length === 0) return undefined;
  const hosts = sorted(containersOf(spec).flatMap(hostsOf));
  const what = "probe or lifecycle host";
  return {
    reason: what,
    detail: `${plural(bad.length, "container")} ${quoted(bad)} ${plural(bad.length, "uses", "use")} ${plural(hosts.length, what)} ${quoted(hosts)}`,
  };
};

const CAPABILITIES: ReadonlySet<string> = new Set([
  "AUDIT_WRITE",
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "MKNOD",
  "NET_BIND_SERVICE",
  "SETFCAP",
  "SETGID",
  "SETPCAP",
  "SETUID",
  "SYS_CHROOT",
]);

export const capabilities: Check = ({ spec }) => {
  const badOf = ({ securityContext }: Container) =>
    (securityContext?.capabilities?.add ?? []).filter((one) => !CAPABILITIES.has(one));
  const bad = containersOf(spec).filter((container) => badOf(container).length > 0);
  if (bad.length === 0) return undefined;
  return {
    reason: "non-default capabilities",
    detail: `${named(bad)} must not include ${quoted(sorted(bad.flatMap(badOf)))} in securityContext.capabilities.add`,
  };
};

export const procMount: Check = ({ spec }) => {
  const bad = containersOf(spec).filter(
    ({ securityContext }) => (securityContext?.procMount ?? "Default") !== "Default",
  );
  if (bad.length === 0) return undefined;
  const types = sorted(bad.map(({ securityContext }) => securityContext?.procMount ?? ""));
  return { reason: "procMount", detail: `${named(bad)} must not set securityContext.procMount to ${quoted(types)}` };
};

interface SeLinuxOptions {
  readonly type?: string;
  readonly user?: string;
  readonly role?: string;
}

export function seLinuxOptions(types: ReadonlySet<string>): Check {
  const isBad = (one: SeLinuxOptions | undefined): boolean =>
    one !== undefined && (!types.has(one.type ?? "") || Boolean(one.user) || Boolean(one.role));
  return ({ spec }) => {
    const own = spec.securityContext?.seLinuxOptions;
    const bad = containersOf(spec).filter(({ securityContext }) => isBad(securityContext?.seLinuxOptions));
    const who = setters(isBad(own), bad);
    if (!who) return undefined;
    const all = [own, ...bad.map(({ securityContext }) => securityContext?.seLinuxOptions)].filter((one) => !!one);
    const badTypes = sorted(all.map(({ type = "" }) => type).filter((type) => !types.has(type)));
    const data = [
      ...(badTypes.length > 0 ? [`${plural(badTypes.length, "type")} ${quoted(badTypes)}`] : []),
      ...(all.some(({ user }) => user) ? ["user may not be set"] : []),
      ...(all.some(({ role }) => role) ? ["role may not be set"] : []),
    ];
    return {
      reason: "seLinuxOptions",
      detail: `${who} set forbidden securityContext.seLinuxOptions: ${data.join("; ")}`,
    };
  };
}

const APPARMOR = "container.apparmor.security.beta.kubernetes.io/";
const PROFILES: ReadonlySet<string> = new Set(["Localhost", "RuntimeDefault"]);

export const appArmorProfile: Check = ({ metadata, spec }) => {
  const isBad = (profile: { readonly type: string } | undefined) => !!profile && !PROFILES.has(profile.type);
  const own = spec.securityContext?.appArmorProfile;
  const bad = containersOf(spec).filter(({ securityContext }) => isBad(securityContext?.appArmorProfile));
  const annotations = Object.entries(metadata.annotations ?? {})
    .filter(([key, value]) => key.startsWith(APPARMOR) && !isKnownProfile(value))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .sort();
  const who = setters(isBad(own), bad);
  if (!who && annotations.length === 0) return undefined;
  const all = [own, ...bad.map(({ securityContext }) => securityContext?.appArmorProfile)].filter(isBad);
  const values = [...sorted(all.map((one) => one?.type ?? "")), ...annotations];
  const asked = [who, annotations.length > 0 ? plural(annotations.length, "annotation") : undefined].filter(Boolean);
  return {
    reason: plural(values.length, "forbidden AppArmor profile"),
    detail: `${asked.join(" and ")} must not set AppArmor profile type to ${quoted(values)}`,
  };
};

const isKnownProfile = (value: string): boolean =>
  value === "" || value === "runtime/default" || value.startsWith("localhost/");

const SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/";

/** Before 1.19 seccomp profiles were annotations. */
export const seccompAnnotations: Check = ({ metadata, spec }) => {
  const { annotations = {} } = metadata;
  const keys = [SECCOMP_POD, ...containersOf(spec).map(({ name }) => SECCOMP_CONTAINER + name)];
  const bad = sorted(
    keys.flatMap((key) => {
      const value = annotations[key];
      if (value === undefined || /^(runtime\/default|docker\/default|localhost\/.*)$/.test(value)) return [];
      return [`${key}=${JSON.stringify(value)}`];
    }),
  );
  if (bad.length === 0) return undefined;
  return { reason: "seccompProfile", detail: `forbidden ${plural(bad.length, "annotation")} ${bad.join(", ")}` };
};

export const isBadSeccomp = (profile: { readonly type: string } | undefined): boolean =>
  !!profile && !PROFILES.has(profile.type);

export const seccompProfile: Check = ({ spec }): Forbidden | undefined => {
  const own = spec.securityContext?.seccompProfile;
  const bad = containersOf(spec).filter(({ securityContext }) => isBadSeccomp(securityContext?.seccompProfile));
  const who = setters(isBadSeccomp(own), bad);
  if (!who) return undefined;
  const all = [own, ...bad.map(({ securityContext }) => securityContext?.seccompProfile)].filter(isBadSeccomp);
  const types = sorted(all.map((one) => one?.type ?? ""));
  return {
    reason: "seccompProfile",
    detail: `${who} must not set securityContext.seccompProfile.type to ${quoted(types)}`,
  };
};

export function sysctls(allowed: ReadonlySet<string>): Check {
  return ({ spec }) => {
    const bad = (spec.securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !allowed.has(name));
    return bad.length > 0 ? { reason: "forbidden sysctls", detail: bad.join(", ") } : undefined;
  };
}

export const windowsHostProcess: Check = ({ spec }) => {
  const bad = containersOf(spec).filter(({ securityContext }) => securityContext?.windowsOptions?.hostProcess);
  const who = setters(Boolean(spec.securityContext?.windowsOptions?.hostProcess), bad);
  return who
    ? { reason: "hostProcess", detail: `${who} must not set securityContext.windowsOptions.hostProcess=true` }
    : undefined;
};
