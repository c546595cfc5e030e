/**
 * Containers: what is common to the ordinary ones, those that initialize and the ephemeral ones.
 *
 * Lists of containers, and rules between them, are in container-lists.ts; each part has a file of its own:
 * container-ports.ts, env.ts, volume-mounts.ts, probe.ts, handler.ts, compute-resources.ts,
 * resize-policy.ts, container-restart.ts, security-context.ts.
 */
import type { Container } from "../../machinery/objects/kinds.ts";
import { dns1123Label } from "../../machinery/objects/names.ts";
import { requireOneOf } from "./checks.ts";
import { defaultRequirements, validateRequirements } from "./compute-resources.ts";
import { validatePorts } from "./container-ports.ts";
import { defaultEnv, validateEnv, validateEnvFrom } from "./env.ts";
import type { FieldErrors } from "./field-errors.ts";
import { defaultHooks, validateHooks } from "./handler.ts";
import { defaultPullPolicy } from "./image-name.ts";
import { each } from "./object-meta.ts";
import { type At, child } from "./path.ts";
import { defaultProbe, type ProbeName, validateProbe } from "./probe.ts";
import { validateResizePolicy } from "./resize-policy.ts";
import { validateSecurityContext } from "./security-context.ts";
import { type Volumes, validateDevices, validateMounts } from "./volume-mounts.ts";

export { PROTOCOLS } from "./container-ports.ts";

export const PROBES: readonly ProbeName[] = ["livenessProbe", "readinessProbe", "startupProbe"];
export const PULL_POLICIES: readonly string[] = ["Always", "IfNotPresent", "Never"];
const MESSAGE_POLICIES: readonly string[] = ["File", "FallbackToLogsOnError"];

export function defaultContainer(container: Container): void {
  container.resources ??= {};
  container.imagePullPolicy ||= defaultPullPolicy(container.image);
  container.terminationMessagePath ||= "/dev/termination-log";
  container.terminationMessagePolicy ||= "File";
  for (const port of container.ports ?? []) port.protocol ||= "TCP";
  defaultRequirements(container.resources);
  if (container.env) defaultEnv(container.env);
  for (const name of PROBES) if (container[name]) defaultProbe(container[name]);
  if (container.lifecycle) defaultHooks(container.lifecycle);
}

/** What a container may rely on in its Pod. */
export interface PodFacts {
  readonly volumes: Volumes;
  /** Names of the Pod's resource claims. */
  readonly claims: ReadonlySet<string> | undefined;
  readonly grace: number | undefined;
  readonly restartPolicy: string | undefined;
  /** Whether its users are the host's. */
  readonly hostUsers: boolean;
}

/** That names are unlike is checked by the list that the container is in. */
export function validateContainer(container: Container, pod: PodFacts, path: At, errors: FieldErrors): void {
  const { name, image, ports, env, envFrom, resizePolicy, securityContext } = container;
  if (!name) errors.required(child(path, "name"));
  else each(dns1123Label(name), child(path, "name"), name, errors);
  if (!image) errors.required(child(path, "image"));
  const messages = container.terminationMessagePolicy;
  requireOneOf(messages, MESSAGE_POLICIES, child(path, "terminationMessagePolicy"), errors);
  if (ports) validatePorts(ports, child(path, "ports"), errors);
  if (env) validateEnv(env, pod.volumes, child(path, "env"), errors);
  if (envFrom) validateEnvFrom(envFrom, child(path, "envFrom"), errors);
  if (container.volumeMounts) validateMounts(container, pod.volumes, child(path, "volumeMounts"), errors);
  if (container.volumeDevices) validateDevices(container, pod.volumes, child(path, "volumeDevices"), errors);
  requireOneOf(container.imagePullPolicy, PULL_POLICIES, child(path, "imagePullPolicy"), errors);
  validateRequirements(container.resources, pod.claims, child(path, "resources"), errors);
  if (resizePolicy) validateResizePolicy(resizePolicy, pod.restartPolicy, child(path, "resizePolicy"), errors);
  if (securityContext) {
    validateSecurityContext(securityContext, pod.hostUsers, child(path, "securityContext"), errors);
  }
}

/** Only of containers that run for long: ordinary ones and sidecars. */
export function validateRunning(container: Container, grace: number | undefined, path: At, errors: FieldErrors): void {
  if (container.lifecycle) validateHooks(container.lifecycle, grace, child(path, "lifecycle"), errors);
  for (const name of PROBES) {
    const probe = container[name];
    if (probe) validateProbe(probe, name, grace, child(path, name), errors);
  }
}
