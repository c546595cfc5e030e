/**
 * ReplicaSet, and ReplicationController, which is the same with a plainer selector.
 */
import type { ReplicaSet, ReplicationController } from "../../machinery/objects/kinds.ts";
import { fromMap, matches } from "../../machinery/objects/selectors.ts";
import { notNegative, unchanged } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateOwnSelector } from "./label-selector.ts";
import { defaultPodTemplate, validateLastingTemplate } from "./pod-template.ts";
import { templateWarnings } from "./pod-warnings.ts";

export const replicaSetStrategy: Strategy<ReplicaSet> = {
  defaults({ spec }) {
    if (!spec) return;
    spec.replicas ??= 1;
    defaultPodTemplate(spec.template);
  },

  prepareForCreate(set) {
    set.status = { replicas: 0 };
  },

  validate({ spec }, errors) {
    if (!spec) {
      errors.required("spec");
      return;
    }
    validateCounts(spec, errors);
    validateOwnSelector(spec.selector, spec.template?.metadata?.labels, "spec", "deployment", errors);
    validateLastingTemplate(spec.template, "ReplicaSet", "spec.template", errors);
  },

  validateUpdate({ spec }, old, errors) {
    unchanged(spec?.selector, old.spec?.selector, "spec.selector", errors);
  },

  validateStatusUpdate: ({ status }, _old, errors) => validateReplicaStatus(status, errors),
  warnings: ({ metadata, spec }, old) =>
    old && metadata.generation === old.metadata.generation ? [] : templateWarnings(spec?.template, "spec.template"),
  selectableFields: ({ status }) => ({ "status.replicas": String(status?.replicas ?? 0) }),
  allowUnconditionalUpdate: true,
};

export const replicationControllerStrategy: Strategy<ReplicationController> = {
  defaults(controller) {
    const { spec, metadata } = controller;
    if (!spec) return;
    spec.replicas ??= 1;
    const labels = spec.template?.metadata?.labels;
    if (labels && Object.keys(labels).length > 0) {
      if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
      if (Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels };
    }
    defaultPodTemplate(spec.template);
  },

  prepareForCreate(controller) {
    controller.status = { replicas: 0 };
  },

  validate({ spec }, errors) {
    if (!spec) {
      errors.required("spec");
      return;
    }
    notNegative(spec.minReadySeconds, "spec.minReadySeconds", errors);
    const selector = fromMap(spec.selector);
    const selects = Object.keys(spec.selector ?? {}).length > 0;
    if (!selects) errors.required("spec.selector");
    notNegative(spec.replicas, "spec.replicas", errors);
    if (!spec.template) {
      errors.required("spec.template");
      return;
    }
    const labels = spec.template.metadata?.labels;
    if (selects && !matches(selector, labels)) {
      errors.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`");
    }
    validateLastingTemplate(spec.template, "ReplicationController", "spec.template", errors);
  },

  validateStatusUpdate: ({ status }, _old, errors) => validateReplicaStatus(status, errors),
  warnings: ({ metadata, spec }, old) =>
    old && metadata.generation === old.metadata.generation ? [] : templateWarnings(spec?.template, "spec.template"),
  selectableFields: ({ status }) => ({ "status.replicas": String(status?.replicas ?? 0) }),
  allowUnconditionalUpdate: true,
};

function validateCounts(spec: { replicas?: number; minReadySeconds?: number }, errors: FieldErrors): void {
  notNegative(spec.replicas, "spec.replicas", errors);
  notNegative(spec.minReadySeconds, "spec.minReadySeconds", errors);
}

const COUNTS = [
  "replicas",
  "fullyLabeledReplicas",
  "readyReplicas",
  "availableReplicas",
  "observedGeneration",
] as const;

function validateReplicaStatus(
  status: Partial<Record<(typeof COUNTS)[number], number>> = {},
  errors: FieldErrors,
): void {
  for (const field of COUNTS) notNegative(status[field], `status.${field}`, errors);
  const { replicas = 0, readyReplicas = 0, availableReplicas = 0, fullyLabeledReplicas = 0 } = status;
  const notMore = (field: string, value: number, most: number, name: string): void => {
    if (value > most) errors.invalid(`status.${field}`, value, `cannot be greater than ${name}`);
  };
  notMore("fullyLabeledReplicas", fullyLabeledReplicas, replicas, "status.replicas");
  notMore("readyReplicas", readyReplicas, replicas, "status.replicas");
  notMore("availableReplicas", availableReplicas, replicas, "status.replicas");
  notMore("availableReplicas", availableReplicas, readyReplicas, "readyReplicas");
}
