/**
 * ControllerRevision: a former template of a StatefulSet or DaemonSet. What it keeps never changes.
 */

import { isBigInteger } from "../../machinery/objects/json.ts";
import type { ControllerRevision } from "../../machinery/objects/kinds.ts";
import { NOT_NEGATIVE, required, unchanged } from "./checks.ts";
import type { Strategy } from "./contract.ts";

export const controllerRevisionStrategy: Strategy<ControllerRevision> = {
  validate({ data, revision }, errors) {
    required(data, "data", errors, "data is mandatory");
    // A count of 64 bits, which a double may not hold.
    const isNegative = isBigInteger(revision) ? revision.rawJSON.startsWith("-") : revision < 0;
    if (isNegative) errors.invalid("revision", revision, NOT_NEGATIVE);
  },
  validateUpdate({ data }, old, errors) {
    unchanged(data, old.data, "data", errors);
  },
  allowUnconditionalUpdate: true,
};
