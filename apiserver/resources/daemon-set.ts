/**
 * DaemonSet: one Pod on every node that fits.
 */
import { percentOf } from "../../machinery/objects/int-or-string.ts";
import type { DaemonSet } from "../../machinery/objects/kinds.ts";
import { atMostWhole, notNegative, numberOrPercent, unchanged } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateOwnSelector } from "./label-selector.ts";
import { defaultPodTemplate, validateLastingTemplate } from "./pod-template.ts";
import { podWarnings } from "./pod-warnings.ts";

export const daemonSetStrategy: Strategy<DaemonSet> = {
  defaults({ spec }) {
    if (!spec) return;
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ||= "RollingUpdate";
    if (spec.updateStrategy.type === "RollingUpdate") {
      spec.updateStrategy.rollingUpdate ??= {};
      spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
      spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
    }
    spec.revisionHistoryLimit ??= 10;
    defaultPodTemplate(spec.template);
  },

  prepareForCreate(set) {
    set.status = { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 };
  },

  validate({ spec }, errors) {
    if (!spec) {
      errors.required("spec");
      return;
    }
    validateOwnSelector(spec.selector, spec.template?.metadata?.labels, "spec", "daemonset", errors);
    validateLastingTemplate(spec.template, "DaemonSet", "spec.template", errors);
    notNegative(spec.minReadySeconds, "spec.minReadySeconds", errors);
    notNegative(spec.revisionHistoryLimit, "spec.revisionHistoryLimit", errors);
    validateUpdateStrategy(spec.updateStrategy ?? {}, errors);
  },

  validateUpdate({ spec }, old, errors) {
    unchanged(spec?.selector, old.spec?.selector, "spec.selector", errors);
  },

  warnings: ({ spec }) => podWarnings(spec?.template?.spec, "spec.template.spec"),
  allowUnconditionalUpdate: true,
};

type UpdateStrategy = NonNullable<NonNullable<DaemonSet["spec"]>["updateStrategy"]>;

function validateUpdateStrategy({ type, rollingUpdate }: UpdateStrategy, errors: FieldErrors): void {
  const path = "spec.updateStrategy";
  if (type === "OnDelete") return;
  if (type !== "RollingUpdate") {
    errors.notSupported(`${path}.type`, type, ["RollingUpdate", "OnDelete"]);
    return;
  }
  if (!rollingUpdate) {
    errors.required(`${path}.rollingUpdate`);
    return;
  }
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate;
  for (const [field, value] of [
    ["maxUnavailable", maxUnavailable],
    ["maxSurge", maxSurge],
  ] as const) {
    numberOrPercent(value, `${path}.rollingUpdate.${field}`, errors);
    atMostWhole(value, `${path}.rollingUpdate.${field}`, errors);
  }
  const some = (value: number | string): boolean => (percentOf(value) ?? value) !== 0;
  if (some(maxUnavailable) && some(maxSurge)) {
    errors.invalid(`${path}.rollingUpdate.maxSurge`, maxSurge, "may not be set when maxUnavailable is non-zero");
  } else if (!some(maxUnavailable) && !some(maxSurge)) {
    errors.required(`${path}.rollingUpdate.maxUnavailable`, "cannot be 0 when maxSurge is 0");
  }
}
