/**
 * Namespace: goes only when the namespace controller has emptied it and taken its finalizer away.
 */
import type { Namespace } from "../../machinery/objects/kinds.ts";
import { qualifiedName } from "../../machinery/objects/names.ts";
import type { Strategy } from "./contract.ts";
import { each } from "./object-meta.ts";

const NAME_LABEL = "kubernetes.io/metadata.name";
const FINALIZER = "kubernetes";
const STANDARD: ReadonlySet<string> = new Set([FINALIZER, "orphan", "foregroundDeletion"]);

export const namespaceStrategy: Strategy<Namespace> = {
  defaults({ metadata }) {
    if (!metadata.name) return;
    metadata.labels ??= {};
    metadata.labels[NAME_LABEL] = metadata.name;
  },

  prepareForCreate(namespace) {
    namespace.status = { phase: "Active" };
    const finalizers = namespace.spec?.finalizers ?? [];
    namespace.spec = { finalizers: finalizers.includes(FINALIZER) ? finalizers : [...finalizers, FINALIZER] };
  },

  prepareForUpdate(namespace, old) {
    namespace.spec = { ...old.spec, ...(old.spec?.finalizers && { finalizers: [...old.spec.finalizers] }) };
  },

  validate({ spec }, errors) {
    for (const finalizer of spec?.finalizers ?? []) {
      const path = "spec.finalizers";
      each(qualifiedName(finalizer), path, finalizer, errors);
      if (!finalizer.includes("/") && !STANDARD.has(finalizer)) {
        errors.invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified");
      }
    }
  },

  validateStatusUpdate({ metadata, status }, _old, errors) {
    if (!metadata.deletionTimestamp && status?.phase !== "Active") {
      errors.invalid("status.Phase", status?.phase, "may only be 'Active' if `deletionTimestamp` is empty");
    } else if (metadata.deletionTimestamp && status?.phase !== "Terminating") {
      errors.invalid("status.Phase", status?.phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
    }
  },

  selectableFields: ({ status }) => ({ "status.phase": status?.phase ?? "" }),
  holds: ({ spec }) => (spec?.finalizers?.length ?? 0) > 0,
  markDeleted(namespace) {
    namespace.status = { ...namespace.status, phase: "Terminating" };
  },
  allowUnconditionalUpdate: true,
};
