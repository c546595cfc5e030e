/**
 * StatefulSet: Pods with lasting names and volumes of their own.
 */

import { isDeepStrictEqual } from "node:util";
import type { StatefulSet } from "../../machinery/objects/kinds.ts";
import { notNegative, oneOf } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import { validateOwnSelector } from "./label-selector.ts";
import { defaultPodTemplate, validateLastingTemplate } from "./pod-template.ts";
import { podWarnings } from "./pod-warnings.ts";

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
    const type = spec.updateStrategy?.type;
    if (!type) errors.required("spec.updateStrategy");
    else if (!["OnDelete", "RollingUpdate"].includes(type)) {
      errors.invalid("spec.updateStrategy", spec.updateStrategy, "must be 'RollingUpdate' or 'OnDelete'");
    }
    const { partition } = spec.updateStrategy?.rollingUpdate ?? {};
    notNegative(partition, "spec.updateStrategy.rollingUpdate.partition", errors);
    for (const field of ["replicas", "minReadySeconds", "revisionHistoryLimit"] as const) {
      notNegative(spec[field], `spec.${field}`, errors);
    }
    notNegative(spec.ordinals?.start, "spec.ordinals.start", errors);
    for (const field of ["whenDeleted", "whenScaled"] as const) {
      const path = `spec.persistentVolumeClaimRetentionPolicy.${field}`;
      oneOf(spec.persistentVolumeClaimRetentionPolicy?.[field], ["Delete", "Retain"], path, errors);
    }
    validateOwnSelector(spec.selector, spec.template?.metadata?.labels, "spec", "statefulset", errors);
    validateLastingTemplate(spec.template, "StatefulSet", "spec.template", errors);
  },

  validateUpdate({ spec }, old, errors) {
    if (!spec || !old.spec || isDeepStrictEqual(fixed(spec), fixed(old.spec))) return;
    errors.forbidden(
      "spec",
      "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    );
  },

  warnings: ({ spec }) => podWarnings(spec?.template?.spec, "spec.template.spec"),
  allowUnconditionalUpdate: true,
};

/** What an update must leave as it is. */
function fixed({ podManagementPolicy, selector, serviceName, volumeClaimTemplates }: Spec): unknown {
  return [podManagementPolicy, selector, serviceName ?? "", volumeClaimTemplates ?? []];
}
