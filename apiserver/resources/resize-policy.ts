/**
 * Resize policies: whether a container restarts when its cpu or memory is changed in place.
 */
import type * as models from "@kubernetes/client-node";
import type { Wire } from "../../machinery/objects/wire.ts";
import { requireOneOf } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { type At, item } from "./path.ts";

type Policy = Wire<models.V1ContainerResizePolicy>;

const RESOURCES: readonly string[] = ["cpu", "memory"];
const ACTIONS: readonly string[] = ["NotRequired", "RestartContainer"];

export function validateResizePolicy(
  policies: readonly Policy[],
  podRestartPolicy: string | undefined,
  path: At,
  errors: FieldErrors,
): void {
  const seen = new Set<string>();
  for (const [index, { resourceName, restartPolicy }] of policies.entries()) {
    if (seen.has(resourceName)) errors.duplicate(item(path, index), resourceName);
    seen.add(resourceName);
    requireOneOf(resourceName, RESOURCES, path, errors);
    requireOneOf(restartPolicy, ACTIONS, path, errors);
    if (podRestartPolicy === "Never" && restartPolicy !== "NotRequired") {
      errors.invalid(path, restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'");
    }
  }
}
