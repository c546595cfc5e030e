/**
 * Restart policies of single containers, and the rules by exit code that stand before them.
 *
 * An init container with restartPolicy Always is a sidecar: it runs beside the others, and has no rules.
 */
import type * as models from "@kubernetes/client-node";
import type { Container } from "../../machinery/objects/kinds.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { oneOf, requireOneOf } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { type At, child, item } from "./path.ts";

type Rule = Wire<models.V1ContainerRestartRule>;

const POLICIES: readonly string[] = ["Always", "Never", "OnFailure"];
const RULES = 20;
const EXIT_CODES = 255;

/** `path` is the container's. */
export function validateRestart(container: Container, isInit: boolean, path: At, errors: FieldErrors): void {
  const { restartPolicy: policy, restartPolicyRules: rules } = container;
  if (policy === undefined && rules === undefined) return;
  oneOf(policy, POLICIES, child(path, "restartPolicy"), errors);
  if (!rules?.length) return;
  const at = child(path, "restartPolicyRules");
  if (policy === undefined) {
    errors.required(child(path, "restartPolicy"), "must specify restartPolicy when restart rules are used");
  } else if (isInit && policy === "Always") {
    errors.forbidden(at, "restartPolicyRules are not allowed for init containers with restartPolicy=Always");
  }
  if (rules.length > RULES) errors.tooMany(at, rules.length, RULES);
  for (const [index, rule] of rules.entries()) validateRule(rule, item(at, index), errors);
}

function validateRule({ action, exitCodes }: Rule, path: At, errors: FieldErrors): void {
  requireOneOf(action, ["Restart"], child(path, "action"), errors);
  const at = child(path, "exitCodes");
  if (!exitCodes) {
    errors.required(at, "must be specified");
    return;
  }
  requireOneOf(exitCodes.operator, ["In", "NotIn"], child(at, "operator"), errors);
  const count = exitCodes.values?.length ?? 0;
  if (count > EXIT_CODES) errors.tooMany(child(at, "values"), count, EXIT_CODES);
}
