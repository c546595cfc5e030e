/**
 * Ordinals: a rollout of a StatefulSet takes no available Pod beyond maxUnavailable and none below its partition,
 * and in order none while a lower one is missing.
 */
import type { Pod, StatefulSet } from "../../../machinery/objects/kinds.ts";
import { controllerOf } from "../../../machinery/objects/owners.ts";
import { resolveIntOrPercent } from "./int-or-percent.ts";
import type { Circumstances, Invariant } from "./invariants.ts";
import { createRecent, RECENT_MS, type Recent } from "./recent.ts";
import { counts, isAvailable, wasTaken } from "./well.ts";

const TAKERS = new Set(["statefulset-controller"]);

const ordinalOf = ({ metadata }: Pod): number => Number(metadata.name.slice(metadata.name.lastIndexOf("-") + 1));

export function ordinals({ clockOff }: Circumstances): Invariant {
  /** Uid ► sizes and partitions of late: a view may be old. */
  const sizes = new Map<string, { readonly size: Recent; readonly partition: Recent; readonly allowed: Recent }>();
  /** When others last took Pods of a set: a view may be older than that. */
  const takenAt = new Map<string, number>();
  return {
    onWrite(write, objects) {
      const { resource, at } = write;
      if (resource === "statefulsets" && write.after) {
        const { metadata, spec } = write.after as StatefulSet;
        const known = sizes.get(metadata.uid) ?? {
          size: createRecent(),
          partition: createRecent(),
          allowed: createRecent(),
        };
        sizes.set(metadata.uid, known);
        const { partition = 0, maxUnavailable = 1 } = spec?.updateStrategy?.rollingUpdate ?? {};
        known.size.note(spec?.replicas ?? 1, at);
        known.partition.note(partition, at);
        known.allowed.note(Math.max(1, resolveIntOrPercent(maxUnavailable, spec?.replicas ?? 1, Math.floor)), at);
        return undefined;
      }
      if (resource !== "pods") return undefined;
      const before = write.before as Pod | undefined;
      const after = write.after as Pod | undefined;
      if (!before) return undefined;
      const owner = controllerOf(before);
      const set = owner && (objects.byUid(owner.uid) as StatefulSet | undefined);
      const known = owner && sizes.get(owner.uid);
      if (!set || !known) return undefined;
      if (wasTaken(write, TAKERS)) takenAt.set(set.metadata.uid, at);
      if (at - (takenAt.get(set.metadata.uid) ?? Number.NEGATIVE_INFINITY) < RECENT_MS) return undefined;
      if (!TAKERS.has(write.cause.controller ?? "") || !counts(before) || (after && counts(after))) return undefined;
      const { minReadySeconds = 0, ordinals: { start = 0 } = {} } = set.spec ?? {};
      const up = (pod: Pod) => isAvailable(pod, minReadySeconds, at);
      const place = ordinalOf(before) - start;
      const isSurplus = place >= known.size.least(at) || place < 0;
      if (isSurplus || !up(before) || (minReadySeconds > 0 && clockOff())) return undefined;
      const { name } = set.metadata;
      if (place < known.partition.least(at))
        return `StatefulSet ${name} takes ${before.metadata.name}, below its partition`;
      const size = known.size.least(at);
      // below the partition the rollout cannot mend anything: what is not available there holds up nobody
      const first = Math.min(size, known.partition.most(at));
      const rolls = (pod: Pod) => ordinalOf(pod) - start >= first && ordinalOf(pod) - start < size;
      const down = size - first - objects.podsOf(set.metadata.uid).filter((pod) => rolls(pod) && up(pod)).length;
      const most = known.allowed.most(at);
      if (down <= most) return undefined;
      return `StatefulSet ${name} takes ${before.metadata.name}: ${down} are not available, ${most} may`;
    },
  };
}
