/**
 * The three lists of containers in a Pod: ordinary ones, those that initialize, ephemeral ones.
 *
 * Names are unlike in all of them. What one container must keep is in container.ts.
 */
import type { Container, PodSpec } from "../../machinery/objects/kinds.ts";
import { type PodFacts, PROBES, validateContainer, validateRunning } from "./container.ts";
import { validateHostPorts } from "./container-ports.ts";
import { validateRestart } from "./container-restart.ts";
import type { FieldErrors } from "./field-errors.ts";
import { type At, child, item } from "./path.ts";

export function validateContainerLists(spec: PodSpec, pod: PodFacts, path: At, errors: FieldErrors): void {
  validateOrdinary(spec.containers, pod, child(path, "containers"), errors);
  if (spec.initContainers?.length) validateInit(spec, pod, child(path, "initContainers"), errors);
  if (spec.ephemeralContainers?.length) validateEphemeral(spec, pod, child(path, "ephemeralContainers"), errors);
}

function validateOrdinary(
  containers: readonly Container[] | undefined,
  pod: PodFacts,
  path: At,
  errors: FieldErrors,
): void {
  if (!containers?.length) {
    errors.required(path);
    return;
  }
  const names = containers.length > 1 ? new Set<string>() : undefined;
  for (let index = 0; index < containers.length; index++) {
    const container = containers[index]!;
    const at = item(path, index);
    validateContainer(container, pod, at, errors);
    if (names?.has(container.name)) errors.duplicate(child(at, "name"), container.name);
    names?.add(container.name);
    validateRunning(container, pod.grace, at, errors);
    validateRestart(container, false, at, errors);
  }
  validateHostPorts(containers, path, errors);
}

const ONLY_RUNNING = ["lifecycle", ...PROBES] as const;

function validateInit(spec: PodSpec, pod: PodFacts, path: At, errors: FieldErrors): void {
  const names = new Set((spec.containers ?? []).map(({ name }) => name));
  for (const [index, container] of (spec.initContainers ?? []).entries()) {
    const at = item(path, index);
    const { name } = container;
    validateContainer(container, pod, at, errors);
    validateRestart(container, true, at, errors);
    if (names.has(name)) errors.duplicate(child(at, "name"), name);
    else if (name) names.add(name);
    // One at a time: only its own ports can be in each other's way.
    validateHostPorts([container], path, errors);
    if (container.restartPolicy === "Always") {
      validateRunning(container, pod.grace, at, errors);
      continue;
    }
    for (const field of ONLY_RUNNING) {
      if (container[field] === undefined) continue;
      errors.forbidden(child(at, field), "may not be set for init containers without restartPolicy=Always");
    }
  }
}

/** Nothing that a service would rely on: in the order of the fields. */
const NOT_EPHEMERAL = [
  "ports",
  "resources",
  "resizePolicy",
  "restartPolicy",
  "restartPolicyRules",
  "livenessProbe",
  "readinessProbe",
  "startupProbe",
  "lifecycle",
] as const;
const REFUSED = "cannot be set for an Ephemeral Container";

function validateEphemeral(spec: PodSpec, pod: PodFacts, path: At, errors: FieldErrors): void {
  const others = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name));
  const names = new Set(others);
  for (const [index, container] of (spec.ephemeralContainers ?? []).entries()) {
    const at = item(path, index);
    const { name, targetContainerName: target } = container;
    validateContainer(container, pod, at, errors);
    validateImagePadding(container, at, errors);
    if (names.has(name)) errors.duplicate(child(at, "name"), name);
    names.add(name);
    if (target && !others.has(target)) errors.notFound(child(at, "targetContainerName"), target);
    for (const field of NOT_EPHEMERAL) {
      const value: unknown = container[field];
      const unset = value === undefined || (field === "resources" && Object.keys(value as object).length === 0);
      if (!unset) errors.forbidden(child(at, field), REFUSED);
    }
    for (const [place, { subPath, subPathExpr }] of (container.volumeMounts ?? []).entries()) {
      const mount = item(child(at, "volumeMounts"), place);
      if (subPath) errors.forbidden(child(mount, "subPath"), REFUSED);
      if (subPathExpr) errors.forbidden(child(mount, "subPathExpr"), REFUSED);
    }
  }
}

/** Templates may hold images that something fills in later; Pods may not. */
export function validateImagePadding({ image }: Pick<Container, "image">, path: At, errors: FieldErrors): void {
  if (image && image.trim() !== image) {
    errors.invalid(child(path, "image"), image, "must not have leading or trailing whitespace");
  }
}
