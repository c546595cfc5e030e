/**
 * Ephemeral containers: added to a running Pod to look into it, through a subresource of their own.
 *
 * They are never changed or taken away again. Starting them is the kubelet's.
 */
import { cloneJson, equalJson } from "../../machinery/objects/json-value.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { changes } from "./changes.ts";
import type { Part } from "./contract.ts";
import { MIRROR } from "./pod-annotations.ts";

const PATH = "spec.ephemeralContainers";

export const ephemeralContainers: Part<Pod> = {
  prepareForUpdate(pod, old) {
    const added = pod.spec?.ephemeralContainers;
    const { ephemeralContainers: _old, ...spec } = cloneJson(old.spec!);
    pod.spec = added?.length ? { ...spec, ephemeralContainers: added } : spec;
  },

  validateUpdate(pod, old, errors) {
    if (old.metadata.annotations?.[MIRROR] !== undefined) {
      errors.clear();
      errors.forbidden("", "static pods do not support ephemeral containers");
      return;
    }
    const next = new Map((pod.spec?.ephemeralContainers ?? []).map((one) => [one.name, one]));
    for (const before of old.spec?.ephemeralContainers ?? []) {
      const name = JSON.stringify(before.name);
      const now = next.get(before.name);
      if (!now) errors.forbidden(PATH, `existing ephemeral containers ${name} may not be removed\n`);
      else if (!equalJson(now, before)) {
        const difference = changes(before, now, before.name).join("\n");
        errors.forbidden(PATH, `existing ephemeral containers ${name} may not be changed\n${difference}`);
      }
    }
  },
};
