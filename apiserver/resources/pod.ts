/**
 * Pod: what only a Pod has, on top of the spec that it shares with templates (pod-spec.ts).
 *
 * A Pod's spec hardly ever changes: images, a shorter deadline, more tolerations, fewer gates.
 * Its status is the kubelet's; here it only begins. Binding is apiserver/request's.
 */
import { isDeepStrictEqual } from "node:util";
import type { Container, Pod, PodSpec, Toleration } from "../../machinery/objects/kinds.ts";
import { qosClass } from "../../machinery/objects/qos.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import { changes } from "./changes.ts";
import { between } from "./checks.ts";
import { requestsFromLimits } from "./compute-resources.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { defaultHostPorts, defaultPodSpec, validatePodSpec } from "./pod-spec.ts";
import { podWarnings } from "./pod-warnings.ts";

const MAX_INT32 = 2 ** 31 - 1;

export const podStrategy: Strategy<Pod> = {
  defaults(pod) {
    pod.spec ??= { containers: [] };
    const { spec } = pod;
    for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
      requestsFromLimits(container.resources);
    }
    requestsFromLimits(spec.resources);
    spec.enableServiceLinks ??= true;
    defaultPodSpec(spec);
    if (spec.hostNetwork) defaultHostPorts(spec);
  },

  prepareForCreate(pod, { now }) {
    pod.status = { phase: "Pending", qosClass: qosClass(pod.spec!) };
    if (!pod.spec?.schedulingGates?.length) return;
    pod.status.conditions = [
      {
        type: "PodScheduled",
        status: "False",
        reason: "SchedulingGated",
        message: "Scheduling is blocked due to non-empty scheduling gates",
        lastTransitionTime: wireTime(now),
      },
    ];
  },

  validate(pod, errors) {
    validatePodSpec(pod.spec!, "spec", errors);
    validateOwnParts(pod.spec!, errors);
  },

  validateUpdate(pod, old, errors) {
    validateSpecUpdate(pod.spec!, old.spec!, errors);
  },

  validateStatusUpdate(pod, old, errors) {
    if (pod.spec?.nodeName !== old.spec?.nodeName) errors.forbidden("status.nodeName", "may not be changed directly");
    validateNoRestart(pod, old, errors);
  },

  warnings: (pod) => podWarnings(pod.spec, "spec"),

  selectableFields: ({ spec, status }) => ({
    "spec.nodeName": spec?.nodeName ?? "",
    "spec.restartPolicy": spec?.restartPolicy ?? "",
    "spec.schedulerName": spec?.schedulerName ?? "",
    "spec.serviceAccountName": spec?.serviceAccountName ?? "",
    "spec.hostNetwork": String(spec?.hostNetwork ?? false),
    "status.phase": status?.phase ?? "",
    "status.podIP": status?.podIPs?.[0]?.ip ?? status?.podIP ?? "",
    "status.nominatedNodeName": status?.nominatedNodeName ?? "",
  }),

  gracePeriodSeconds({ spec, status }, asked) {
    if (!spec?.nodeName || status?.phase === "Failed" || status?.phase === "Succeeded") return 0;
    const period = asked ?? spec.terminationGracePeriodSeconds ?? 0;
    return period < 0 ? 1 : period;
  },

  allowUnconditionalUpdate: true,
};

/** Rules that templates do not keep. */
function validateOwnParts(spec: PodSpec, errors: FieldErrors): void {
  if (!spec.serviceAccountName) {
    for (const [index, { projected }] of (spec.volumes ?? []).entries()) {
      for (const [place, { serviceAccountToken }] of (projected?.sources ?? []).entries()) {
        if (!serviceAccountToken) continue;
        const path = `spec.volumes[${index}].projected.sources[${place}].serviceAccountToken`;
        errors.forbidden(path, "must not be specified when serviceAccountName is not set");
      }
    }
  }
  for (const field of ["containers", "initContainers"] as const) {
    for (const [index, { image }] of (spec[field] ?? []).entries()) {
      if (!image || image.trim() === image) continue;
      errors.invalid(`spec.${field}[${index}].image`, image, "must not have leading or trailing whitespace");
    }
  }
  if (spec.nodeName && spec.schedulingGates?.length) {
    errors.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared");
  }
}

const CHANGEABLE = [
  "`spec.containers[*].image`",
  "`spec.initContainers[*].image`",
  "`spec.activeDeadlineSeconds`",
  "`spec.tolerations` (only additions to existing tolerations)",
  "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
].join(",");

function validateSpecUpdate(spec: PodSpec, old: PodSpec, errors: FieldErrors): void {
  if (isDeepStrictEqual(spec, old)) return;
  const before = errors.causes.length;
  for (const field of ["containers", "initContainers"] as const) {
    if ((spec[field]?.length ?? 0) !== (old[field]?.length ?? 0)) {
      errors.forbidden(`spec.${field}`, "pod updates may not add or remove containers");
      return;
    }
  }
  validateDeadline(spec, old, errors);
  validateAddedTolerations(spec.tolerations ?? [], old.tolerations ?? [], errors);
  validateRemovedGates(spec, old, errors);
  if (errors.causes.length > before) return;

  const rest = withChangeable(spec, old);
  if (isDeepStrictEqual(rest, old)) return;
  errors.forbidden(
    "spec",
    `pod updates may not change fields other than ${CHANGEABLE}\n${changes(old, rest, "spec").join("\n")}`,
  );
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

function withOld<T extends object>(object: T, old: T, fields: readonly (keyof T)[]): T {
  const copy = { ...object };
  for (const field of fields) {
    if (Object.hasOwn(old, field)) copy[field] = old[field];
    else delete copy[field];
  }
  return copy;
}

function validateDeadline(spec: PodSpec, old: PodSpec, errors: FieldErrors): void {
  const path = "spec.activeDeadlineSeconds";
  const [next, before] = [spec.activeDeadlineSeconds, old.activeDeadlineSeconds];
  if (next === undefined) {
    if (before !== undefined) errors.invalid(path, undefined, "must not update from a positive integer to nil value");
    return;
  }
  between(next, 0, MAX_INT32, path, errors);
  if (before !== undefined && next > before) errors.invalid(path, next, "must be less than or equal to previous value");
}

/** Existing tolerations stay, though their time may change; new ones may come. */
function validateAddedTolerations(next: readonly Toleration[], old: readonly Toleration[], errors: FieldErrors): void {
  const same = (a: Toleration, b: Toleration): boolean =>
    a.key === b.key &&
    (a.operator || "Equal") === (b.operator || "Equal") &&
    a.value === b.value &&
    a.effect === b.effect;
  if (old.every((before) => next.some((one) => same(one, before)))) return;
  errors.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds");
}

function validateRemovedGates(spec: PodSpec, old: PodSpec, errors: FieldErrors): void {
  const known = new Set((old.schedulingGates ?? []).map(({ name }) => name));
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries()) {
    if (known.has(name)) continue;
    const path = `spec.schedulingGates[${index}].name`;
    errors.forbidden(path, `only deletion is allowed, but found new scheduling gate '${name}'`);
  }
}

/** What ended stays ended, where the restart policy says so. */
function validateNoRestart({ spec, status }: Pod, old: Pod, errors: FieldErrors): void {
  const policy = spec?.restartPolicy;
  if (policy === "Always") return;
  for (const before of old.status?.containerStatuses ?? []) {
    const ended = before.state?.terminated;
    if (!ended || (policy === "OnFailure" && ended.exitCode !== 0)) continue;
    const container = spec?.containers.find(({ name }) => name === before.name);
    if (container?.restartPolicy || container?.restartPolicyRules) continue;
    const now = status?.containerStatuses?.find(({ name }) => name === before.name);
    if (now && !now.state?.terminated) {
      errors.forbidden("status.containerStatuses.state", "may not be transitioned to non-terminated state");
    }
  }
}
