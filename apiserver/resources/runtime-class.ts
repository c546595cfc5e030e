/**
 * RuntimeClass: by which handler of the runtime a Pod's containers run, and what that costs.
 */
import type * as models from "@kubernetes/client-node";
import { dns1123Label } from "../../machinery/objects/names.ts";
import type { Stored } from "../../machinery/objects/wire.ts";
import { quantityNotNegative, required, unchanged } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import { each, validateLabels } from "./object-meta.ts";

type RuntimeClass = Stored<models.V1RuntimeClass>;

export const runtimeClassStrategy: Strategy<RuntimeClass> = {
  validate({ handler, overhead, scheduling }, errors) {
    if (required(handler, "handler", errors)) each(dns1123Label(handler), "handler", handler, errors);
    const fixed = overhead?.podFixed ?? {};
    for (const name in fixed) quantityNotNegative(fixed[name], `overhead.podFixed[${name}]`, errors);
    validateLabels(scheduling?.nodeSelector, "scheduling.nodeSelector", errors);
    const seen = new Set<string>();
    for (const [index, toleration] of (scheduling?.tolerations ?? []).entries()) {
      const shown = JSON.stringify(toleration, Object.keys(toleration).sort());
      if (seen.has(shown)) errors.duplicate(`scheduling.tolerations[${index}]`, toleration);
      seen.add(shown);
    }
  },
  validateUpdate({ handler }, old, errors) {
    unchanged(handler, old.handler, "handler", errors);
  },
  allowUnconditionalUpdate: true,
};
