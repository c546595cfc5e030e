/**
 * Containers: what is common to the ordinary ones, those that initialize and the ephemeral ones.
 *
 * Lists of containers, and rules between them, are in pod-spec.ts; each part has a file of its own:
 * env.ts, probe.ts, handler.ts, compute-resources.ts, security-context.ts.
 */
import type * as models from "@kubernetes/client-node";
import type { Container } from "../../machinery/objects/kinds.ts";
import { portName, portNumber } from "../../machinery/objects/names.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { localPath, oneOf, requireOneOf } from "./checks.ts";
import { defaultRequirements, validateRequirements } from "./compute-resources.ts";
import { defaultEnv, validateEnv, validateEnvFrom } from "./env.ts";
import type { FieldErrors } from "./field-errors.ts";
import { defaultHandler, validateHandler } from "./handler.ts";
import { defaultPullPolicy } from "./image-name.ts";
import { each } from "./object-meta.ts";
import { defaultProbe, type ProbeName, validateProbe } from "./probe.ts";
import { validateSecurityContext } from "./security-context.ts";

export type ContainerPort = Wire<models.V1ContainerPort>;

export const PROBES: readonly ProbeName[] = ["livenessProbe", "readinessProbe", "startupProbe"];
const HOOKS = ["postStart", "preStop"] as const;

export function defaultContainer(container: Container): void {
  container.resources ??= {};
  container.imagePullPolicy ||= defaultPullPolicy(container.image);
  container.terminationMessagePath ||= "/dev/termination-log";
  container.terminationMessagePolicy ||= "File";
  for (const port of container.ports ?? []) port.protocol ||= "TCP";
  defaultRequirements(container.resources);
  if (container.env) defaultEnv(container.env);
  for (const name of PROBES) if (container[name]) defaultProbe(container[name]);
  for (const hook of HOOKS) if (container.lifecycle?.[hook]) defaultHandler(container.lifecycle[hook]);
}

/** What a container may rely on in its Pod. */
export interface PodFacts {
  readonly volumes: ReadonlySet<string>;
  readonly grace: number | undefined;
  readonly hostNetwork: boolean;
}

/** Names are checked by the list that the container is in. */
export function validateContainer(container: Container, pod: PodFacts, path: string, errors: FieldErrors): void {
  if (!container.image) errors.required(`${path}.image`);
  oneOf(container.restartPolicy, ["Always", "Never", "OnFailure"], `${path}.restartPolicy`, errors);
  requireOneOf(
    container.terminationMessagePolicy,
    ["File", "FallbackToLogsOnError"],
    `${path}.terminationMessagePolicy`,
    errors,
  );
  if (container.ports) validatePorts(container.ports, pod.hostNetwork, `${path}.ports`, errors);
  if (container.env) validateEnv(container.env, `${path}.env`, errors);
  if (container.envFrom) validateEnvFrom(container.envFrom, `${path}.envFrom`, errors);
  validateMounts(container, pod.volumes, path, errors);
  requireOneOf(container.imagePullPolicy, ["Always", "IfNotPresent", "Never"], `${path}.imagePullPolicy`, errors);
  if (container.resources) validateRequirements(container.resources, `${path}.resources`, errors);
  if (container.securityContext) {
    validateSecurityContext(container.securityContext, `${path}.securityContext`, errors);
  }
}

/** Only of containers that run for long: ordinary ones and sidecars. */
export function validateRunning(
  container: Container,
  grace: number | undefined,
  path: string,
  errors: FieldErrors,
): void {
  for (const hook of HOOKS) {
    const handler = container.lifecycle?.[hook];
    if (handler) validateHandler(handler, grace, `${path}.lifecycle.${hook}`, errors);
  }
  for (const name of PROBES) {
    const probe = container[name];
    if (probe) validateProbe(probe, name, grace, `${path}.${name}`, errors);
  }
}

export const PROTOCOLS: readonly string[] = ["SCTP", "TCP", "UDP"];

function validatePorts(ports: readonly ContainerPort[], hostNetwork: boolean, path: string, errors: FieldErrors): void {
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = `${path}[${index}]`;
    if (port.name) {
      const wrong = portName(port.name);
      each(wrong, `${at}.name`, port.name, errors);
      if (wrong.length === 0 && names.has(port.name)) errors.duplicate(`${at}.name`, port.name);
      names.add(port.name);
    }
    if (!port.containerPort) errors.required(`${at}.containerPort`);
    else each(portNumber(port.containerPort), `${at}.containerPort`, port.containerPort, errors);
    if (port.hostPort) each(portNumber(port.hostPort), `${at}.hostPort`, port.hostPort, errors);
    requireOneOf(port.protocol, PROTOCOLS, `${at}.protocol`, errors);
    // A template may leave the host's port out: it is set when the Pod is made.
    if (hostNetwork && port.hostPort && port.hostPort !== port.containerPort) {
      errors.invalid(`${at}.hostPort`, port.hostPort, "must match `containerPort` when `hostNetwork` is true");
    }
  }
}

const PROPAGATIONS: readonly string[] = ["Bidirectional", "HostToContainer", "None"];

function validateMounts(container: Container, volumes: ReadonlySet<string>, path: string, errors: FieldErrors): void {
  const places = new Set<string>();
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${path}.volumeMounts[${index}]`;
    if (!mount.name) errors.required(`${at}.name`);
    if (!volumes.has(mount.name)) errors.notFound(`${at}.name`, mount.name);
    if (!mount.mountPath) errors.required(`${at}.mountPath`);
    if (places.has(mount.mountPath)) errors.invalid(`${at}.mountPath`, mount.mountPath, "must be unique");
    places.add(mount.mountPath);
    for (const field of ["subPath", "subPathExpr"] as const) {
      const value = mount[field];
      if (!value) continue;
      localPath(value, `${path}.volumeMounts.${field}`, errors);
    }
    if (mount.subPath && mount.subPathExpr) {
      errors.invalid(`${at}.subPathExpr`, mount.subPathExpr, "subPathExpr and subPath are mutually exclusive");
    }
    validatePropagation(container, mount.mountPropagation, `${path}.volumeMounts`, errors);
  }
  for (const [index, { name, devicePath }] of (container.volumeDevices ?? []).entries()) {
    const at = `${path}.volumeDevices[${index}]`;
    if (!name) errors.required(`${at}.name`);
    else if (!volumes.has(name)) errors.notFound(`${at}.name`, name);
    if (!devicePath) errors.required(`${at}.devicePath`);
  }
}

function validatePropagation(
  { securityContext }: Container,
  propagation: string | undefined,
  path: string,
  errors: FieldErrors,
): void {
  oneOf(propagation, PROPAGATIONS, `${path}.mountPropagation`, errors);
  if (propagation === "Bidirectional" && !securityContext?.privileged) {
    errors.forbidden(
      `${path}.mountPropagation`,
      "Bidirectional mount propagation is available only to privileged containers",
    );
  }
}
