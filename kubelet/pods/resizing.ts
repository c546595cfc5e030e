/**
 * Resizing: the sizes that one Pod's containers and cgroup have, and how a resize is carried out. One a worker.
 *
 * A run has the size with which it was started, until an update of it succeeded; what an earlier kubelet
 * did is read from the status. Memory is never taken away from what uses it: that fails, and is tried again.
 * What is to be done: resize-plan.ts.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { unitValue } from "../../machinery/objects/quantity.ts";
import { compare, type Requirements, statusOf, withAllocation } from "./allocation.ts";
import { StartFailure } from "./failures.ts";
import type { Resize, Sizes } from "./resize-plan.ts";
import { containerResources, type PodLimits, podLimits } from "./resources.ts";
import type { ContainerRecord } from "./runtime-state.ts";
import type { PodServices } from "./services.ts";

export interface Resizing {
  /** The sizes in place; `granted` stands in for what nobody told. */
  sizes(granted: Pod): Sizes;
  /** A run begins with this size. */
  started(name: string, attempt: number, size: Requirements): void;
  /** The Pod's cgroup was made anew. */
  made(granted: Pod): void;
  carryOut(granted: Pod, resize: Resize): Promise<void>;
}

export function createResizing(services: PodServices): Resizing {
  const { cri, cgroups } = services;
  const runs = new Map<string, Requirements>();
  let podSize: PodLimits | undefined;
  let whole: Requirements | undefined;

  const keyOf = ({ name, attempt }: Pick<ContainerRecord, "name" | "attempt">) => `${name}#${attempt}`;

  function sizeOf(granted: Pod, record: ContainerRecord): Requirements {
    const known = runs.get(keyOf(record));
    if (known) return known;
    const told = statusOf(granted, record.name);
    const same = told?.state?.running && told.containerID?.endsWith(record.id);
    return (same ? told?.resources : undefined) ?? specOf(granted, record.name) ?? {};
  }

  /** Before this kubelet's own first write: what the status says of all containers together. */
  function toldPodSize(granted: Pod): PodLimits {
    const told = [...(granted.status?.containerStatuses ?? []), ...(granted.status?.initContainerStatuses ?? [])];
    const containers = new Map(told.flatMap(({ name, resources }) => (resources ? [[name, resources] as const] : [])));
    return podLimits(
      withAllocation(granted, { pod: granted.status?.resources ?? granted.spec?.resources, containers }),
    );
  }

  const wholeOf = ({ spec, status }: Pod): Requirements | undefined =>
    spec?.resources && (whole ?? status?.resources ?? spec.resources);

  async function update(granted: Pod, { record, container }: Resize["updates"][number]): Promise<void> {
    const memoryOf = (own: Requirements, all: Requirements | undefined) =>
      own.limits?.["memory"] ?? all?.limits?.["memory"];
    const before = memoryOf(sizeOf(granted, record), wholeOf(granted));
    const limit = memoryOf(container.resources ?? {}, granted.spec?.resources);
    const shrinks = limit !== undefined && before !== undefined && compare(limit, before) < 0;
    if (shrinks) {
      const { stats } = await cri.containerStats({ containerId: record.id });
      const used = stats.memory?.usageBytes?.value || stats.memory?.workingSetBytes?.value || 0;
      refuseBelow(`container "${record.name}" memory limit`, unitValue(limit), used);
    }
    const machine = { memoryBytes: services.node().memoryBytes, cgroups: cgroups.features };
    const { oomScoreAdj: _fixed, unified: _kept, ...linux } = containerResources(granted, container, machine);
    await cri.updateContainerResources({ containerId: record.id, linux });
    runs.set(keyOf(record), container.resources ?? {});
  }

  async function limit(granted: Pod, limits: PodLimits): Promise<void> {
    await cgroups.limit(granted, limits);
    podSize = limits;
  }

  return {
    sizes: (granted) => ({
      of: (record) => sizeOf(granted, record),
      pod: podSize ?? toldPodSize(granted),
      whole: wholeOf(granted),
    }),
    started(name, attempt, size) {
      runs.delete(keyOf({ name, attempt: attempt - 2 }));
      runs.set(keyOf({ name, attempt }), size);
    },
    made: (granted) => {
      podSize = podLimits(granted);
      whole = granted.spec?.resources;
    },
    async carryOut(granted, { grown, updates, final }) {
      try {
        if (grown) await limit(granted, grown);
        for (const one of updates) await update(granted, one);
        if (!final) return;
        if (Number.isFinite(final.memory)) {
          refuseBelow("pod memory limit", final.memory, (await cgroups.memoryUsage(granted)) ?? 0);
        }
        await limit(granted, final);
        whole = granted.spec?.resources;
      } catch (error) {
        throw new StartFailure("ResizeError", (error as Error).message, { cause: error });
      }
    },
  };
}

function specOf({ spec }: Pod, name: string): Requirements | undefined {
  return [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].find((one) => one.name === name)?.resources;
}

function refuseBelow(what: string, limit: number, used: number): void {
  if (used >= limit) throw new Error(`attempting to set ${what} (${limit}) below current usage (${used})`);
}
