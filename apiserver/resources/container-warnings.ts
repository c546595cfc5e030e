/**
 * Warnings about containers: variables that hide others, ports that are there twice, annotations without effect.
 *
 * Wording: pkg/api/pod/warnings.go.
 */
import type { Container, PodSpec } from "../../machinery/objects/kinds.ts";
import type { ContainerPort } from "./container-ports.ts";
import { eachContainer } from "./each-container.ts";
import { type At, child, entry, item } from "./path.ts";
import { type Annotations, APPARMOR, SECCOMP_CONTAINER } from "./pod-annotations.ts";
import { fractional, SECCOMP_GONE, type Warn } from "./warn.ts";

/** `path` is the template's, or empty for a Pod of its own. */
export function containerWarnings(spec: PodSpec, annotations: Annotations | undefined, path: At, warn: Warn): void {
  for (const [container, at] of eachContainer(spec, child(path, "spec"))) {
    if (annotations) profiles(container, spec, annotations, path, warn);
    for (const list of ["limits", "requests"] as const) {
      const amounts = container.resources?.[list];
      if (!amounts) continue;
      const where = child(child(at, "resources"), list);
      for (const name of ["memory", "ephemeral-storage"]) fractional(amounts[name], entry(where, name), warn);
    }
    if ((container.env?.length ?? 0) > 1) variables(container.env ?? [], child(at, "env"), warn);
  }
}

function profiles(container: Container, spec: PodSpec, annotations: Annotations, path: At, warn: Warn): void {
  const at = child(child(path, "metadata"), "annotations");
  const { name, securityContext: own } = container;
  const seccomp = SECCOMP_CONTAINER + name;
  if (!own?.seccompProfile && Object.hasOwn(annotations, seccomp)) warn(entry(at, seccomp), SECCOMP_GONE);
  const appArmor = APPARMOR + name;
  if (!Object.hasOwn(annotations, appArmor)) return;
  if (spec.securityContext?.appArmorProfile || own?.appArmorProfile) return;
  warn(entry(at, appArmor), 'deprecated since v1.30; use the "appArmorProfile" field instead');
}

/** A later variable may use an earlier one of the same name; else it only hides it. */
function variables(env: NonNullable<Container["env"]>, path: At, warn: Warn): void {
  const names = new Set<string>();
  for (let index = 0; index < env.length; index++) {
    const { name, value = "", valueFrom } = env[index]!;
    if (!names.has(name)) {
      names.add(name);
      continue;
    }
    const reference = `$(${name})`;
    if (!valueFrom && value !== reference && value.includes(reference)) continue;
    const text = `hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`;
    warn(item(path, index), text);
  }
}

interface Seen {
  readonly port: ContainerPort;
  readonly at: At;
}

/** Ports of all containers together: they share one address. `path` is the spec's. */
export function portWarnings(spec: PodSpec, path: At, warn: Warn): void {
  const seen = new Map<string, Seen[]>();
  for (const [{ ports = [] }, container] of eachContainer(spec, path)) {
    for (let index = 0; index < ports.length; index++) {
      const port = ports[index]!;
      const at = item(child(container, "ports"), index);
      if (port.hostIP && !port.hostPort) warn(at, `hostIP set without hostPort: ${shown(port)}`);
      const key = `${port.containerPort}/${port.protocol}`;
      const others = seen.get(key);
      if (!others) seen.set(key, [{ port, at }]);
      else {
        for (const other of others) {
          const text = overlap(port, other.port);
          if (text) warn(at, `${text} with ${other.at}`);
        }
        others.push({ port, at });
      }
    }
  }
}

function overlap(a: ContainerPort, b: ContainerPort): string | undefined {
  const [ip, otherIp] = [a.hostIP ?? "", b.hostIP ?? ""];
  const [port, otherPort] = [a.hostPort ?? 0, b.hostPort ?? 0];
  if (ip === otherIp && port === otherPort) return "duplicate port definition";
  if (port === 0 || otherPort === 0) return "overlapping port definition";
  return port === otherPort && (ip === "") !== (otherIp === "") ? "dangerously ambiguous port definition" : undefined;
}

/** As Go prints a struct. */
const shown = ({ name = "", hostPort = 0, containerPort, protocol = "", hostIP = "" }: ContainerPort): string =>
  `{Name:${name} HostPort:${hostPort} ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIP}}`;
