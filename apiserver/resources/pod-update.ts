/**
 * Updates of Pods: images, a shorter deadline, more tolerations, fewer gates, and nothing else.
 *
 * While gates hold a Pod back, whoever holds them may narrow down the nodes that it can go to.
 */
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { Container, Pod, PodSpec, Toleration } from "../../machinery/objects/kinds.ts";
import { changes } from "./changes.ts";
import { between } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { withoutNodeChanges } from "./gated-pods.ts";
import { child, item } from "./path.ts";
import { validateAnnotationUpdate } from "./pod-annotations.ts";
import { validateTolerations } from "./tolerations.ts";

const MAX_INT32 = 2 ** 31 - 1;

const CHANGEABLE = [
  "`spec.containers[*].image`",
  "`spec.initContainers[*].image`",
  "`spec.activeDeadlineSeconds`",
  "`spec.tolerations` (only additions to existing tolerations)",
  "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
].join(",");

export function validatePodUpdate(pod: Pod, { metadata, spec: before }: Pod, errors: FieldErrors): void {
  const spec = pod.spec!;
  const old = before!;
  validateAnnotationUpdate(pod.metadata.annotations, metadata.annotations, "metadata.annotations", errors);
  if (equalJson(spec, old)) return;
  for (const field of ["containers", "initContainers"] as const) {
    if ((spec[field]?.length ?? 0) === (old[field]?.length ?? 0)) continue;
    errors.forbidden(`spec.${field}`, "pod updates may not add or remove containers");
    return;
  }
  if (!validateDeadline(spec, old, errors)) return;
  validateAddedTolerations(spec.tolerations ?? [], old.tolerations ?? [], errors);
  validateRemovedGates(spec, old, errors);

  const kept = withChangeable(spec, old);
  const rest = old.schedulingGates?.length ? withoutNodeChanges(kept, old, errors) : kept;
  if (equalJson(rest, old)) return;
  const difference = changes(old, rest, "spec").join("\n");
  errors.forbidden("spec", `pod updates may not change fields other than ${CHANGEABLE}\n${difference}`);
}

/** The new spec with everything that may change as it was. */
function withChangeable(spec: PodSpec, old: PodSpec): PodSpec {
  const oldImages = (list: readonly Container[] | undefined, before: readonly Container[] | undefined) =>
    list?.map((container, index) => withOld(container, before?.[index] ?? container, ["image"]));
  const changeable: (keyof PodSpec)[] = ["activeDeadlineSeconds", "tolerations", "schedulingGates"];
  if ((old.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1) {
    changeable.push("terminationGracePeriodSeconds");
  }
  const containers = oldImages(spec.containers, old.containers) ?? [];
  const initContainers = oldImages(spec.initContainers, old.initContainers);
  return { ...withOld(spec, old, changeable), containers, ...(initContainers && { initContainers }) };
}

export function withOld<T extends object>(object: T, old: T, fields: readonly (keyof T)[]): T {
  const copy = { ...object };
  for (const field of fields) {
    if (Object.hasOwn(old, field)) copy[field] = old[field];
    else delete copy[field];
  }
  return copy;
}

/** From none to any, and from one to a shorter one. Answers false where nothing more needs to be said. */
function validateDeadline(spec: PodSpec, old: PodSpec, errors: FieldErrors): boolean {
  const path = "spec.activeDeadlineSeconds";
  const [next, before] = [spec.activeDeadlineSeconds, old.activeDeadlineSeconds];
  if (next === undefined) {
    if (before !== undefined) errors.invalid(path, undefined, "must not update from a positive integer to nil value");
    return true;
  }
  between(next, 0, MAX_INT32, path, errors);
  if (next < 0 || next > MAX_INT32) return false;
  if (before === undefined || next <= before) return true;
  errors.invalid(path, next, "must be less than or equal to previous value");
  return false;
}

/** Existing tolerations stay, though their time may change; new ones may come. */
function validateAddedTolerations(next: readonly Toleration[], old: readonly Toleration[], errors: FieldErrors): void {
  const bare = ({ tolerationSeconds: _seconds, ...rest }: Toleration): unknown => rest;
  if (old.every((before) => next.some((one) => equalJson(bare(one), bare(before))))) {
    validateTolerations(next, "spec.tolerations", errors);
    return;
  }
  errors.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds");
}

function validateRemovedGates(spec: PodSpec, old: PodSpec, errors: FieldErrors): void {
  const known = new Set((old.schedulingGates ?? []).map(({ name }) => name));
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries()) {
    if (known.has(name)) continue;
    const path = child(item("spec.schedulingGates", index), "name");
    errors.forbidden(path, `only deletion is allowed, but found new scheduling gate '${name}'`);
  }
}
