/**
 * ControllerRevision: a former template of a StatefulSet or DaemonSet. What it keeps never changes.
 */
import type { ControllerRevision } from "../../machinery/objects/kinds.ts";
import { notNegative, required, unchanged } from "./checks.ts";
import type { Strategy } from "./contract.ts";

export const controllerRevisionStrategy: Strategy<ControllerRevision> = {
  validate({ data, revision }, errors) {
    required(data, "data", errors, "data is mandatory");
    notNegative(revision, "revision", errors);
  },
  validateUpdate({ data }, old, errors) {
    unchanged(data, old.data, "data", errors);
  },
  allowUnconditionalUpdate: true,
};
