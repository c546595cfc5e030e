/**
 * Pod templates: a Pod's labels, annotations and spec inside the kinds that make Pods.
 */
import type * as models from "@kubernetes/client-node";
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { PodTemplateSpec } from "../../machinery/objects/kinds.ts";
import type { Stored } from "../../machinery/objects/wire.ts";
import { oneOf } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateAnnotations, validateLabels } from "./object-meta.ts";
import { type At, child } from "./path.ts";
import { validatePodAnnotations, validateProfilesMatch } from "./pod-annotations.ts";
import { defaultPodSpec, validatePodSpec } from "./pod-spec.ts";
import { templateWarnings } from "./pod-warnings.ts";

type PodTemplate = Stored<models.V1PodTemplate>;

export const podTemplateStrategy: Strategy<PodTemplate> = {
  defaults: ({ template }) => defaultPodTemplate(template),
  validate: ({ template }, errors) => validatePodTemplate(template, "template", errors),
  warnings: ({ template }, old) =>
    old && equalJson(template, old.template) ? [] : templateWarnings(template, "template"),
  allowUnconditionalUpdate: true,
};

export function defaultPodTemplate(template: PodTemplateSpec | undefined): void {
  if (!template) return;
  template.metadata ??= {};
  template.spec ??= { containers: [] };
  defaultPodSpec(template.spec);
}

export function validatePodTemplate(template: PodTemplateSpec | undefined, path: At, errors: FieldErrors): void {
  const spec = template?.spec ?? { containers: [] };
  const { annotations } = template?.metadata ?? {};
  validateTemplateMeta(template, path, errors);
  validatePodSpec(spec, undefined, child(path, "spec"), errors);
  validateProfilesMatch(annotations, spec, child(path, "spec"), errors);
  if (spec.ephemeralContainers?.length) {
    const at = child(child(path, "spec"), "ephemeralContainers");
    errors.forbidden(at, "ephemeral containers not allowed in pod template");
  }
}

/** Labels and annotations: all that a StatefulSet's template is judged by, whose claims become volumes later. */
export function validateTemplateMeta(template: PodTemplateSpec | undefined, path: At, errors: FieldErrors): void {
  const { labels, annotations } = template?.metadata ?? {};
  const spec = template?.spec ?? { containers: [] };
  validateLabels(labels, child(path, "labels"), errors);
  validateAnnotations(annotations, child(path, "annotations"), errors);
  validatePodAnnotations(annotations, spec, child(path, "annotations"), errors);
}

/** Templates of kinds that keep their Pods running. `kind` as the message names it. */
export function validateLastingTemplate(
  template: PodTemplateSpec | undefined,
  kind: string,
  path: At,
  errors: FieldErrors,
): void {
  validatePodTemplate(template, path, errors);
  validateLasting(template, kind, path, errors);
}

export function validateLasting(
  template: PodTemplateSpec | undefined,
  kind: string,
  path: At,
  errors: FieldErrors,
): void {
  const at = child(path, "spec");
  oneOf(template?.spec?.restartPolicy, ["Always"], child(at, "restartPolicy"), errors);
  if (template?.spec?.activeDeadlineSeconds !== undefined) {
    errors.forbidden(child(at, "activeDeadlineSeconds"), `activeDeadlineSeconds in ${kind} is not Supported`);
  }
}
