/**
 * Node: registered and reported on by its kubelet, tainted by the node lifecycle controller.
 */
import { isDeepStrictEqual } from "node:util";
import { cidr } from "../../machinery/objects/ip.ts";
import type { Node } from "../../machinery/objects/kinds.ts";
import { labelValue, qualifiedName } from "../../machinery/objects/names.ts";
import { quantityNotNegative, requireOneOf } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";

type Spec = NonNullable<Node["spec"]>;

export const nodeStrategy: Strategy<Node> = {
  defaults(node) {
    node.spec ??= {};
    const { spec, status } = node;
    if (spec.podCIDR && !spec.podCIDRs) spec.podCIDRs = [spec.podCIDR];
    if (spec.podCIDRs?.[0] && !spec.podCIDR) spec.podCIDR = spec.podCIDRs[0];
    // What a node does not keep for the system is for Pods.
    if (status?.capacity && !status.allocatable) status.allocatable = { ...status.capacity };
  },

  /** A kubelet registers its node with the status that it has. */
  prepareForCreate(node) {
    node.status ??= {};
  },

  validate({ spec = {}, status }, errors) {
    validateTaints(spec, errors);
    for (const [index, block] of (spec.podCIDRs ?? []).entries()) {
      each(cidr(block), `spec.podCIDRs[${index}]`, block, errors);
    }
    for (const field of ["capacity", "allocatable"] as const) {
      const amounts = status?.[field] ?? {};
      for (const name in amounts) quantityNotNegative(amounts[name], `status.${field}[${name}]`, errors);
    }
  },

  validateUpdate({ spec = {} }, { spec: old = {} }, errors) {
    if (old.podCIDRs?.length && !isDeepStrictEqual(spec.podCIDRs, old.podCIDRs)) {
      errors.forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid');
    }
    if (old.providerID && spec.providerID !== old.providerID) {
      errors.forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid');
    }
  },

  selectableFields: ({ spec }) => ({ "spec.unschedulable": String(spec?.unschedulable ?? false) }),
  allowUnconditionalUpdate: true,
};

function validateTaints({ taints }: Spec, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [index, taint] of (taints ?? []).entries()) {
    const path = `spec.taints[${index}]`;
    each(qualifiedName(taint.key), `${path}.key`, taint.key, errors);
    each(labelValue(taint.value ?? ""), `${path}.value`, taint.value, errors);
    requireOneOf(taint.effect, ["NoSchedule", "PreferNoSchedule", "NoExecute"], `${path}.effect`, errors);
    const key = `${taint.key}:${taint.effect}`;
    if (seen.has(key)) errors.duplicate(path, taint);
    seen.add(key);
  }
}
