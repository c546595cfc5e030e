/**
 * Lease: who holds what until when: leadership, and that a node is alive.
 *
 * Renewals are many and worth little once the next has come, so they may reach the disk late.
 */
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { Lease } from "../../machinery/objects/kinds.ts";
import { notNegative } from "./checks.ts";
import type { Strategy } from "./contract.ts";

export const leaseStrategy: Strategy<Lease> = {
  validate({ spec = {} }, errors) {
    const { leaseDurationSeconds, leaseTransitions } = spec;
    if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0) {
      errors.invalid("spec.leaseDurationSeconds", leaseDurationSeconds, "must be greater than 0");
    }
    notNegative(leaseTransitions, "spec.leaseTransitions", errors);
    if (spec.preferredHolder && !spec.strategy)
      errors.forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined");
  },

  deferrable: (lease, old) => equalJson(withoutRenewal(lease), withoutRenewal(old)),
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
};

function withoutRenewal({ metadata, spec }: Lease): unknown {
  const { resourceVersion: _version, managedFields: _managed, ...meta } = metadata;
  const { renewTime: _renewed, ...rest } = spec ?? {};
  return { meta, rest };
}
