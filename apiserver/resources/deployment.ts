/**
 * Deployment: replicas of a template, replaced step by step when the template changes.
 *
 * How a rollout goes is controllers/deployment.ts' business.
 */

import { percentOf } from "../../machinery/objects/int-or-string.ts";
import type { Deployment } from "../../machinery/objects/kinds.ts";
import { atMostWhole, notFewerCollisions, notNegative, numberOrPercent, unchanged } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateOwnSelector } from "./label-selector.ts";
import { defaultPodTemplate, validateLastingTemplate } from "./pod-template.ts";
import { templateWarnings } from "./pod-warnings.ts";

type Spec = NonNullable<Deployment["spec"]>;

export const deploymentStrategy: Strategy<Deployment> = {
  defaults({ spec }) {
    if (!spec) return;
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
    spec.strategy ??= {};
    spec.strategy.type ||= "RollingUpdate";
    if (spec.strategy.type === "RollingUpdate") {
      spec.strategy.rollingUpdate ??= {};
      spec.strategy.rollingUpdate.maxUnavailable ??= "25%";
      spec.strategy.rollingUpdate.maxSurge ??= "25%";
    }
    defaultPodTemplate(spec.template);
  },

  validate({ spec }, errors) {
    if (!spec) {
      errors.required("spec");
      return;
    }
    notNegative(spec.replicas, "spec.replicas", errors);
    validateOwnSelector(spec.selector, spec.template?.metadata?.labels, "spec", "deployment", errors);
    validateLastingTemplate(spec.template, "ReplicaSet", "spec.template", errors);
    validateStrategy(spec, errors);
    validateTimes(spec, errors);
  },

  validateUpdate({ spec }, old, errors) {
    unchanged(spec?.selector, old.spec?.selector, "spec.selector", errors);
  },

  validateStatusUpdate({ status = {} }, old, errors) {
    for (const field of COUNTS) notNegative(status[field], `status.${field}`, errors);
    for (const [field, most, name] of STATUS_ORDER) {
      if ((status[field] ?? 0) > (status[most] ?? 0)) {
        errors.invalid(`status.${field}`, status[field], `cannot be greater than ${name}`);
      }
    }
    notFewerCollisions(status.collisionCount, old.status?.collisionCount, errors);
  },

  warnings: ({ metadata, spec }, old) =>
    old && metadata.generation === old.metadata.generation ? [] : templateWarnings(spec?.template, "spec.template"),
  allowUnconditionalUpdate: true,
};

const COUNTS = [
  "observedGeneration",
  "replicas",
  "updatedReplicas",
  "readyReplicas",
  "availableReplicas",
  "unavailableReplicas",
  "collisionCount",
] as const;

const STATUS_ORDER = [
  ["updatedReplicas", "replicas", "status.replicas"],
  ["readyReplicas", "replicas", "status.replicas"],
  ["availableReplicas", "replicas", "status.replicas"],
  ["availableReplicas", "readyReplicas", "readyReplicas"],
] as const;

function validateTimes(spec: Spec, errors: FieldErrors): void {
  for (const field of ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] as const) {
    notNegative(spec[field], `spec.${field}`, errors);
  }
  const { progressDeadlineSeconds, minReadySeconds = 0 } = spec;
  if (progressDeadlineSeconds !== undefined && progressDeadlineSeconds <= minReadySeconds) {
    errors.invalid("spec.progressDeadlineSeconds", progressDeadlineSeconds, "must be greater than minReadySeconds");
  }
}

function validateStrategy({ strategy }: Spec, errors: FieldErrors): void {
  const path = "spec.strategy";
  const { type, rollingUpdate } = strategy ?? {};
  if (type === "Recreate") {
    if (rollingUpdate)
      errors.forbidden(`${path}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'");
    return;
  }
  if (type !== "RollingUpdate") {
    errors.notSupported(path, { Type: type, RollingUpdate: rollingUpdate ?? null }, ["Recreate", "RollingUpdate"]);
    return;
  }
  if (!rollingUpdate) {
    errors.required(`${path}.rollingUpdate`, "this should be defaulted and never be nil");
    return;
  }
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate;
  numberOrPercent(maxUnavailable, `${path}.rollingUpdate.maxUnavailable`, errors);
  numberOrPercent(maxSurge, `${path}.rollingUpdate.maxSurge`, errors);
  const isZero = (value: number | string): boolean => (percentOf(value) ?? value) === 0;
  if (isZero(maxUnavailable) && isZero(maxSurge)) {
    errors.invalid(`${path}.rollingUpdate.maxUnavailable`, maxUnavailable, "may not be 0 when `maxSurge` is 0");
  }
  atMostWhole(maxUnavailable, `${path}.rollingUpdate.maxUnavailable`, errors);
}
