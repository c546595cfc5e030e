/**
 * DaemonSet: one Pod on every node that fits.
 */
import { percentOf } from "../../machinery/objects/int-or-string.ts";
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { DaemonSet } from "../../machinery/objects/kinds.ts";
import { atMostWhole, notFewerCollisions, notNegative, numberOrPercent, unchanged } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateOwnSelector } from "./label-selector.ts";
import { defaultPodTemplate, validateLastingTemplate } from "./pod-template.ts";
import { templateWarnings } from "./pod-warnings.ts";

/** Where older API versions kept the count of the template's changes; clients still find it there. */
const TEMPLATE_GENERATION = "deprecated.daemonset.template.generation";

const COUNTS = [
  "currentNumberScheduled",
  "numberMisscheduled",
  "desiredNumberScheduled",
  "numberReady",
  "observedGeneration",
  "updatedNumberScheduled",
  "numberAvailable",
  "numberUnavailable",
  "collisionCount",
] as const;

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
    set.metadata.annotations = { ...set.metadata.annotations, [TEMPLATE_GENERATION]: "1" };
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

  prepareForUpdate(set, old) {
    const before = Number(old.metadata.annotations?.[TEMPLATE_GENERATION] ?? 0);
    const next = before + (equalJson(set.spec?.template, old.spec?.template) ? 0 : 1);
    if (next === 0) delete set.metadata.annotations?.[TEMPLATE_GENERATION];
    else set.metadata.annotations = { ...set.metadata.annotations, [TEMPLATE_GENERATION]: String(next) };
  },

  validateUpdate({ spec }, old, errors) {
    unchanged(spec?.selector, old.spec?.selector, "spec.selector", errors);
  },

  validateStatusUpdate({ status }, old, errors) {
    for (const field of COUNTS) notNegative(status?.[field], `status.${field}`, errors);
    notFewerCollisions(status?.collisionCount, old.status?.collisionCount, errors);
  },

  warnings: ({ metadata, spec }, old) =>
    old && metadata.generation === old.metadata.generation ? [] : templateWarnings(spec?.template, "spec.template"),
  allowUnconditionalUpdate: true,
};

type UpdateStrategy = NonNullable<NonNullable<DaemonSet["spec"]>["updateStrategy"]>;

function validateUpdateStrategy({ type, rollingUpdate }: UpdateStrategy, errors: FieldErrors): void {
  const path = "spec.updateStrategy";
  if (type === "OnDelete") return;
  if (type !== "RollingUpdate") {
    errors.notSupported(path, { Type: type, RollingUpdate: rollingUpdate ?? null }, ["RollingUpdate", "OnDelete"]);
    return;
  }
  if (!rollingUpdate) {
    errors.required(`${path}.rollingUpdate`);
    return;
  }
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate;
  const at = `${path}.rollingUpdate`;
  numberOrPercent(maxUnavailable, `${at}.maxUnavailable`, errors);
  numberOrPercent(maxSurge, `${at}.maxSurge`, errors);
  atMostWhole(maxUnavailable, `${at}.maxUnavailable`, errors);
  atMostWhole(maxSurge, `${at}.maxSurge`, errors);
  const some = (value: number | string): boolean => (percentOf(value) ?? value) !== 0;
  if (some(maxUnavailable) && some(maxSurge)) {
    errors.invalid(`${at}.maxSurge`, maxSurge, "may not be set when maxUnavailable is non-zero");
  } else if (!some(maxUnavailable) && !some(maxSurge)) {
    errors.required(`${at}.maxUnavailable`, "cannot be 0 when maxSurge is 0");
  }
}
