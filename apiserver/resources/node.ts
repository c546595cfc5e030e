/**
 * Node: registered and reported on by its kubelet, tainted by the node lifecycle controller.
 */
import { cidr, parseCidr } from "../../machinery/objects/ip.ts";
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { Node, Taint } from "../../machinery/objects/kinds.ts";
import { validateAmount } from "./compute-resources.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import { child, item } from "./path.ts";
import { validateTaints } from "./tolerations.ts";

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

  validate({ spec = {}, status, metadata }, errors) {
    // Kubernetes names the taints as if they stood in the metadata, where they once did.
    if (spec.taints) validateTaints(spec.taints, "metadata.taints", errors);
    validateOldTaints(metadata.annotations?.[OLD_TAINTS], errors);
    validateSizes(status, errors);
    if (spec.podCIDRs) validateBlocks(spec.podCIDRs, errors);
  },

  validateUpdate({ spec = {}, status }, { spec: old = {} }, errors) {
    validateAddresses(status, errors);
    if (old.podCIDRs?.length && !equalJson(spec.podCIDRs, old.podCIDRs)) {
      errors.forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid');
    }
    if (old.providerID && spec.providerID !== old.providerID) {
      errors.forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid');
    }
    if (spec.externalID !== old.externalID) errors.forbidden("spec.externalID", "may not be updated");
  },

  validateStatusUpdate({ status }, _old, errors) {
    validateSizes(status, errors);
    validateAddresses(status, errors);
  },

  warnings({ metadata, spec }) {
    const warnings: string[] = [];
    if (spec?.configSource) {
      warnings.push("spec.configSource: the feature is no longer supported");
    }
    if (spec?.externalID) {
      warnings.push("spec.externalID: this field is deprecated, and is unused by Kubernetes");
    }
    if (metadata.annotations?.[AVOID_PODS] !== undefined) {
      warnings.push(
        `metadata.annotations[${AVOID_PODS}]: deprecated, and non-functional in v1.23+; use tainting instead`,
      );
    }
    return warnings;
  },

  selectableFields: ({ spec }) => ({ "spec.unschedulable": String(spec?.unschedulable ?? false) }),
  allowUnconditionalUpdate: true,
};

const OLD_TAINTS = "scheduler.alpha.kubernetes.io/taints";
const AVOID_PODS = "scheduler.alpha.kubernetes.io/preferAvoidPods";

function validateOldTaints(text: string | undefined, errors: FieldErrors): void {
  if (!text) return;
  try {
    validateTaints(JSON.parse(text) as Taint[], `metadata.annotations.${OLD_TAINTS}`, errors);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    errors.invalid("metadata.annotations", OLD_TAINTS, error.message);
  }
}

type Status = NonNullable<Node["status"]>;

function validateSizes(status: Status | undefined, errors: FieldErrors): void {
  for (const field of ["capacity", "allocatable"] as const) {
    const amounts = status?.[field];
    for (const name in amounts) validateAmount(name, amounts[name]!, child(child("status", field), name), errors);
  }
}

function validateAddresses(status: Status | undefined, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [index, address] of (status?.addresses ?? []).entries()) {
    const key = `${address.type} ${address.address}`;
    if (seen.has(key)) errors.duplicate(item("status.addresses", index), address);
    seen.add(key);
  }
}

/** One block of each family at most. */
function validateBlocks(blocks: readonly string[], errors: FieldErrors): void {
  const path = "spec.podCIDRs";
  for (const [index, block] of blocks.entries()) each(cidr(block), item(path, index), block, errors);
  if (blocks.length < 2) return;
  const families = new Set(blocks.map((block) => parseCidr(block)?.family));
  if (families.size !== 2 || blocks.length > 2) {
    errors.invalid(path, blocks, "may specify no more than one CIDR for each IP family");
  }
  for (const [index, block] of blocks.entries()) {
    if (blocks.indexOf(block) < index) errors.duplicate(item(path, index), block);
  }
}
