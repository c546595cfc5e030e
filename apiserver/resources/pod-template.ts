/**
 * Pod templates: a Pod's labels, annotations and spec inside the kinds that make Pods.
 */
import type * as models from "@kubernetes/client-node";
import type { PodTemplateSpec } from "../../machinery/objects/kinds.ts";
import type { Stored } from "../../machinery/objects/wire.ts";
import { oneOf } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateAnnotations, validateLabels } from "./object-meta.ts";
import { defaultPodSpec, validatePodSpec } from "./pod-spec.ts";

type PodTemplate = Stored<models.V1PodTemplate>;

export const podTemplateStrategy: Strategy<PodTemplate> = {
  defaults: ({ template }) => defaultPodTemplate(template),
  validate: ({ template }, errors) => validatePodTemplate(template, "template", errors),
  allowUnconditionalUpdate: true,
};

export function defaultPodTemplate(template: PodTemplateSpec | undefined): void {
  if (!template) return;
  template.metadata ??= {};
  template.spec ??= { containers: [] };
  defaultPodSpec(template.spec);
}

export function validatePodTemplate(template: PodTemplateSpec | undefined, path: string, errors: FieldErrors): void {
  const spec = template?.spec ?? { containers: [] };
  validateLabels(template?.metadata?.labels, `${path}.labels`, errors);
  validateAnnotations(template?.metadata?.annotations, `${path}.annotations`, errors);
  validatePodSpec(spec, `${path}.spec`, errors);
  if (spec.ephemeralContainers?.length) {
    errors.forbidden(`${path}.spec.ephemeralContainers`, "ephemeral containers not allowed in pod template");
  }
}

/** Templates of kinds that keep their Pods running. `kind` as the message names it. */
export function validateLastingTemplate(
  template: PodTemplateSpec | undefined,
  kind: string,
  path: string,
  errors: FieldErrors,
): void {
  validatePodTemplate(template, path, errors);
  oneOf(template?.spec?.restartPolicy, ["Always"], `${path}.spec.restartPolicy`, errors);
  if (template?.spec?.activeDeadlineSeconds !== undefined) {
    errors.forbidden(`${path}.spec.activeDeadlineSeconds`, `activeDeadlineSeconds in ${kind} is not Supported`);
  }
}
