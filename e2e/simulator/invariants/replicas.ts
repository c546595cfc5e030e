/**
 * Replicas: a ReplicaSet never has more Pods than were lately asked of it, however late its cache is.
 */
import type { ReplicaSet } from "../../../machinery/objects/kinds.ts";
import { controllerOf } from "../../../machinery/objects/owners.ts";
import type { Invariant } from "./invariants.ts";
import { createRecent, type Recent } from "./recent.ts";
import { counts } from "./well.ts";

export function replicas(): Invariant {
  const wanted = new Map<string, Recent>();
  return {
    onWrite({ resource, before, after, at }, objects) {
      if (resource === "replicasets" && after) {
        const set = after as ReplicaSet;
        const recent = wanted.get(set.metadata.uid) ?? createRecent();
        wanted.set(set.metadata.uid, recent);
        recent.note(set.spec?.replicas ?? 1, at);
      }
      if (resource !== "pods" || !after || before) return undefined;
      const owner = controllerOf(after);
      const recent = owner?.kind === "ReplicaSet" ? wanted.get(owner.uid) : undefined;
      if (!owner || !recent) return undefined;
      const active = objects.podsOf(owner.uid).filter(counts);
      const most = recent.most(at);
      if (active.length <= most) return undefined;
      return `ReplicaSet ${owner.name} has ${active.length} Pods, lately ${most} were asked for at most`;
    },
  };
}
