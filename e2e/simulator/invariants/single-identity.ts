/**
 * Single identity: of a StatefulSet's ordinal at most one runs, wherever the machines and whatever the API says.
 */
import { controllerOf } from "../../../machinery/objects/owners.ts";
import type { Invariant } from "./invariants.ts";

export function singleIdentity(): Invariant {
  return {
    onStart(started, all) {
      const { namespace, name } = started.pod.metadata;
      if (controllerOf(started.pod)?.kind !== "StatefulSet") return undefined;
      for (const other of all) {
        const same = other.pod.metadata.name === name && other.pod.metadata.namespace === namespace;
        if (other !== started && same) return `two of ${name} run: on ${other.node} and ${started.node}`;
      }
      return undefined;
    },
  };
}
