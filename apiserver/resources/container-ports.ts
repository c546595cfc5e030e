/**
 * Ports of containers: their names and numbers, and that no two want the same port of the host.
 */
import type * as models from "@kubernetes/client-node";
import type { Container, PodSpec } from "../../machinery/objects/kinds.ts";
import { portName, portNumber } from "../../machinery/objects/names.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { requireOneOf } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import { type At, child, item } from "./path.ts";

export type ContainerPort = Wire<models.V1ContainerPort>;

export const PROTOCOLS: readonly string[] = ["SCTP", "TCP", "UDP"];

export function validatePorts(ports: readonly ContainerPort[], path: At, errors: FieldErrors): void {
  const names = ports.length > 1 ? new Set<string>() : undefined;
  for (let index = 0; index < ports.length; index++) {
    const port = ports[index]!;
    const at = item(path, index);
    if (port.name) {
      const wrong = portName(port.name);
      if (wrong.length > 0) each(wrong, child(at, "name"), port.name, errors);
      else if (names?.has(port.name)) errors.duplicate(child(at, "name"), port.name);
      else names?.add(port.name);
    }
    if (!port.containerPort) errors.required(child(at, "containerPort"));
    else each(portNumber(port.containerPort), child(at, "containerPort"), port.containerPort, errors);
    if (port.hostPort) each(portNumber(port.hostPort), child(at, "hostPort"), port.hostPort, errors);
    requireOneOf(port.protocol, PROTOCOLS, child(at, "protocol"), errors);
  }
}

/** No two of these containers may ask for the same port of the host. */
export function validateHostPorts(containers: readonly Container[], path: At, errors: FieldErrors): void {
  let taken: Set<string> | undefined;
  for (let index = 0; index < containers.length; index++) {
    const { ports } = containers[index]!;
    for (let place = 0; place < (ports?.length ?? 0); place++) {
      const { hostPort, hostIP = "", protocol = "" } = ports![place]!;
      if (!hostPort) continue;
      const key = `${protocol}/${hostIP}/${hostPort}`;
      taken ??= new Set();
      if (taken.has(key)) {
        errors.duplicate(child(item(child(item(path, index), "ports"), place), "hostPort"), key);
      }
      taken.add(key);
    }
  }
}

/**
 * On the host's network a container's port is the host's. In a template the author may leave it out:
 * it is filled in when the Pod is made.
 */
export function validateHostNetworkPorts(spec: PodSpec, isPod: boolean, path: At, errors: FieldErrors): void {
  if (!spec.hostNetwork) return;
  for (const [index, { ports = [] }] of (spec.containers ?? []).entries()) {
    for (const [place, { hostPort = 0, containerPort }] of ports.entries()) {
      if ((!isPod && hostPort === 0) || hostPort === containerPort) continue;
      const at = child(item(child(item(path, index), "ports"), place), "hostPort");
      errors.invalid(at, hostPort, "must match `containerPort` when `hostNetwork` is true");
    }
  }
}
