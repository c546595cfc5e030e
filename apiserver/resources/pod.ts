/**
 * Pod: what only a Pod has, on top of the spec that it shares with templates (pod-spec.ts).
 *
 * A Pod's spec hardly ever changes: what may is in pod-update.ts; its parts with a way of their own are in
 * pod-ephemeral.ts and pod-resize.ts. Its status is the kubelet's (pod-status-rules.ts); here it only begins.
 * Binding is apiserver/request's.
 */
import type { Pod, PodSpec } from "../../machinery/objects/kinds.ts";
import { qosClass } from "../../machinery/objects/qos.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import { applyLabelKeys } from "./affinity.ts";
import { requestsFromLimits } from "./compute-resources.ts";
import { validateImagePadding } from "./container-lists.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { type At, child, item } from "./path.ts";
import { validatePodAnnotations, validateProfilesMatch } from "./pod-annotations.ts";
import { ephemeralContainers } from "./pod-ephemeral.ts";
import { defaultPodResources } from "./pod-level-resources.ts";
import { resize } from "./pod-resize.ts";
import { defaultHostPorts, defaultPodSpec, validatePodSpec } from "./pod-spec.ts";
import { keepForStatusUpdate, validatePodStatus } from "./pod-status-rules.ts";
import { validatePodUpdate } from "./pod-update.ts";
import { podNameWarning, podWarnings } from "./pod-warnings.ts";

export const podStrategy: Strategy<Pod> = {
  defaults(pod) {
    pod.spec ??= { containers: [] };
    const { spec } = pod;
    for (const container of spec.initContainers ?? []) requestsFromLimits(container.resources);
    for (const container of spec.containers ?? []) requestsFromLimits(container.resources);
    spec.enableServiceLinks ??= true;
    defaultPodSpec(spec);
    defaultPodResources(spec);
    if (spec.hostNetwork) defaultHostPorts(spec);
  },

  prepareForCreate(pod, { now }) {
    pod.status = { phase: "Pending", qosClass: qosClass(pod.spec!) };
    if (pod.spec?.affinity) applyLabelKeys(pod.spec.affinity, pod.metadata.labels);
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

  validate({ metadata, spec }, errors) {
    validatePodAnnotations(metadata.annotations, spec!, "metadata.annotations", errors);
    validatePodSpec(spec!, metadata.name, "spec", errors);
    validateTokens(spec!, errors);
    validateImages(spec!.containers, "spec.containers", errors);
    if (spec!.initContainers) validateImages(spec!.initContainers, "spec.initContainers", errors);
  },

  validateCreate({ metadata, spec }, errors) {
    if (spec?.ephemeralContainers?.length) errors.forbidden("spec.ephemeralContainers", "cannot be set on create");
    if (spec?.nodeName && spec.schedulingGates?.length) {
      errors.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared");
    }
    validateProfilesMatch(metadata.annotations, spec!, "spec", errors);
  },

  validateUpdate: validatePodUpdate,
  prepareForStatusUpdate: keepForStatusUpdate,
  validateStatusUpdate: validatePodStatus,
  parts: { ephemeralcontainers: ephemeralContainers, resize },

  // Programs update Pods, and often: nobody would read what is said to them.
  warnings: (pod, old) => (old ? [] : [...podNameWarning(pod.metadata.name), ...podWarnings(pod, "")]),

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

/** A token is somebody's. */
function validateTokens(spec: PodSpec, errors: FieldErrors): void {
  if (spec.serviceAccountName) return;
  for (const [index, { projected }] of (spec.volumes ?? []).entries()) {
    for (const [place, { serviceAccountToken }] of (projected?.sources ?? []).entries()) {
      if (!serviceAccountToken) continue;
      const at = item(child(child(item("spec.volumes", index), "projected"), "sources"), place);
      const detail = "must not be specified when serviceAccountName is not set";
      errors.forbidden(child(at, "serviceAccountToken"), detail);
    }
  }
}

function validateImages(containers: PodSpec["containers"] | undefined, path: At, errors: FieldErrors): void {
  for (let index = 0; index < (containers?.length ?? 0); index++) {
    validateImagePadding(containers![index]!, item(path, index), errors);
  }
}
