/**
 * Scheduler algorithm: what deciding alone costs: no API, no queue, no writes, each Pod assumed where it goes.
 */

import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Draft } from "../../machinery/objects/wire.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { decide } from "../../scheduler/decide.ts";
import { defaultProfile } from "../../scheduler/plugins/plugins.ts";
import { podInfo } from "../../scheduler/pod-info.ts";
import { cluster, sampleHandle } from "../../scheduler/sample-cluster.ts";
import { createSnapshot } from "../../scheduler/snapshot.ts";
import { createVerdictMemo } from "../../scheduler/verdict-memo.ts";
import { HIGH_PRIORITY, volumesOf, type Workload } from "./scheduler-workloads.ts";

export interface AlgorithmTimes {
  readonly placed: number;
  readonly seconds: number;
  /** Milliseconds of each Pod. */
  readonly latencies: readonly number[];
}

export function runAlgorithm(workload: Workload): AlgorithmTimes {
  const { listers } = cluster([], [], othersOf(workload));
  const snapshot = createSnapshot(listers);
  const where = snapshot.cluster;
  const { nominations } = snapshot;
  const profile = defaultProfile({ ...sampleHandle(where), nominations, clock: fakeClock() });
  for (let n = 0; n < workload.nodes; n++) snapshot.setNode(stored(workload.node(n)));
  for (let n = 0; n < workload.placed; n++)
    snapshot.setPod(stored(workload.placedPod(n)), workload.node(n % workload.nodes).metadata.name ?? "");
  const pods = Array.from({ length: workload.measured }, (_, n) =>
    withPriority(stored(workload.measuredPod(n)), workload),
  );
  const search = { random: () => clock.random(), nominations, start: 0, memo: createVerdictMemo() };
  const latencies: number[] = [];
  let placed = 0;
  const begin = clock.monotonic();
  for (const pod of pods) {
    const from = clock.monotonic();
    const info = podInfo(pod);
    let decision = decide(info, where, profile, search);
    search.start = (search.start + decision.asked.length) % decision.nodes;
    if (!decision.node && workload.preempts) {
      for (const plugin of profile.postFiltering) {
        const nominated = plugin.postFilter?.({
          pod: info,
          cluster: where,
          decision,
          filters: decision.filters,
        })?.nominated;
        if (!nominated) continue;
        for (const victim of [...(where.node(nominated)?.pods.values() ?? [])].slice(0, 3))
          if (victim.priority < HIGH_PRIORITY) snapshot.removePod(victim.pod.metadata.uid);
        decision = decide(info, where, profile, { ...search, only: nominated });
      }
    }
    if (decision.node) {
      snapshot.assume(info, decision.node.name);
      placed++;
    }
    latencies.push(clock.monotonic() - from);
  }
  return { placed, seconds: (clock.monotonic() - begin) / 1000, latencies };
}

const stored = <T extends { readonly metadata: { readonly name?: string } }>(draft: T): never =>
  ({
    ...draft,
    metadata: {
      ...draft.metadata,
      uid: draft.metadata.name,
      resourceVersion: "1",
      creationTimestamp: "",
      generation: 1,
    },
  }) as never;

/** What admission would do. */
const withPriority = (pod: Pod, { preempts }: Workload): Pod =>
  preempts ? { ...pod, spec: { ...(pod.spec as NonNullable<Pod["spec"]>), priority: HIGH_PRIORITY } } : pod;

function othersOf({ measured, volumes, service }: Workload) {
  const all = volumes ? Array.from({ length: measured }, (_, n) => volumesOf(n)) : [];
  const named = (draft: Draft<Pod> | object) => draft as never;
  return {
    persistentvolumeclaims: all.map(({ claim }) => named({ ...claim, status: { phase: "Bound" } })),
    persistentvolumes: all.map(({ volume }) => named(volume)),
    services: service
      ? [named({ metadata: { name: "bench", namespace: "bench" }, spec: { selector: { app: "bench" } } })]
      : [],
  };
}
