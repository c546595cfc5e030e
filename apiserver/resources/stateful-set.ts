/**
 * StatefulSet: Pods with lasting names and volumes of their own.
 */

import { percentOf } from "../../machinery/objects/int-or-string.ts";
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { PodTemplateSpec, StatefulSet, Volume } from "../../machinery/objects/kinds.ts";
import { dns1123Label } from "../../machinery/objects/names.ts";
import { atMostWhole, named, notFewerCollisions, notNegative, numberOrPercent, oneOf } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateOwnSelector } from "./label-selector.ts";
import { defaultPodTemplate, validateLastingTemplate } from "./pod-template.ts";
import { templateWarnings } from "./pod-warnings.ts";

type Spec = NonNullable<StatefulSet["spec"]>;

export const statefulSetStrategy: Strategy<StatefulSet> = {
  defaults({ spec }) {
    if (!spec) return;
    spec.podManagementPolicy ||= "OrderedReady";
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ||= "RollingUpdate";
    if (spec.updateStrategy.type === "RollingUpdate") {
      spec.updateStrategy.rollingUpdate ??= {};
      spec.updateStrategy.rollingUpdate.partition ??= 0;
    }
    spec.persistentVolumeClaimRetentionPolicy ??= {};
    spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= "Retain";
    spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= "Retain";
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    for (const claim of spec.volumeClaimTemplates ?? []) {
      claim.apiVersion ??= "v1";
      claim.kind ??= "PersistentVolumeClaim";
      if (claim.spec) claim.spec.volumeMode ??= "Filesystem";
      claim.status ??= { phase: "Pending" };
    }
    defaultPodTemplate(spec.template);
  },

  prepareForCreate(set) {
    set.status = { replicas: 0, availableReplicas: 0 };
  },

  validate({ spec }, errors) {
    if (!spec) {
      errors.required("spec");
      return;
    }
    if (!spec.podManagementPolicy) errors.required("spec.podManagementPolicy");
    else if (!["OrderedReady", "Parallel"].includes(spec.podManagementPolicy)) {
      errors.invalid("spec.podManagementPolicy", spec.podManagementPolicy, "must be 'OrderedReady' or 'Parallel'");
    }
    validateUpdateStrategy(spec, errors);
    for (const field of ["whenDeleted", "whenScaled"] as const) {
      const path = `spec.persistentVolumeClaimRetentionPolicy.${field}`;
      oneOf(spec.persistentVolumeClaimRetentionPolicy?.[field], ["Retain", "Delete"], path, errors);
    }
    for (const field of ["replicas", "minReadySeconds"] as const) notNegative(spec[field], `spec.${field}`, errors);
    notNegative(spec.ordinals?.start, "spec.ordinals.start", errors);
    validateOwnSelector(spec.selector, spec.template?.metadata?.labels, "spec", "statefulset", errors);
    validateLastingTemplate(withClaims(spec), "StatefulSet", "spec.template", errors);
  },

  validateCreate({ spec }, errors) {
    named(spec?.serviceName, dns1123Label, "spec.serviceName", errors);
  },

  validateUpdate({ spec }, old, errors) {
    if (!spec || !old.spec || equalJson(fixed(spec), fixed(old.spec))) return;
    errors.forbidden(
      "spec",
      "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    );
  },

  validateStatusUpdate({ status }, old, errors) {
    for (const field of COUNTS) notNegative(status?.[field], `status.${field}`, errors);
    const { replicas = 0, readyReplicas = 0 } = status ?? {};
    for (const field of ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"] as const) {
      const count = status?.[field] ?? 0;
      if (count > replicas) errors.invalid(`status.${field}`, count, "cannot be greater than status.replicas");
    }
    const { availableReplicas = 0 } = status ?? {};
    if (availableReplicas > readyReplicas) {
      errors.invalid("status.availableReplicas", availableReplicas, "cannot be greater than status.readyReplicas");
    }
    notFewerCollisions(status?.collisionCount, old.status?.collisionCount, errors);
  },

  warnings({ metadata, spec }, old) {
    const unchanged = old && metadata.generation === old.metadata.generation;
    const warnings = unchanged ? [] : templateWarnings(spec?.template, "spec.template");
    const limit = spec?.revisionHistoryLimit;
    if (limit !== undefined && limit < 0) {
      warnings.push(
        "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended",
      );
    }
    return warnings;
  },
  allowUnconditionalUpdate: true,
};

const COUNTS = [
  "replicas",
  "readyReplicas",
  "currentReplicas",
  "updatedReplicas",
  "availableReplicas",
  "observedGeneration",
  "collisionCount",
] as const;

function validateUpdateStrategy({ updateStrategy }: Spec, errors: FieldErrors): void {
  const path = "spec.updateStrategy";
  const { type, rollingUpdate } = updateStrategy ?? {};
  if (!type) errors.required(path);
  else if (type === "OnDelete") {
    if (rollingUpdate) {
      errors.invalid(`${path}.rollingUpdate`, rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'");
    }
  } else if (type !== "RollingUpdate") {
    errors.invalid(path, updateStrategy, "must be 'RollingUpdate' or 'OnDelete'");
  } else if (rollingUpdate) {
    const { partition, maxUnavailable } = rollingUpdate;
    const at = `${path}.rollingUpdate.maxUnavailable`;
    notNegative(partition, `${path}.rollingUpdate.partition`, errors);
    if (maxUnavailable === undefined) return;
    numberOrPercent(maxUnavailable, at, errors);
    if ((percentOf(maxUnavailable) ?? maxUnavailable) === 0) errors.invalid(at, maxUnavailable, "cannot be 0");
    atMostWhole(maxUnavailable, at, errors);
  }
}

/** Each claim becomes a volume of its name in every Pod, which containers may mount. */
function withClaims({ template, volumeClaimTemplates: claims }: Spec): PodTemplateSpec | undefined {
  if (!claims?.length || !template?.spec) return template;
  const own = (template.spec.volumes ?? []).filter(
    ({ name }) => !claims.some(({ metadata }) => metadata?.name === name),
  );
  const made = claims.map(({ metadata }): Volume => {
    const name = metadata?.name ?? "";
    return { name, persistentVolumeClaim: { claimName: name } };
  });
  return { ...template, spec: { ...template.spec, volumes: [...own, ...made] } };
}

/** What an update must leave as it is. */
function fixed({ podManagementPolicy, selector, serviceName, volumeClaimTemplates }: Spec): unknown {
  return [podManagementPolicy, selector, serviceName ?? "", volumeClaimTemplates ?? []];
}
